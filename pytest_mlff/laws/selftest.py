"""The checks checked: every mutant against its law, and how small a fault each law sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from pytest_mlff.errors import MlffError
from pytest_mlff.laws.exact import harmonic, lennard_jones, morse, stillinger_weber
from pytest_mlff.laws.mutants import FAULTS, Mutant, mutant
from pytest_mlff.laws.runner import run_law
from pytest_mlff.laws.structures import StructurePool
from pytest_mlff.metrics.registry import metrics

if TYPE_CHECKING:
    from pytest_mlff.laws.exact import ExactPotential
    from pytest_mlff.potentials.protocol import Potential

    Progress = Callable[[int, int], None]

EXACT: Final[dict[str, Callable[..., ExactPotential]]] = {
    "lennard_jones": lennard_jones,
    "harmonic": harmonic,
    "morse": morse,
    "stillinger_weber": stillinger_weber,
}
"""Potentials that every law must let pass."""
STRENGTHS: Final = tuple(10.0**power for power in range(-8, 1))
_DTYPES: Final = ("float64", "float32")

Finding = Literal["caught", "passed", "error"]
_MARKS: Final[dict[Finding, str]] = {"caught": "X", "passed": ".", "error": "E"}


@dataclass(frozen=True)
class Limit:
    """How small a fault a law sees: the strength from which on every stronger one is caught.

    None if not even the gross fault is.
    """

    fault: str
    law: str
    dtype: str
    strength: float | None


@dataclass(frozen=True)
class Count:
    """How many runs were made, and which of them ended otherwise than they must."""

    total: int
    wrong: tuple[str, ...]

    @property
    def right(self) -> int:
        """Runs that ended as they must."""
        return self.total - len(self.wrong)


def try_law(law_id: str, potential: Potential, *, seed: int) -> Finding:
    """What one law says of one potential.

    ``error`` covers everything a gate would not let through either: answers that are NaN,
    a vacuous check, a model that raises.
    """
    try:
        result = run_law(
            law_id,
            potential,
            structures=StructurePool.for_potential(potential),
            strictness="fast",
            seed=seed,
            options=dict(potential.kind.options) if isinstance(potential, Mutant) else None,
        )
    except MlffError:
        return "error"
    return "passed" if result.holds else "caught"


def matrix(
    laws: Sequence[str] | None = None,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, dict[str, Finding]]:
    """Every exact potential, then every mutant (float64, strength 1), against every law."""
    makers: dict[str, Callable[[], Potential]] = {
        **EXACT,
        **{name: partial(mutant, name) for name in FAULTS},
    }
    chosen = tuple(metrics("law")) if laws is None else laws
    found: dict[str, dict[str, Finding]] = {}
    for index, (name, make) in enumerate(makers.items()):
        found[name] = {law: try_law(law, make(), seed=seed) for law in chosen}
        if progress is not None:
            progress(index + 1, len(makers))
    return found


def over_seeds(seeds: Sequence[int], *, progress: Progress | None = None) -> tuple[Count, Count]:
    """Mutants caught by their law and exact potentials that passed, in many seeds.

    An ``error`` counts as neither.
    """
    trials: list[tuple[str, str, Callable[[], Potential], Finding]] = [
        (f"{name} {dtype}", FAULTS[name].law, partial(mutant, name, 1.0, dtype), "caught")
        for name in FAULTS
        for dtype in _DTYPES
        if dtype in FAULTS[name].dtypes
    ]
    trials += [
        (f"{name} {dtype}", law, partial(make, dtype=dtype), "passed")
        for name, make in EXACT.items()
        for dtype in _DTYPES
        for law in metrics("law")
    ]
    wrong: dict[Finding, list[str]] = {"caught": [], "passed": []}
    total: dict[Finding, int] = {"caught": 0, "passed": 0}
    for index, (name, law, make, wanted) in enumerate(trials):
        for seed in seeds:
            total[wanted] += 1
            if try_law(law, make(), seed=seed) != wanted:
                wrong[wanted].append(f"{law} on {name}, seed {seed}")
        if progress is not None:
            progress(index + 1, len(trials))
    return (
        Count(total["caught"], tuple(wrong["caught"])),
        Count(total["passed"], tuple(wrong["passed"])),
    )


def detection_limits(
    faults: Sequence[str] = tuple(FAULTS),
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[Limit]:
    """The smallest strength of each fault that its law catches, in both dtypes.

    Strengths go down from 1 in decades to 1e-8 and stop at the first that passes.
    """
    wanted = [
        (name, dtype)
        for name in faults
        if FAULTS[name].smooth
        for dtype in _DTYPES
        if dtype in FAULTS[name].dtypes
    ]
    limits = []
    for index, (name, dtype) in enumerate(wanted):
        law, seen = FAULTS[name].law, None
        for strength in reversed(STRENGTHS):
            if try_law(law, mutant(name, strength, dtype), seed=seed) == "passed":
                break
            seen = strength
        limits.append(Limit(name, law, dtype, seen))
        if progress is not None:
            progress(index + 1, len(wanted))
    return limits


def format_matrix(found: Mapping[str, Mapping[str, Finding]]) -> str:
    """A table: one row for each potential, one column for each law (X caught, . passed)."""
    laws = list(next(iter(found.values())))
    width = max(len(name) for name in found) + 2
    key = [f"{chr(ord('a') + index)} {law}" for index, law in enumerate(laws)]
    rows = [" " * width + " ".join(chr(ord("a") + index) for index in range(len(laws)))]
    for name, findings in found.items():
        own = FAULTS[name].law if name in FAULTS else None
        marks = " ".join(_MARKS[findings[law]] for law in laws)
        tail = ""
        if own is not None and own in findings:
            tail = f"  {own}: {'caught' if findings[own] == 'caught' else 'MISSED'}"
        elif own is None:
            wrong = [law for law in laws if findings[law] == "caught"]
            tail = f"  FALSE ALARM: {', '.join(wrong)}" if wrong else "  no false alarm"
        rows.append(f"{name:<{width}}{marks}{tail}")
    legend = "X caught   . passed   E error or not applicable"
    return "\n".join([*rows, "", legend, "  ".join(key)])


def format_limits(limits: Sequence[Limit]) -> str:
    """A table: smallest strength caught, one row for each fault."""
    width = max(len(limit.fault) for limit in limits) + 2
    dtypes = list(dict.fromkeys(limit.dtype for limit in limits))
    by_key = {(limit.fault, limit.dtype): limit for limit in limits}
    rows = [f"{'fault':<{width}}{'law':<20}" + "".join(f"{dtype:>10}" for dtype in dtypes)]
    for fault in dict.fromkeys(limit.fault for limit in limits):
        cells = []
        for dtype in dtypes:
            limit = by_key.get((fault, dtype))
            if limit is None:
                cells.append("–")
            else:
                cells.append("none" if limit.strength is None else f"{limit.strength:.0e}")
        law = FAULTS[fault].law
        rows.append(f"{fault:<{width}}{law:<20}" + "".join(f"{cell:>10}" for cell in cells))
    return "\n".join(rows)


def built_in(source: str) -> Potential | None:
    """The exact potential or mutant that a source names, None if it names neither.

    ``exact:NAME`` and ``mutant:FAULT:STRENGTH:NAME:DTYPE``, as their ``info.source`` says.

    Raises
    ------
    MlffError
        If it looks like one and is none.
    """
    kind, *rest = source.split(":")
    if kind not in ("exact", "mutant"):
        return None
    try:
        if kind == "exact":
            name, dtype = rest[0], rest[1] if len(rest) > 1 else "float64"
            return EXACT[name](dtype=dtype)
        return mutant(rest[0], float(rest[1]), rest[3] if len(rest) > 3 else "float64")
    except (IndexError, KeyError, ValueError) as error:
        raise MlffError(
            f"{source!r}: expected exact:NAME[:DTYPE] ({', '.join(EXACT)}) or "
            f"mutant:FAULT:STRENGTH ({', '.join(FAULTS)})"
        ) from error
