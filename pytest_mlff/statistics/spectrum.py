"""Spectrum of a series at frequency zero, which no series shows and every mean depends on.

The variance of a mean is the spectrum at frequency zero; a series of n frames shows it only
from ω = π/n upwards. What lies between is assumed, by every rule. Here the assumption is a
family of spectra rather than one of them: fast fluctuations that are flat over the low
frequencies, plus a slow part, a Lorentzian (the spectrum of AR(1) and of exponential decay),

    s(ω) ∝ 1 + r / (1 + (ω τ)²),

over a grid of r and τ, from none to a part as slow as the whole series. The prior gives half
to no slow part and half evenly to the grid; the first ``B`` type-II cosine coefficients (those
of Lazarus, Lewis, Stock and Watson, J. Bus. Econ. Stat. 2018, 36, 541) weight the members.
Under each member the mean follows Student's t of B degrees of freedom with its own scale, so
that together it follows a mixture, whose upper 5 % point is matched by a single t (its
degrees of freedom by the 0.5 % point, but not below four: further out the mixture only tells
the prior). Weak slow motion that the series cannot exclude thus widens the interval, by as much
as it is plausible. The approach is that of Müller and Watson, Rev. Econ. Stud. 2016, 83, 1711
(low-frequency inference with the shape of the spectrum integrated out); that some family has
to be assumed at all follows from Pötscher, Econometrica 2002, 70, 1035.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RATE = 0.41
"""Factor of n^(2/3) in the number of coefficients; Lazarus et al. 2018, section 4."""

_RATIOS = (3.0, 10.0, 30.0, 100.0, 1000.0)
"""Spectrum of the slow part over that of the fast one, at frequency zero."""

_TIMES = 6
"""Correlation times on the grid, evenly on a logarithmic scale from n/(π B) to n."""

_LOWEST = 4
"""Coefficients at the lowest frequencies: the extrapolation is told against them, and the
degrees of freedom are at least as many."""

_TAILS = (0.05, 0.005)
"""Tail probabilities at which Student's t is matched to the mixture."""


@dataclass(frozen=True, eq=False)
class ZeroFrequency:
    """Spectrum at frequency zero of one or many series.

    Attributes
    ----------
    variance : ndarray, shape (...,)
        Squared scale of the matched t, times n: the long-run variance.
    dof : ndarray, shape (...,)
        Degrees of freedom of the matched t.
    weights : ndarray, shape (..., count)
        ``variance`` is the sum of the squared coefficients with these weights; with products
        of two series' coefficients in their place it is their long-run covariance.
    probabilities : ndarray, shape (..., n_spectra)
        Weight of each member of the family.
    """

    variance: NDArray[np.float64]
    dof: NDArray[np.float64]
    weights: NDArray[np.float64]
    probabilities: NDArray[np.float64]

    @property
    def extrapolation(self) -> NDArray[np.float64]:
        """Expected spectrum at zero over its mean at the four lowest frequencies seen."""
        return expected_extrapolation(self.probabilities, self.weights.shape[-1])


def coefficient_count(n: int) -> int:
    """Cosine coefficients that are used of ``n`` frames: 0.41 n^(2/3), or 1."""
    return max(int(_RATE * n ** (2.0 / 3.0)), 1)


def cosine_coefficients(series: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Coefficients sqrt(2/n) Σ_t x_t cos(π j (t - 1/2)/n) for j = 1 … ``count`` < n.

    Along the last axis, in time order.
    """
    from scipy.fft import dct

    centred = series - series.mean(axis=-1, keepdims=True)
    found = dct(centred, type=2, norm="ortho", axis=-1)[..., 1 : count + 1]
    return np.asarray(found, dtype=np.float64)


@lru_cache(maxsize=256)
def spectra(count: int) -> NDArray[np.float64]:
    """The family at the frequencies of the coefficients, relative to frequency zero.

    Parameters
    ----------
    count : int
        Coefficients; it also sets the fastest correlation time of the grid.

    Returns
    -------
    ndarray, shape (n_spectra, count)
        The first row is flat.
    """
    j = np.arange(1, count + 1)
    corners = np.geomspace(1.0 / count, math.pi, _TIMES)
    decay = 1.0 / (1.0 + np.square(corners[:, np.newaxis, np.newaxis] * j))
    ratios = np.array(_RATIOS)[:, np.newaxis]
    slow = (1.0 + ratios * decay) / (1.0 + ratios)
    found = np.concatenate([np.ones((1, count)), slow.reshape(-1, count)])
    found.flags.writeable = False
    return found


def expected_extrapolation(probabilities: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Spectrum at zero over its mean at the (up to) four lowest frequencies, as expected.

    The geometric mean over the family: an unlikely but very slow part widens the interval,
    and shall not by itself take it away.

    Parameters
    ----------
    probabilities : ndarray, shape (..., n_spectra)
    count : int
        Coefficients that the probabilities were found with.
    """
    lowest = spectra(count)[:, :_LOWEST].mean(axis=1)
    return np.asarray(np.exp(-(probabilities @ np.log(lowest))), dtype=np.float64)


def zero_frequency(coefficients: NDArray[np.float64]) -> ZeroFrequency:
    """Carry cosine coefficients to frequency zero over the family of spectra.

    With a prior of 1/σ² for the level, the likelihood of a member s is
    Π s_j^(-1/2) (Σ Y_j²/s_j)^(-B/2), and the mean follows t_B with the squared scale
    Σ Y_j²/s_j / (n B).

    Parameters
    ----------
    coefficients : ndarray, shape (..., count)
        Of `cosine_coefficients`.
    """
    powers = np.square(coefficients)
    count = powers.shape[-1]
    level = powers.mean(axis=-1, keepdims=True)
    # A series without any power has no shape either: flat, with a variance of zero.
    relative = np.where(level > 0.0, powers / np.where(level > 0.0, level, 1.0), 1.0)
    family = spectra(count)
    scales = relative @ (1.0 / family).T / count
    prior = np.full(len(family), 0.5 / (len(family) - 1))
    prior[0] = 0.5
    log = np.log(prior) - 0.5 * np.log(family).sum(axis=1) - 0.5 * count * np.log(scales)
    probabilities = np.exp(log - log.max(axis=-1, keepdims=True))
    probabilities /= probabilities.sum(axis=-1, keepdims=True)
    variance, dof = _matched(probabilities, np.sqrt(scales), count)
    mean = (probabilities * scales).sum(axis=-1)
    weights = (probabilities @ (1.0 / family)) * (variance / mean / count)[..., np.newaxis]
    return ZeroFrequency(variance * level[..., 0], dof, weights, probabilities)


def _upper(
    probabilities: NDArray[np.float64], scales: NDArray[np.float64], dof: int, tail: float
) -> NDArray[np.float64]:
    """Upper quantile of a mixture of scaled t distributions, by bisection."""
    from scipy.special import stdtr, stdtrit

    one = -float(stdtrit(dof, tail))
    low, high = one * scales.min(axis=-1), one * scales.max(axis=-1)
    for _ in range(20):
        middle = (low + high) / 2.0
        above = (probabilities * stdtr(dof, -middle[..., np.newaxis] / scales)).sum(axis=-1)
        low, high = np.where(above > tail, middle, low), np.where(above > tail, high, middle)
    return np.asarray((low + high) / 2.0, dtype=np.float64)


@lru_cache(maxsize=1)
def _ratios() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ratio of the two quantiles of Student's t (ascending), and its degrees of freedom."""
    from scipy.special import stdtrit

    dof = np.geomspace(1000.0, 1.0, 400)
    return np.asarray(stdtrit(dof, _TAILS[1]) / stdtrit(dof, _TAILS[0])), dof


def _matched(
    probabilities: NDArray[np.float64], scales: NDArray[np.float64], dof: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Squared scale and degrees of freedom of the t with the mixture's quantiles."""
    from scipy.special import stdtrit

    near, far = (_upper(probabilities, scales, dof, tail) for tail in _TAILS)
    ratios, all_dof = _ratios()
    found = np.clip(np.interp(far / near, ratios, all_dof), min(_LOWEST, dof), dof)
    return np.square(near / stdtrit(found, _TAILS[0])), found
