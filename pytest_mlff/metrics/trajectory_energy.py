"""Energy and temperature along simulated trajectories."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.errors import NotSupportedError
from pytest_mlff.units import MEV

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.simulation.trajectory import Trajectory


def energy_drift(trajectory: Trajectory) -> NDArray[np.float64]:
    """Slope of the total energy of each replica, by least squares.

    Forces that are the slope of an energy conserve it up to fluctuations that a shorter time
    step shrinks; other forces do work on a closed loop, and the energy drifts.

    Parameters
    ----------
    trajectory : Trajectory
        In the ensemble ``nve``.

    Returns
    -------
    ndarray, shape (n_replicas,)
        meV/atom/ps, signed; NaN of a replica that exploded.

    Raises
    ------
    NotSupportedError
        In another ensemble, or with fewer than three stored frames.
    """
    if trajectory.settings.ensemble != "nve":
        raise NotSupportedError("energy_drift needs a simulation in the ensemble nve")
    if len(trajectory.time_ps) < 3:
        raise NotSupportedError("energy_drift needs at least three stored frames")
    total = trajectory.potential_energy + trajectory.kinetic_energy
    # Energies of thousands of eV would cost digits of the slope.
    change = (total - total[0]) * (MEV / len(trajectory.numbers))
    time = trajectory.time_ps - trajectory.time_ps.mean()
    return np.asarray(time @ change / (time @ time))


def temperature_error(trajectory: Trajectory, *, skip_ps: float = 0.0) -> NDArray[np.float64]:
    """Mean temperature of each replica less that of the thermostat.

    Parameters
    ----------
    trajectory : Trajectory
        In the ensemble ``nvt_langevin``.
    skip_ps : float
        Time from the start that is left out, ps.

    Returns
    -------
    ndarray, shape (n_replicas,)
        K, signed; NaN of a replica that exploded.

    Raises
    ------
    NotSupportedError
        In another ensemble, or if nothing is left after ``skip_ps``.
    """
    if trajectory.settings.ensemble != "nvt_langevin":
        raise NotSupportedError("temperature_error needs a simulation with a thermostat")
    late = trajectory.time_ps >= skip_ps
    if not late.any():
        raise NotSupportedError(f"the simulation ends before {skip_ps:g} ps")
    mean = trajectory.temperature[late].mean(axis=0)
    return np.asarray(mean - trajectory.settings.temperature_k)
