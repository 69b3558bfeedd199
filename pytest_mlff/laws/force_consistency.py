"""Forces are the negative gradient of the energy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.laws import tolerance
from pytest_mlff.laws.law import LawBase
from pytest_mlff.laws.numerics import offsets, richardson
from pytest_mlff.laws.structures import seeds
from pytest_mlff.laws.trial import Reading, Trial, worst

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy
    from numpy.typing import NDArray

    from pytest_mlff.laws.context import Context

__all__ = ["ForceConsistency", "displaced", "first_step"]

LEVELS = 4
DIRECTIONS = 2


def first_step(dtype: np.dtype[np.floating]) -> float:
    """Largest step in Å of a difference quotient; noisy arithmetic needs longer ones."""
    return 0.12 if dtype == np.float32 else 0.005


def displaced(frame: Frames, directions: NDArray[np.float64], steps: NDArray[np.float64]) -> Frames:
    """One frame moved along each direction by each step, direction after direction.

    Parameters
    ----------
    frame : Frames
        One frame.
    directions : ndarray, shape (n_directions, n_atoms, 3)
        Displacements in Å for step 1.
    steps : ndarray, shape (n_steps,)
        Multiples of the displacements.
    """
    shifts = directions[:, None] * steps[None, :, None, None]
    copies = shifts.shape[0] * shifts.shape[1]
    return Frames(
        numbers=np.tile(frame.numbers, copies),
        positions=(frame.positions + shifts).reshape(-1, 3),
        counts=np.tile(frame.counts, copies),
        cell=np.repeat(frame.cell, copies, axis=0),
        pbc=np.repeat(frame.pbc, copies, axis=0),
    )


class ForceConsistency(LawBase):
    """F · d = −dE/dd along a random collective direction and along one coordinate of one atom."""

    id = "force_consistency"
    title = "forces are the negative gradient of the energy (Richardson-extrapolated differences)"
    required_evidence = ("numerical_force",)

    def trials(self, context: Context) -> SearchStrategy[Trial]:
        """Structures of every kind with a seed for the directions."""
        return st.builds(
            lambda frames, seed: Trial(frames, {"direction_seed": seed}),
            context.pool.any(10),
            seeds(),
        )

    def measure(self, context: Context, trial: Trial) -> Reading:
        """Compare both directional derivatives in one batch."""
        frame, dtype = trial.frames, context.dtype
        seed = int(trial.parameters["direction_seed"])
        rng = np.random.default_rng([seed, 6])
        directions = rng.normal(size=(DIRECTIONS, *frame.positions.shape))
        single = np.zeros(directions[1].size)
        single[rng.integers(single.size)] = 1.0
        directions[1] = single.reshape(-1, 3)
        directions /= np.linalg.norm(directions, axis=(1, 2), keepdims=True)
        step, reach = first_step(dtype), tolerance.reach_of(frame)
        batch = Frames.concatenate(
            [
                frame,
                tolerance.probes(frame, dtype, reach, seed),
                displaced(frame, directions, offsets(step, LEVELS)),
            ]
        )
        answer = context.predict(batch)
        first = 1 + tolerance.PROBES
        base = tolerance.part(answer, batch, 0, 1)
        noise = tolerance.noise_of(
            base, tolerance.part(answer, batch, 1, first), frame, dtype, reach
        )
        energies = answer.energy[first:].reshape(DIRECTIONS, 2 * LEVELS)
        slope = richardson(energies.T, step, LEVELS, noise.energy / tolerance.SAFETY)
        claimed = np.einsum("kai,ai->k", directions, base.forces)
        norm = float(np.linalg.norm(base.forces, axis=1).mean())
        evidence = {
            "mean_force_norm": norm,
            "numerical_force": float(np.abs(slope.value).mean()),
        }
        names = ("along a collective direction", "along one coordinate")
        return worst(
            *(
                Reading(
                    violation=1000.0 * abs(float(claimed[k] + slope.value[k])),
                    tolerance=1000.0 * (tolerance.SAFETY * float(slope.error[k]) + noise.forces),
                    unit="meV/Å",
                    evidence=evidence,
                    what=names[k],
                )
                for k in range(DIRECTIONS)
            )
        )
