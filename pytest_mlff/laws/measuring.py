"""From a case of a law to its measurement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_mlff.laws.registry import law_named
from pytest_mlff.laws.runner import run_law
from pytest_mlff.laws.structures import StructurePool
from pytest_mlff.metrics.measurement import Measurement

if TYPE_CHECKING:
    from pytest_mlff.metrics.inputs import Inputs

_FRAMES: Final = 8
_NOT_THE_LAWS: Final = ("examples", "strictness")


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
            options={key: one for key, one in inputs.options.items() if key not in _NOT_THE_LAWS},
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
            **({"remark": result.remark} if result.remark else {}),
            **result.evidence,
        },
        reason=result.headline,
        detail=result.detail(),
        counterexample=result.counterexample,
    )
