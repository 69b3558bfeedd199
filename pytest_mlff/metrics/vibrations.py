"""Vibrational density of states: the power spectrum of the mass-weighted velocities.

Dickey and Paskin, Phys. Rev. 1969, 188, 1407. The spectrum reaches to 1 / (2 · stride · time
step); what vibrates faster is folded back into it, in model and reference alike. Hydrogen asks
for frames at most 4 fs apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.errors import NotSupportedError
from pytest_mlff.metrics.structure import rdf_jsd

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.simulation.trajectory import Trajectory

_FEWEST = 32


def _late(trajectory: Trajectory, skip_ps: float) -> NDArray[np.bool_]:
    late = np.asarray(trajectory.time_ps >= skip_ps)
    if late.sum() < _FEWEST:
        raise NotSupportedError(
            f"a vibrational spectrum needs at least {_FEWEST} stored frames, not {late.sum()}"
        )
    return late


def frequencies(trajectory: Trajectory, skip_ps: float = 0.0) -> NDArray[np.float64]:
    """Frequencies of :func:`spectra` in THz (1 THz = 33.36 cm⁻¹)."""
    count = int(_late(trajectory, skip_ps).sum())
    step_ps = float(trajectory.time_ps[1] - trajectory.time_ps[0])
    return np.asarray(np.fft.rfftfreq(count, d=step_ps)[1:], dtype=np.float64)


def spectra(trajectory: Trajectory, skip_ps: float = 0.0) -> NDArray[np.float64]:
    """Density of states of each replica, not normalised.

    Parameters
    ----------
    trajectory : Trajectory
    skip_ps : float
        Time from the start that is left out, ps.

    Returns
    -------
    ndarray, shape (n_replicas, n_frequencies)
        Σ_i m_i |v̂_i(f)|² with a Hann window; without zero frequency.

    Raises
    ------
    NotSupportedError
        With fewer than 32 frames.
    """
    from ase.data import atomic_masses
    from scipy.signal import periodogram

    velocities = trajectory.velocities[_late(trajectory, skip_ps)].astype(np.float64)
    _, power = periodogram(velocities, window="hann", detrend="constant", axis=0)
    masses = atomic_masses[trajectory.numbers]
    return np.asarray(np.einsum("frac,a->rf", power[1:], masses))


@dataclass(frozen=True, eq=False)
class VibrationReference:
    """The reference method's own simulation."""

    trajectory: Trajectory
    skip_ps: float = 0.0

    @cached_property
    def spectra(self) -> NDArray[np.float64]:
        """Of each replica."""
        return spectra(self.trajectory, self.skip_ps)

    @cached_property
    def halves(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean spectra of the first and of the second half of the replicas."""
        middle = len(self.spectra) // 2
        return self.spectra[:middle].mean(axis=0), self.spectra[middle:].mean(axis=0)

    @property
    def noise_floor(self) -> float:
        """The divergence between the two halves."""
        return rdf_jsd(*self.halves)

    def divergence(self, spectrum: NDArray[np.float64]) -> float:
        """Jensen-Shannon divergence (base 2) of a spectrum from the reference's."""
        return rdf_jsd(spectrum, self.spectra.mean(axis=0))
