"""Errors on the frames that a simulation visited, labelled by the oracle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.errors import NotSupportedError
from pytest_mlff.metrics.violations import energy_violation, force_violation
from pytest_mlff.potentials.batching import evaluate
from pytest_mlff.potentials.failures import FrameError
from pytest_mlff.units import MEV

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.reference_energies import ReferenceEnergies
    from pytest_mlff.potentials.protocol import Potential
    from pytest_mlff.simulation.trajectory import Trajectory


@dataclass(frozen=True, eq=False)
class VisitedErrors:
    """Errors at visited frames, NaN where a replica was dead.

    Attributes
    ----------
    time_ps : ndarray, shape (n_times,)
    every : int
        Stored frames from one time to the next.
    energy_violation, force_violation : ndarray, shape (n_times, n_replicas)
        Dimensionless; energies are counted from the reference energies of the species.
    energy_mae : ndarray, shape (n_times, n_replicas)
        |ΔE| per atom, meV/atom.
    force_mae : ndarray, shape (n_times, n_replicas)
        Mean of |ΔF| over components, meV/Å.
    lost : str
        Why the oracle could not label a frame; empty where it labelled all. A replica has NaN
        from such a frame on.
    """

    time_ps: NDArray[np.float64]
    every: int
    energy_violation: NDArray[np.float64]
    force_violation: NDArray[np.float64]
    energy_mae: NDArray[np.float64]
    force_mae: NDArray[np.float64]
    lost: str = ""


def visited_errors(
    trajectory: Trajectory,
    model: Potential,
    oracle: Potential,
    reference_energies: ReferenceEnergies,
    *,
    every: int = 1,
) -> VisitedErrors:
    """Evaluate model and oracle on visited frames.

    Parameters
    ----------
    trajectory : Trajectory
        By the model.
    model, oracle : Potential
        Both are asked for the stored positions, which are rounded to float32.
    reference_energies : ReferenceEnergies
        Where energies are zero: a relative error of a total energy says nothing without it.
    every : int
        Take each so many-th stored frame.

    Raises
    ------
    NotSupportedError
        If model or oracle cannot serve the frames, or no frame was visited.
    MlffError
        If the model fails on a frame.
    """
    times = np.arange(0, len(trajectory.time_ps), every)
    shape = (len(times), trajectory.n_replicas)
    frames, alive = visited_frames(trajectory, every)
    labels, unlabelled = _labelled(oracle, frames)
    if unlabelled:
        # A replica is followed up to where the oracle still is.
        places = np.argwhere(alive)
        for replica, time in places[list(unlabelled)]:
            alive[replica, time:] = False
        kept = np.flatnonzero(alive[tuple(places.T)])
        if not len(kept):
            raise NotSupportedError(next(iter(unlabelled.values())))
        frames = frames.select(kept)
        labels = [labels[one] for one in kept]
    ours = evaluate(model, frames)
    zero = reference_energies.of(frames)
    n_atoms = len(trajectory.numbers)
    forces = ours.forces.reshape(-1, n_atoms, 3)
    energy_ref = np.array([energy for energy, _ in labels])
    forces_ref = np.array([found for _, found in labels])
    columns = {
        "energy_violation": [
            energy_violation(a, b)
            for a, b in zip(ours.energy - zero, energy_ref - zero, strict=True)
        ],
        "force_violation": [force_violation(a, b) for a, b in zip(forces, forces_ref, strict=True)],
        "energy_mae": MEV * np.abs(ours.energy - energy_ref) / n_atoms,
        "force_mae": MEV * np.abs(forces - forces_ref).mean(axis=(1, 2)),
    }
    found = {}
    for name, values in columns.items():
        table = np.full(alive.shape, np.nan)
        table[alive] = values
        found[name] = table.T.reshape(shape)
    lost = next(iter(unlabelled.values()), "")
    return VisitedErrors(time_ps=trajectory.time_ps[times], every=every, lost=lost, **found)


def _labelled(
    oracle: Potential, frames: Frames
) -> tuple[list[tuple[float, NDArray[np.float64]]], dict[int, str]]:
    """Energy and forces of each frame, and why the oracle has none of some."""
    labels, lost = [], {}
    for index in range(len(frames)):
        one = frames.select([index])
        try:
            found = evaluate(oracle, one, batch=1)
        except FrameError as error:
            if isinstance(error, NotSupportedError):
                raise
            lost[index] = f"{error.model} has no answer on a frame visited: {error.what}"
            labels.append((np.nan, np.full((int(one.counts[0]), 3), np.nan)))
        else:
            labels.append((float(found.energy[0]), found.forces))
    return labels, lost


def visited_frames(trajectory: Trajectory, every: int) -> tuple[Frames, NDArray[np.bool_]]:
    """Each so many-th stored frame of every replica, replica after replica.

    Returns
    -------
    frames : Frames
    alive : ndarray of bool, shape (n_replicas, n_times)
        Which of the times a replica reached.

    Raises
    ------
    NotSupportedError
        If no frame was visited.
    """
    kept = []
    for replica in range(trajectory.n_replicas):
        one = trajectory.frames(replica)
        assert one.time_index is not None
        wanted = one.time_index % (every * trajectory.settings.stride) == 0
        if wanted.any():
            kept.append(one.select(np.flatnonzero(wanted)))
    if not kept:
        raise NotSupportedError("no frame was visited")
    return Frames.concatenate(kept), trajectory.alive[::every].T.copy()
