"""Forces are the negative gradient of the energy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.laws import tolerance
from pytest_mlff.laws.law import LawBase
from pytest_mlff.laws.numerics import mean_norm, mean_over_path, path
from pytest_mlff.laws.structures import seeds, trials_of
from pytest_mlff.laws.trial import Questions, Reading, Trial, worst
from pytest_mlff.laws.wording import atom, kind_of

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy
    from numpy.typing import NDArray

    from pytest_mlff.laws.context import Context

DIRECTIONS = 2


def first_step(dtype: np.dtype[np.floating]) -> float:
    """Half the length in Å of a path, or the largest step of a difference quotient.

    Noisy arithmetic needs longer ones.
    """
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
    """Work of the forces = loss of energy, on short paths through a structure.

    One path is a random collective direction, the other one coordinate of one atom. That is
    −dE/dd = F · d, averaged over the path: no derivative is taken, so a kink of the force, as every
    cosine cutoff has one, costs no accuracy.
    """

    id = "force_consistency"
    title = "forces are the negative gradient of the energy (work against loss of energy)"
    required_evidence = ("numerical_force",)

    def trials(self, context: Context) -> SearchStrategy[Trial]:
        """Structures of every kind with a seed for the directions."""
        return trials_of(context.pool.any(10), direction_seed=seeds())

    def measure(self, context: Context, trial: Trial) -> Questions:
        """Compare work and loss of energy on both paths in one batch."""
        frame, dtype = trial.frames, context.dtype
        seed = int(trial.parameters["direction_seed"])
        rng = np.random.default_rng([seed, 6])
        directions = rng.normal(size=(DIRECTIONS, *frame.positions.shape))
        single = np.zeros(directions[1].size)
        single[rng.integers(single.size)] = 1.0
        directions[1] = single.reshape(-1, 3)
        directions /= np.linalg.norm(directions, axis=(1, 2), keepdims=True)
        half, reach = first_step(dtype), context.coarse_reach(frame)
        paths = displaced(frame, directions, path(half))
        probed = tolerance.probed(frame, dtype, reach, seed, paths)
        (answer,) = yield [probed.batch]
        base, noise, moved = probed.read(answer)
        energies = moved.energy.reshape(DIRECTIONS, -1)
        slope = (energies[:, 0] - energies[:, -1]) / (2.0 * half)
        along = np.einsum(
            "ksai,kai->sk",
            moved.forces.reshape(DIRECTIONS, -1, *frame.positions.shape),
            directions,
        )
        claimed = mean_over_path(along)
        norm = mean_norm(base.forces)
        evidence = {"mean_force_norm": norm, "numerical_force": float(np.abs(slope).mean())}
        moving, component = divmod(int(single.argmax()), 3)
        names = (
            f"moving all atoms of this {kind_of(frame)} together",
            f"moving {atom(frame, moving)} of this {kind_of(frame)} along {'xyz'[component]}",
        )
        return worst(
            *(
                Reading(
                    violation=1000.0 * abs(float(claimed.value[k] + slope[k])),
                    tolerance=1000.0
                    * (float(claimed.error[k]) + noise.forces + noise.energy / (2.0 * half)),
                    unit="meV/Å",
                    evidence=evidence,
                    what="force against energy",
                    claim=f"{names[k]}, force and slope of the energy differ by",
                    size=1000.0 * norm,
                    facts=(
                        f"mean over ±{half:g} Å, from the forces: {claimed.value[k]:.6g} eV/Å",
                        f"mean over ±{half:g} Å, from the energy: {-slope[k]:.6g} eV/Å",
                    ),
                )
                for k in range(DIRECTIONS)
            )
        )
