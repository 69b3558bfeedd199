"""Violations against a reference trajectory at equal times, as EGraFFBench is read by reviewers.

Model and oracle start from the same structure with the same velocities and noise. Trajectories of
even the same method part within a picosecond, so that from then on these numbers measure chaos,
not the model: the violations on the frames visited are the sound reading.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.metrics.violations import energy_violation, force_violation
from pytest_mlff.potentials.batching import evaluate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.metrics.simulated import Simulated
    from pytest_mlff.potentials.protocol import Potential
    from pytest_mlff.simulation.trajectory import Trajectory

_TIMES: Final = 11


def violations_at_equal_times(
    run: Simulated, metric: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A violation at some times of each replica.

    Parameters
    ----------
    run : Simulated
        None of its replicas exploded.
    metric : {"energy_violation_equal_times", "force_violation_equal_times"}

    Returns
    -------
    times : ndarray, shape (n_times,)
        ps.
    violation : ndarray, shape (n_times, n_replicas)
    """
    from pytest_mlff.datasets.reference_energies import fit_reference_energies

    ours, theirs = run.trajectory, run.by_oracle()
    every = math.ceil(len(ours.time_ps) / _TIMES)
    times = ours.time_ps[::every]
    shape = (len(times), ours.n_replicas)
    if metric.startswith("energy"):
        labelled = run.frames.select(np.flatnonzero(run.frames.labelled("energy")))
        zero = float(fit_reference_energies(labelled).of(run.frames.select([0]))[0])
        pairs = zip(
            (ours.potential_energy[::every] - zero).ravel(),
            (theirs.potential_energy[::every] - zero).ravel(),
            strict=True,
        )
        return times, np.array([energy_violation(a, b) for a, b in pairs]).reshape(shape)
    mine, other = (
        _forces(model, trajectory, every)
        for model, trajectory in ((run.potential, ours), (run.oracle, theirs))
    )
    found = [force_violation(a, b) for a, b in zip(mine, other, strict=True)]
    return times, np.array(found).reshape(shape[::-1]).T


def _forces(model: Potential, trajectory: Trajectory, every: int) -> NDArray[np.float64]:
    """Forces replica after replica, shape (n_replicas * n_times, n_atoms, 3)."""
    frames = Frames.concatenate(
        [trajectory.frames(replica, every) for replica in range(trajectory.n_replicas)]
    )
    return evaluate(model, frames).forces.reshape(-1, len(trajectory.numbers), 3)
