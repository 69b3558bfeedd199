"""Confidence intervals of means over correlated molecular-dynamics frames.

Neighbouring frames of a trajectory resemble each other, so the scatter of single
frames says too little about the error of their mean. What counts is the long-run
variance, and it is estimated here by the equal-weighted cosine (EWC) rule of
Lazarus, Lewis, Stock and Watson, J. Bus. Econ. Stat. 2018, 36, 541: the mean square
of the first ``B`` type-II cosine coefficients, with Student's t of ``B`` degrees of
freedom. Two things are added to the rule; ``docs/statistics.md`` shows what they do:

* ``B`` is bounded by the correlation time, since coefficients of motions faster
  than it say nothing about the mean; the correlation time is sought on all scales of
  the series (`pytest_mlff.metrics.correlation`);
* each squared coefficient is divided by what an AR(1) process of that correlation
  time has at its frequency, relative to frequency zero. That takes away the downward
  bias which a falling spectrum leaves in a plain average.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlff.metrics.correlation import correlation_time, slowest_phi

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    "MINIMUM_DOF",
    "LongRun",
    "MeanInterval",
    "combined_dof",
    "cosine_coefficients",
    "cosine_powers",
    "degrees_of_freedom",
    "frames_needed",
    "frames_needed_of_all",
    "long_run",
    "mean_interval",
    "student_quantile",
]

MINIMUM_DOF = 4
"""Fewer degrees of freedom than this: the series is too short to tell."""

_RATE = 0.41
"""Factor of n^(2/3) in the number of coefficients; Lazarus et al. 2018, section 4."""

_BAND = 0.5
"""Largest ω·τ of a coefficient that is used: B ≤ _BAND · n / (π τ)."""


@dataclass(frozen=True, eq=False)
class LongRun:
    """Long-run variances of one or many series.

    Attributes
    ----------
    variance : ndarray, shape (...,)
        Limit of ``n`` times the variance of the mean.
    dof : ndarray of int, shape (...,)
        Coefficients used (``B``); 0 where the series is too short for a single one.
    correlation_time : ndarray, shape (...,)
        In frames.
    """

    variance: NDArray[np.float64]
    dof: NDArray[np.int64]
    correlation_time: NDArray[np.float64]


@dataclass(frozen=True)
class MeanInterval:
    """A mean and what is known about it.

    Attributes
    ----------
    mean : float
        In the unit of the series.
    standard_error : float or None
        None where undecided.
    dof : float
        Degrees of freedom of Student's t; infinite for a constant series.
    ci_low, ci_high : float or None
        Two-sided interval; None where undecided.
    correlation_time : float
        In frames; the largest of the segments.
    n_frames : int
        Length of the series.
    frames_needed : int
        Frames from which on an interval can be given, if further frames are like these.
    """

    mean: float
    standard_error: float | None
    dof: float
    ci_low: float | None
    ci_high: float | None
    correlation_time: float
    n_frames: int
    frames_needed: int

    @property
    def decided(self) -> bool:
        """Whether the series is long enough for an interval."""
        return self.standard_error is not None


def degrees_of_freedom(n: int, tau: NDArray[np.float64]) -> NDArray[np.int64]:
    """Cosine coefficients to use: the integer part of min(0.41 n^(2/3), 0.5 n/(π τ)).

    Parameters
    ----------
    n : int
        Frames.
    tau : ndarray, shape (...,)
        Correlation times in frames; 0 for an uncorrelated series.
    """
    slow = np.full(np.shape(tau), np.inf)
    np.divide(_BAND * n / math.pi, tau, out=slow, where=np.asarray(tau) > 0.0)
    bound = np.minimum(min(_RATE * n ** (2.0 / 3.0), n - 1), slow)
    return np.asarray(np.floor(bound), dtype=np.int64)


def cosine_powers(
    series: NDArray[np.float64], phi: NDArray[np.float64], count: int
) -> NDArray[np.float64]:
    """Squares of the first cosine coefficients, each carried back to frequency zero.

    Coefficient j is sqrt(2/n) Σ_t x_t cos(π j (t - 1/2)/n); its square estimates the
    spectrum at ω = π j/n. It is multiplied by the spectrum at zero over the spectrum at
    ω of an AR(1) process: (1 + φ² - 2φ cos ω)/(1 - φ)².

    Parameters
    ----------
    series : ndarray, shape (..., n)
        Last axis in time order.
    phi : ndarray, shape (...,)
        Autocorrelation within [0, 1).
    count : int
        Number of coefficients.

    Returns
    -------
    ndarray, shape (..., count)
    """
    return np.square(cosine_coefficients(series, phi, count))


def cosine_coefficients(
    series: NDArray[np.float64], phi: NDArray[np.float64], count: int
) -> NDArray[np.float64]:
    """The coefficients themselves, scaled as in `cosine_powers`; shape (..., count)."""
    from scipy.fft import dct

    n = series.shape[-1]
    centred = series - series.mean(axis=-1, keepdims=True)
    coefficients = dct(centred, type=2, norm="ortho", axis=-1)[..., 1 : count + 1]
    omega = math.pi * np.arange(1, count + 1) / n
    p = np.asarray(phi)[..., np.newaxis]
    gain = np.sqrt(1.0 + p**2 - 2.0 * p * np.cos(omega)) / (1.0 - p)
    return np.asarray(coefficients * gain, dtype=np.float64)


def long_run(series: NDArray[np.float64]) -> LongRun:
    """Long-run variance of each series along the last axis.

    Parameters
    ----------
    series : ndarray, shape (..., n)
        Finite values, last axis in time order.
    """
    n = series.shape[-1]
    shape = series.shape[:-1]
    if n < 2:
        return LongRun(np.zeros(shape), np.zeros(shape, dtype=np.int64), np.zeros(shape))
    phi = slowest_phi(series)
    tau = correlation_time(phi)
    dof = degrees_of_freedom(n, tau)
    count = max(int(dof.max(initial=0)), 1)
    sums = np.cumsum(cosine_powers(series, phi, count), axis=-1)
    used = np.maximum(dof, 1)
    variance = np.take_along_axis(sums, used[..., np.newaxis] - 1, axis=-1)[..., 0] / used
    return LongRun(variance, dof, tau)


def frames_needed(tau: float) -> int:
    """Shortest series with correlation time ``tau`` that has `MINIMUM_DOF` coefficients.

    Parameters
    ----------
    tau : float
        In frames.
    """
    guess = math.ceil(
        max((MINIMUM_DOF / _RATE) ** 1.5, MINIMUM_DOF * math.pi * max(tau, 0.0) / _BAND)
    )
    # Rounding may put the closed form one frame beside the integer answer.
    n: int = max(guess - 2, MINIMUM_DOF + 1)
    while int(degrees_of_freedom(n, np.asarray(tau))) < MINIMUM_DOF:
        n += 1
    return n


def student_quantile(dof: float, probability: float) -> float:
    """Quantile of Student's t (of the normal distribution for infinite ``dof``)."""
    from scipy.special import ndtri, stdtrit

    return float(ndtri(probability) if math.isinf(dof) else stdtrit(dof, probability))


def _is_constant(series: NDArray[np.float64]) -> bool:
    """Whether a series varies by no more than the rounding of its mean."""
    largest = float(np.abs(series).max(initial=0.0))
    return float(np.ptp(series)) <= 8.0 * float(np.finfo(np.float64).eps) * largest


def mean_interval(
    series: NDArray[Any] | Sequence[float],
    *,
    level: float = 0.95,
    segments: Sequence[int] | None = None,
) -> MeanInterval:
    """Mean of a correlated series with a two-sided confidence interval.

    Several trajectories are strata: each has its own mean and long-run variance, the
    variances of the stratum means add, and the degrees of freedom follow Welch and
    Satterthwaite. Differences between trajectories are thus no noise.

    Parameters
    ----------
    series : array_like, shape (n,)
        Finite values in time order, trajectory after trajectory.
    level : float
        Confidence level.
    segments : sequence of int, optional
        Lengths of the trajectories; one trajectory if left out.

    Raises
    ------
    ValueError
        If the series is empty or not finite, or the segments do not add up to its length.
    """
    values = np.asarray(series, dtype=np.float64)
    if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
        raise ValueError("an interval needs a non-empty series of finite numbers")
    lengths = (values.size,) if segments is None else tuple(int(one) for one in segments)
    if sum(lengths) != values.size or min(lengths) < 1:
        raise ValueError(f"segments {lengths} do not add up to {values.size} frames")

    n, mean = values.size, float(values.mean())
    parts = np.split(values, np.cumsum(lengths)[:-1])
    if all(_is_constant(part) for part in parts) and n >= frames_needed(0.0):
        return MeanInterval(mean, 0.0, math.inf, mean, mean, 0.0, n, frames_needed(0.0))

    # Scaled to order one, since the square of an exploded model's error may overflow.
    scale = float(np.abs(values - mean).max()) or 1.0
    runs = [long_run((part - mean) / scale) for part in parts]
    dofs = np.array([int(run.dof) for run in runs])
    tau = max(float(run.correlation_time) for run in runs)
    errors = (
        np.array([float(run.variance) * len(part) for run, part in zip(runs, parts, strict=True)])
        / float(n) ** 2
    )
    dof = combined_dof(errors, dofs)
    needed = frames_needed_of_all(lengths, [float(run.correlation_time) for run in runs], errors)
    if dof < MINIMUM_DOF:
        return MeanInterval(mean, None, dof, None, None, tau, n, max(needed, n + 1))
    error = scale * math.sqrt(float(errors.sum()))
    half = student_quantile(dof, 0.5 + level / 2.0) * error
    return MeanInterval(mean, error, dof, mean - half, mean + half, tau, n, needed)


def combined_dof(errors: NDArray[np.float64], dofs: NDArray[np.int64]) -> float:
    """Degrees of freedom of a sum of variances; 0 if one of them cannot be estimated.

    Satterthwaite, Biometrics Bull. 1946, 2, 110.

    Parameters
    ----------
    errors, dofs : ndarray, shape (n_segments,)
        Estimated variances and the degrees of freedom of each.
    """
    if (dofs < 1).any():
        return 0.0
    if len(errors) == 1:
        return float(dofs[0])
    total = float(errors.sum())
    return total**2 / float((errors**2 / dofs).sum()) if total > 0.0 else float(dofs.sum())


def frames_needed_of_all(
    lengths: Sequence[int], taus: Sequence[float], variances: NDArray[np.float64]
) -> int:
    """Frames needed if all segments grow in proportion.

    Parameters
    ----------
    lengths : sequence of int
        Frames of each segment.
    taus : sequence of float
        Correlation time of each segment in frames.
    variances : ndarray, shape (n_segments,)
        Share of each segment in the variance of the mean.
    """
    if len(lengths) == 1:
        return frames_needed(taus[0])

    def enough(factor: float) -> bool:
        dofs = [
            int(degrees_of_freedom(max(int(length * factor), 2), np.asarray(tau)))
            for length, tau in zip(lengths, taus, strict=True)
        ]
        return combined_dof(variances, np.array(dofs)) >= MINIMUM_DOF

    low, high = 0.0, 1.0
    while not enough(high):
        low, high = high, 2.0 * high
    for _ in range(40):
        middle = (low + high) / 2.0
        low, high = (low, middle) if enough(middle) else (middle, high)
    return math.ceil(sum(lengths) * high)
