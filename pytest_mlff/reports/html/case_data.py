"""What the page's script needs of the cases: rows, structures once each, elements."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from pytest_mlff.metrics.pictures import FILM_STEP_ANGSTROM
from pytest_mlff.reports.headline import severity

if TYPE_CHECKING:
    from pytest_mlff.metrics.pictures import Film
    from pytest_mlff.reports.model import CaseRecord, Report, StructureRecord

FIELDS: Final = (
    "case_id", "suite", "spec", "variant", "metric", "species", "group", "model", "dataset",
    "value", "unit", "n_frames", "n_atoms", "ci_low", "ci_high", "threshold",
    "threshold_provenance", "baseline", "regressed", "verdict", "reason", "seconds",
    "nodeid", "evidence", "detail", "larger_is_better", "load", "limit",
)  # fmt: skip
"""Fields of a row, in order; `worst_frame` and `counterexample` follow as numbers."""


class _Once:
    """Values numbered so that equal ones are kept once: most cases share a provenance,
    and the cases of a variant often share their worst frame.
    """

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[str, int] = {}

    def number(self, value: Any) -> int | None:
        """Number of a value; None for None."""
        if value is None:
            return None
        key = json.dumps(value, sort_keys=True)
        if key not in self._numbers:
            self._numbers[key] = len(self.values)
            self.values.append(value)
        return self._numbers[key]


def case_data(report: Report) -> dict[str, Any]:
    """The JSON-able content of the page's data block.

    Returns
    -------
    dict
        ``fields`` (names), ``rows`` (one list per case, worst first), ``structures``,
        ``provenances``, ``elements``, ``models`` (in the report's order).
    """
    structures, provenances = _Once(), _Once()
    rows = []
    for case in sorted(report.cases, key=severity):
        row = [getattr(case, name) for name in FIELDS]
        row[FIELDS.index("threshold_provenance")] = provenances.number(case.threshold_provenance)
        row += [
            structures.number(None if found is None else _drawable(found))
            for found in (case.worst_frame, case.counterexample)
        ]
        rows.append(row)
    return {
        "fields": [*FIELDS, "worst_frame", "counterexample"],
        "rows": rows,
        "structures": structures.values,
        "provenances": provenances.values,
        "films": _films(report.cases),
        "elements": elements(
            [*_structures(report.cases), *(case.film for case in report.cases if case.film)]
        ),
        "models": list(dict.fromkeys(case.model for case in report.cases)),
    }


def _drawable(structure: StructureRecord) -> dict[str, Any]:
    """A structure with the rotation from which to look at it; None if it cannot be drawn.

    What does not fit together (a file can hold anything) is left out rather than drawn wrong.
    """
    content = structure.model_dump()
    count = len(structure.symbols)
    if structure.atom_errors is not None and len(structure.atom_errors) != count:
        content["atom_errors"] = None
    if structure.cell is not None and [len(edge) for edge in structure.cell] != [3, 3, 3]:
        content["cell"] = None
    content["view"] = None
    if count and [len(row) for row in structure.positions] == [3] * count:
        content["view"] = _view(structure.positions)
    return content


def _view(positions: list[list[float]]) -> list[list[float]] | None:
    """Rotation that lays the longest axis along x and the flattest towards the eye."""
    import numpy as np

    with np.errstate(all="ignore"):
        centred = np.asarray(positions) - np.mean(positions, axis=0)
        # Å: no molecule is larger, and the squares below must stay finite.
        if not np.all(np.abs(centred) < 1e6):
            return None
        # Of the covariance and not of the rows, which may be fewer than three.
        axes = np.linalg.eigh(centred.T @ centred)[1].T[::-1]
    if np.linalg.det(axes) < 0:
        axes[2] = -axes[2]  # a mirror would show the other enantiomer
    return [[round(float(entry), 6) for entry in row] for row in axes]


def _structures(cases: Iterable[CaseRecord]) -> Iterable[StructureRecord]:
    for case in cases:
        for found in (case.worst_frame, case.counterexample):
            if found is not None:
                yield found


def _films(cases: Iterable[CaseRecord]) -> list[dict[str, Any]]:
    """Films with the rotation from which to look at their first frame."""
    import base64

    import numpy as np

    found = []
    for case in cases:
        film = case.film
        if film is None:
            continue
        try:
            steps = np.frombuffer(base64.b64decode(film.positions), dtype="<i2").astype(float)
        except ValueError:
            continue
        if steps.size != 3 * len(film.symbols) * len(film.time_ps) or not film.symbols:
            continue  # a file can hold anything
        first = FILM_STEP_ANGSTROM * steps.reshape(-1, len(film.symbols), 3)[0]
        name = " ".join(filter(None, (f"{case.spec} {case.variant}", case.model)))
        content = {**asdict(film), "step": FILM_STEP_ANGSTROM, "view": _view(first.tolist())}
        found.append({"name": name, "film": content})
    return found


def elements(structures: Iterable[StructureRecord | Film]) -> dict[str, dict[str, Any]]:
    """How to draw the elements that occur.

    Covalent radii (Cordero et al., Dalton Trans. 2008, 2832) and the colours chemists are
    used to are ASE's.

    Returns
    -------
    dict
        Symbol to ``radius`` (Å), ``colour`` (three integers, 0–255); symbols that are no
        elements are left out.
    """
    symbols = sorted({symbol for one in structures for symbol in one.symbols})
    if not symbols:
        return {}
    from ase.data import atomic_numbers, covalent_radii
    from ase.data.colors import jmol_colors

    return {
        symbol: {
            "radius": float(covalent_radii[number]),
            "colour": [round(255 * float(part)) for part in jmol_colors[number]],
        }
        for symbol in symbols
        if (number := atomic_numbers.get(symbol)) and number < len(jmol_colors)
    }
