"""Stress is the derivative of the energy by strain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.laws import tolerance
from pytest_mlff.laws.law import LawBase
from pytest_mlff.laws.numerics import offsets, richardson
from pytest_mlff.laws.structures import seeds
from pytest_mlff.laws.trial import Reading, Trial

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from pytest_mlff.laws.context import Context

__all__ = ["StressConsistency"]

LEVELS = 4
_COMPONENTS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


class StressConsistency(LawBase):
    """V σ = dE/dε for all six components of a symmetric strain."""

    id = "stress_consistency"
    title = "stress is the strain derivative of the energy per volume, all six components"
    required_evidence = ("numerical_stress",)
    uses_reference = False
    min_atoms = 1

    def trials(self, context: Context) -> SearchStrategy[Trial]:
        """Crystals in skewed cells."""
        context.require_stress()
        return st.builds(
            lambda frames, seed: Trial(frames, {"probe_seed": seed}),
            context.pool.crystals(),
            seeds(),
        )

    def examples(self, wanted: int) -> int:
        """Half as many: one trial is some fifty evaluations."""
        return max(4, wanted // 2)

    def measure(self, context: Context, trial: Trial) -> Reading:
        """Strain the crystal in six ways, in one batch."""
        frame, dtype = trial.frames, context.dtype
        step = 0.03 if dtype == np.float32 else 0.001
        reach = tolerance.reach_of(frame)
        parts = [
            frame,
            tolerance.probes(frame, dtype, reach, int(trial.parameters["probe_seed"])),
        ]
        for row, column in _COMPONENTS:
            strain = np.zeros((3, 3))
            strain[row, column] += 0.5
            strain[column, row] += 0.5
            parts += [_strained(frame, size * strain) for size in offsets(step, LEVELS)]
        batch = Frames.concatenate(parts)
        answer = context.predict(batch)
        first = 1 + tolerance.PROBES
        base = tolerance.part(answer, batch, 0, 1)
        noise = tolerance.noise_of(
            base, tolerance.part(answer, batch, 1, first), frame, dtype, reach
        )
        volume = abs(float(np.linalg.det(frame.cell[0])))
        energies = answer.energy[first:].reshape(6, 2 * LEVELS) / volume
        numeric = richardson(energies.T, step, LEVELS, noise.energy / tolerance.SAFETY / volume)
        assert base.stress is not None  # require_stress
        claimed = np.array([base.stress[0][row, column] for row, column in _COMPONENTS])
        allowed = tolerance.SAFETY * numeric.error + noise.stress
        violation = np.abs(claimed - numeric.value)
        index = int(np.argmax(violation / allowed))
        return Reading(
            1000.0 * float(violation[index]),
            1000.0 * float(allowed[index]),
            "meV/Å³",
            {"numerical_stress": float(np.abs(numeric.value).mean())},
            f"component {'xyz'[_COMPONENTS[index][0]]}{'xyz'[_COMPONENTS[index][1]]}",
        )


def _strained(frame: Frames, strain: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Frames:
    change = np.eye(3) + strain
    return Frames(
        frame.numbers, frame.positions @ change, frame.counts, frame.cell @ change, frame.pbc
    )
