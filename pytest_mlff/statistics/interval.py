"""Confidence intervals of means over correlated molecular-dynamics frames.

Neighbouring frames of a trajectory resemble each other, so the scatter of single
frames says too little about the error of their mean. What counts is the long-run
variance, the spectrum at frequency zero. It is estimated from the first cosine coefficients
of the series (Lazarus, Lewis, Stock and Watson, J. Bus. Econ. Stat. 2018, 36, 541), carried
to frequency zero over a family of spectra with and without slow parts
(`pytest_mlff.statistics.spectrum`). Where what has to be extrapolated dominates, no interval is
given, but the number of frames that would be needed. ``docs/statistics.md`` shows how often
this errs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlff.statistics.correlation_time import correlation_time, slowest_phi
from pytest_mlff.statistics.spectrum import (
    coefficient_count,
    cosine_coefficients,
    expected_extrapolation,
    zero_frequency,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    "FEWEST_COEFFICIENTS",
    "FEWEST_FRAMES",
    "LARGEST_EXTRAPOLATION",
    "LongRun",
    "MeanInterval",
    "combined_dof",
    "combined_extrapolation",
    "frames_needed",
    "is_enough",
    "long_run",
    "mean_interval",
    "student_quantile",
]

FEWEST_FRAMES = 31
"""From here on a series has four cosine coefficients; fewer leave no interval."""

FEWEST_COEFFICIENTS = 4
"""Degrees of freedom below which nothing is said of a mean."""

LARGEST_EXTRAPOLATION = 1.5
"""No interval from here on: so much larger is the spectrum at zero than where it is seen."""


@dataclass(frozen=True, eq=False)
class LongRun:
    """Long-run variances of one or many series.

    Attributes
    ----------
    variance : ndarray, shape (...,)
        Squared scale of Student's t for the mean, times ``n``.
    dof : ndarray, shape (...,)
        Degrees of freedom of that t; 0 for a series of one frame.
    count : int
        Cosine coefficients used; 0 for a series of one frame.
    probabilities : ndarray, shape (..., n_spectra)
        Weight of each spectrum of the family (`pytest_mlff.statistics.spectrum`).
    weights : ndarray, shape (..., count)
        ``variance`` is the sum of the squared cosine coefficients with these weights.
    correlation_time : ndarray, shape (...,)
        In frames, of the slowest part that is plainly seen. Told, not used.
    """

    variance: NDArray[np.float64]
    dof: NDArray[np.float64]
    count: int
    probabilities: NDArray[np.float64]
    weights: NDArray[np.float64]
    correlation_time: NDArray[np.float64]

    @property
    def extrapolation(self) -> NDArray[np.float64]:
        """Expected spectrum at zero over its mean at the lowest frequencies seen; (...,)."""
        return self.stretched(1.0)

    @property
    def decided(self) -> NDArray[np.bool_]:
        """Whether each series alone is long enough for an interval; shape (...,)."""
        enough = self.count >= FEWEST_COEFFICIENTS
        return np.asarray(enough & (self.extrapolation < LARGEST_EXTRAPOLATION))

    def stretched(self, factor: float) -> NDArray[np.float64]:
        """`extrapolation` of a series of the same processes, ``factor`` times as long."""
        if self.count == 0:
            return np.ones(self.variance.shape)
        return expected_extrapolation(self.probabilities, self.count, factor)


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
    rough_half_width : float or None
        Where no interval is given because too much of it would be extrapolated: half the
        width that is to be expected of it, which is no bound. None where an interval is
        given, or there is nothing to go by.
    """

    mean: float
    standard_error: float | None
    dof: float
    ci_low: float | None
    ci_high: float | None
    correlation_time: float
    n_frames: int
    frames_needed: int
    rough_half_width: float | None = None

    @property
    def decided(self) -> bool:
        """Whether the series is long enough for an interval."""
        return self.standard_error is not None


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
        nothing = np.zeros(shape)
        none = np.zeros((*shape, 0))
        return LongRun(nothing, nothing, 0, none, none, nothing)
    count = coefficient_count(n)
    found = zero_frequency(cosine_coefficients(series, count))
    tau = correlation_time(slowest_phi(series))
    return LongRun(found.variance, found.dof, count, found.probabilities, found.weights, tau)


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
    if all(_is_constant(part) for part in parts) and n >= FEWEST_FRAMES:
        return MeanInterval(mean, 0.0, math.inf, mean, mean, 0.0, n, FEWEST_FRAMES)

    # Scaled to order one, since the square of an exploded model's error may overflow.
    scale = float(np.abs(values - mean).max()) or 1.0
    runs = [long_run((part - mean) / scale) for part in parts]
    tau = max(float(run.correlation_time) for run in runs)
    errors = (
        np.array([float(run.variance) * len(part) for run, part in zip(runs, parts, strict=True)])
        / float(n) ** 2
    )
    dof = combined_dof(errors, np.array([float(run.dof) for run in runs]))
    needed = frames_needed(lengths, runs, errors)
    error = scale * math.sqrt(float(errors.sum()))
    if not is_enough(lengths, runs, errors):
        scaled = [(part - mean) / scale for part in parts]
        rough = None if dof < FEWEST_COEFFICIENTS else scale * _rough(scaled, runs, level)
        return MeanInterval(mean, None, dof, None, None, tau, n, max(needed, n + 1), rough)
    half = student_quantile(dof, 0.5 + level / 2.0) * error
    return MeanInterval(mean, error, dof, mean - half, mean + half, tau, n, needed)


def _rough(parts: Sequence[NDArray[np.float64]], runs: Sequence[LongRun], level: float) -> float:
    """Half width by what is expected at frequency zero, without the doubt about it."""
    variance = 0.0
    for part, run in zip(parts, runs, strict=True):
        lowest = cosine_coefficients(part, min(run.count, FEWEST_COEFFICIENTS))
        seen = float(np.square(lowest).mean()) if run.count else 0.0
        variance += seen * float(run.extrapolation) * len(part)
    n = sum(len(part) for part in parts)
    return student_quantile(math.inf, 0.5 + level / 2.0) * math.sqrt(variance) / n


def combined_dof(errors: NDArray[np.float64], dofs: NDArray[np.float64]) -> float:
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
    # By shares, since the square of a tiny total may underflow.
    return 1.0 / float(((errors / total) ** 2 / dofs).sum()) if total > 0.0 else float(dofs.sum())


def combined_extrapolation(
    runs: Sequence[LongRun], errors: NDArray[np.float64], stretch: float = 1.0
) -> float:
    """Expected extrapolation of a sum of means over trajectories.

    The mean of the trajectories' extrapolations, each with its share in the variance.

    Parameters
    ----------
    runs : sequence of LongRun
        One of each trajectory.
    errors : ndarray, shape (n_segments,)
        Variances of the trajectories' shares in the mean.
    stretch : float
        For trajectories that are so many times as long.
    """
    found = np.array([float(run.stretched(stretch)) for run in runs])
    total = float(errors.sum())
    return float(found @ errors / total) if total > 0.0 else float(found.mean())


def is_enough(
    lengths: Sequence[int],
    runs: Sequence[LongRun],
    errors: NDArray[np.float64],
    stretch: float = 1.0,
) -> bool:
    """Whether an interval can be given, of trajectories ``stretch`` times as long.

    Parameters
    ----------
    lengths : sequence of int
        Frames of each trajectory.
    runs, errors, stretch
        As in `combined_extrapolation`.
    """
    longer = [int(length * stretch) for length in lengths]
    counts = np.array([0.0 if n < 2 else float(coefficient_count(n)) for n in longer])
    if combined_dof(errors, counts) < FEWEST_COEFFICIENTS:
        return False
    return combined_extrapolation(runs, errors, stretch) < LARGEST_EXTRAPOLATION


def frames_needed(
    lengths: Sequence[int], runs: Sequence[LongRun], errors: NDArray[np.float64]
) -> int:
    """Frames needed in all if the trajectories grow in proportion and stay as they are.

    Parameters
    ----------
    lengths, runs, errors
        As in `is_enough`.
    """
    low, high = 0.0, 1.0
    while not is_enough(lengths, runs, errors, high):
        low, high = high, 2.0 * high
    while (high - low) * sum(lengths) > 0.01:
        middle = (low + high) / 2.0
        low, high = (low, middle) if is_enough(lengths, runs, errors, middle) else (middle, high)
    return math.ceil(sum(lengths) * high)
