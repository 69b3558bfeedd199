"""From a case of a law to its measurement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_mlff.laws.registry import law_named
from pytest_mlff.laws.runner import run_law
from pytest_mlff.laws.structures import StructurePool
from pytest_mlff.metrics.measurement import Measurement

if TYPE_CHECKING:
    from pytest_mlff.laws.law import LawResult
    from pytest_mlff.metrics.inputs import Inputs

__all__ = ["measure_law"]

_FRAMES: Final = 8


def measure_law(inputs: Inputs) -> Measurement:
    """Check the law on drawn structures and a few of the test frames; the value is its excess."""
    potential, frames = inputs.potential, inputs.frames
    law = law_named(inputs.metric.id)
    few = np.linspace(0, len(frames) - 1, min(_FRAMES, len(frames))).round().astype(int)
    examples = inputs.options.get("examples")
    with inputs.guard():
        result = run_law(
            inputs.metric.id,
            potential,
            structures=StructurePool.for_potential(potential, frames.select(few).without_labels()),
            strictness=inputs.strictness or str(inputs.options.get("strictness", "ci")),
            seed=inputs.seed,
            examples=None if examples is None or inputs.strictness else int(examples),
            alternatives=inputs.other_precisions() if law.compares_precisions else None,
        )
    return Measurement(
        value=float(result.excess),
        unit="1",
        n_frames=int(result.evidence["examples"]),
        n_atoms=0,
        evidence={
            "violation": float(result.violation),
            "tolerance": float(result.tolerance),
            "violation_unit": result.unit,
            **result.evidence,
        },
        detail=_detail(result),
        counterexample=result.counterexample,
    )


def _detail(result: LawResult) -> str:
    lines = [
        f"largest violation {result.violation:.3g} {result.unit}, "
        f"tolerance {result.tolerance:.3g} {result.unit}",
        f"{result.evidence['examples']} examples, seed {result.evidence['seed']}, "
        f"strictness {result.evidence['strictness']}",
    ]
    if result.counterexample is not None:
        lines.append(str(result.counterexample))
    return "\n".join(lines)
