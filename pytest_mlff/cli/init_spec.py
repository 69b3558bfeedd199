"""The first spec of a model repository: thresholds from what its model reaches today."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_mlff import __version__
from pytest_mlff.cli.init_measure import MOLECULES, START, constant_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlff.cli.init_measure import Measured
    from pytest_mlff.reports.model import CaseRecord

__all__ = ["TEMPLATES", "draft", "first_spec", "quoted"]

TEMPLATES: Final = Path(__file__).resolve().parents[1] / "templates" / "init"
_ALLOWANCE: Final = 1.3
"""As in the quick spec: what another training seed may be worse by, and more."""
_STEP: Final = {"energy_mae": 0.1, "force_mae": 1.0}
_UNIT: Final = {"energy_mae": "meV/atom", "force_mae": "meV/Å"}
_LAWS: Final = """\
  - metric: rotation
    options: {examples: 5}
    thresholds:
      - max: 1
        unit: "1"
        provenance: &exact
          source: physical_limit
          reference: holds exactly in physics; the value is a multiple of the numerical tolerance
  - metric: force_consistency
    options: {examples: 3}
    thresholds:
      - {max: 1, unit: "1", provenance: *exact}
"""


def quoted(text: str) -> str:
    """Text as a YAML scalar in double quotes (JSON's strings are such)."""
    return json.dumps(text, ensure_ascii=False)


def _spec(title: str, molecules: Sequence[str], cases: str) -> str:
    text = (TEMPLATES / "first.yaml").read_text(encoding="utf-8")
    for name, value in {
        "@TITLE@": quoted(f"First check of {title}"),
        "@MOLECULES@": ", ".join(molecules),
        "@START@": str(START),
    }.items():
        text = text.replace(name, value)
    return text + cases


def _limits(metric: str, largest: dict[str, float], provenance: str) -> str:
    """One entry of ``cases``; ``largest`` has one value over all atoms, or also one for each."""
    species = "    species: [all, each]\n" if "each" in largest else ""
    lines = [f"  - metric: {metric}\n{species}    thresholds:\n"]
    for kind, value in largest.items():
        told = f"        species: {kind}\n" if species else ""
        lines.append(
            f"      - max: {_rounded(metric, value):g}\n"
            f"        unit: {_UNIT[metric]}\n{told}        provenance: {provenance}\n"
        )
        provenance = "*measured"
    return "".join(lines)


def _rounded(metric: str, value: float) -> float:
    step = _STEP[metric]
    return round(max(1, math.ceil(_ALLOWANCE * value / step - 1e-9)) * step, 6)


def draft() -> str:
    """A spec that only measures: no value can miss its limits."""
    provenance = "&measured {source: physical_limit, reference: none; a draft that measures only}"
    largest = {"all": 1e12}
    energy = _limits("energy_mae", largest, provenance)
    forces = _limits("force_mae", {**largest, "each": 1e12}, "*measured")
    return _spec("a draft", MOLECULES, energy + forces)


def first_spec(model: str, measured: Measured) -> tuple[str, list[str]]:
    """The spec, and what has to be said of it.

    Parameters
    ----------
    model : str
        Name for titles and provenance.
    measured : Measured
        A run of `draft`. Without a report, the spec holds physical laws alone.

    Returns
    -------
    text : str
        YAML.
    remarks : list of str
        What was left out, and why.
    """
    values = [case for case in measured.cases if case.value is not None]
    molecules = [name for name in MOLECULES if any(case.variant == name for case in values)]
    if not molecules:
        why = f"{model} could not be measured ({measured.problem})"
        said = f"{why}: the spec holds physical laws alone, and there is no baseline"
        return _spec(model, MOLECULES, _LAWS), [said]
    remarks = [
        f"{model} does not support {name}, which is left out"
        for name in MOLECULES
        if name not in molecules
    ]
    kept = {metric: _meant(metric, values, molecules) for metric in _STEP}
    for metric, largest in kept.items():
        if largest is None:
            remarks.append(
                f"{metric}: no better than a constant on the embedded data, probably since the "
                "model was trained on another level of theory; left out"
            )
    return _spec(model, molecules, _thresholds(model, measured, values, kept) + _LAWS), remarks


def _meant(
    metric: str, values: Sequence[CaseRecord], molecules: Sequence[str]
) -> dict[str, float] | None:
    """Largest value over all atoms and over each species; None if they mean nothing."""
    found = [case for case in values if case.metric == metric and case.value is not None]
    place = list(_STEP).index(metric)
    limits = {name: constant_errors(name)[place] for name in molecules}
    kinds: dict[str, float] = {}
    for case in found:
        assert case.value is not None
        if case.species is None and case.value >= limits[case.variant]:
            return None
        kind = "all" if case.species is None else "each"
        kinds[kind] = max(kinds.get(kind, 0.0), case.value)
    return kinds or None


def _thresholds(
    model: str,
    measured: Measured,
    values: Sequence[CaseRecord],
    kept: dict[str, dict[str, float] | None],
) -> str:
    assert measured.report is not None
    digests = [one.digest for one in measured.report.models if one.digest]
    which = f"{model} (sha256 {digests[0][:12]})" if digests else model
    steps = ", ".join(f"{_STEP[metric]:g} {_UNIT[metric]}" for metric in _STEP)
    reference = (
        f"{_ALLOWANCE} times the largest value of {which} on {datetime.now(UTC):%Y-%m-%d} with "
        f"pytest-mlff {__version__}, rounded up to the next {steps.replace(', ', ' or ')}"
    )
    frames = sum({case.variant: case.n_frames or 0 for case in values}.values())
    provenance = (
        "&measured\n"
        "          source: own_baseline\n"
        f"          reference: {quoted(reference)}\n"
        f"          frames: {frames}\n"
        "          seeds: 1"
    )
    text = ""
    for metric, largest in kept.items():
        if largest is not None:
            text += _limits(metric, largest, provenance)
            provenance = "*measured"
    return text
