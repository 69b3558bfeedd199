"""Self-diffusion from mean squared displacements (Einstein's relation)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_mlff.errors import MissingExtraError, NotSupportedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.simulation.trajectory import Trajectory

_FEWEST: Final = 20
# Lag times of the fit, as shares of the longest: ballistic motion before, few windows beyond.
_FIT: Final = (0.1, 0.5)


def displacements(
    trajectory: Trajectory, species: str | None = None, skip_ps: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean squared displacement of each replica by lag time, over all windows (freud).

    Positions are counted from the centre of mass of all atoms.

    Parameters
    ----------
    trajectory : Trajectory
        Periodic; no replica exploded.
    species : str, optional
        Chemical symbol; all atoms if left out.
    skip_ps : float
        Time from the start that is left out, ps.

    Returns
    -------
    lag : ndarray, shape (n_lags,)
        ps.
    squares : ndarray, shape (n_replicas, n_lags)
        Å².

    Raises
    ------
    NotSupportedError
        For molecules, or with fewer than 20 frames.
    MissingExtraError
        If freud is not installed.
    """
    from ase.data import atomic_masses, atomic_numbers

    if not trajectory.pbc.all():
        raise NotSupportedError("diffusivity needs a cell periodic in all directions")
    late = trajectory.time_ps >= skip_ps
    if late.sum() < _FEWEST:
        raise NotSupportedError(
            f"diffusivity needs at least {_FEWEST} stored frames, not {late.sum()}"
        )
    try:
        from freud.msd import MSD
    except ImportError as error:
        raise MissingExtraError("diffusivity", "freud", "simulation") from error

    masses = atomic_masses[trajectory.numbers]
    positions = trajectory.positions[late].astype(np.float64)
    centres = np.einsum("frac,a->frc", positions, masses) / masses.sum()
    moved = positions - centres[:, :, None]
    if species is not None:
        moved = moved[:, :, trajectory.numbers == atomic_numbers[species]]
    squares = [
        np.asarray(MSD(mode="window").compute(moved[:, one]).msd)
        for one in range(trajectory.n_replicas)
    ]
    times = trajectory.time_ps[late]
    return times - times[0], np.array(squares)


def diffusivity(lag: NDArray[np.float64], squares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slope of the mean squared displacement over 6, of each replica.

    Parameters
    ----------
    lag : ndarray, shape (n_lags,)
        ps.
    squares : ndarray, shape (n_replicas, n_lags)
        Å².

    Returns
    -------
    ndarray, shape (n_replicas,)
        Å²/ps (1 Å²/ps = 10⁻⁸ m²/s), by least squares between a tenth and half of the longest lag.
    """
    low, high = (round(share * (len(lag) - 1)) for share in _FIT)
    time = lag[low : high + 1] - lag[low : high + 1].mean()
    return np.asarray(squares[:, low : high + 1] @ time / (time @ time) / 6.0)
