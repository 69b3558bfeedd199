"""Confidence intervals of means over correlated molecular-dynamics frames.

Neighbouring frames of a trajectory resemble each other, so the scatter of single
frames says too little about the error of their mean. What counts is the long-run
variance, the spectrum at frequency zero. It is estimated from the first cosine coefficients
of the series (Lazarus, Lewis, Stock and Watson, J. Bus. Econ. Stat. 2018, 36, 541), carried
to frequency zero over a family of spectra with and without slow parts
(`pytest_mlff.statistics.spectrum`). The more of it is extrapolated rather than seen, the wider
the interval; there is no point at which it is refused, so that what is told never hangs on a
hair. ``docs/statistics.md`` shows how often this errs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlff.statistics.spectrum import coefficient_count, cosine_coefficients, zero_frequency

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST_FRAMES = 31
"""From here on a series has four cosine coefficients; fewer leave no interval."""

FEWEST_DOF = 4
"""Degrees of freedom below which nothing is said of a mean."""

_SEEN = 1.2
"""Up to this factor between the spectrum at zero and where it is seen, nothing is added."""


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
    weights : ndarray, shape (..., count)
        ``variance`` is the sum of the squared cosine coefficients with these weights.
    """

    variance: NDArray[np.float64]
    dof: NDArray[np.float64]
    count: int
    weights: NDArray[np.float64]


@dataclass(frozen=True)
class MeanInterval:
    """A mean and what is known about it.

    Attributes
    ----------
    mean : float
        In the unit of the series.
    standard_error : float or None
        None where too little is known for an interval.
    dof : float
        Degrees of freedom of Student's t; infinite for a constant series.
    ci_low, ci_high : float or None
        Two-sided interval; None without one.
    n : int
        Frames of the series, or replicas.
    """

    mean: float
    standard_error: float | None
    dof: float
    ci_low: float | None
    ci_high: float | None
    n: int

    @classmethod
    def of(cls, mean: float, error: float, dof: float, n: int, *, level: float) -> MeanInterval:
        """Student's interval; none below `FEWEST_DOF` degrees of freedom."""
        if dof < FEWEST_DOF:
            return cls(mean, None, dof, None, None, n)
        half = student_quantile(dof, 0.5 + level / 2.0) * error
        return cls(mean, error, dof, mean - half, mean + half, n)


def long_run(series: NDArray[np.float64]) -> LongRun:
    """Long-run variance of each series along the last axis.

    What has to be extrapolated widens it: by the ratio of the expected spectrum at zero to
    what the four lowest frequencies show, as far as that exceeds 1.2.

    Parameters
    ----------
    series : ndarray, shape (..., n)
        Finite values, last axis in time order.
    """
    n = series.shape[-1]
    shape = series.shape[:-1]
    if n < 2:
        nothing = np.zeros(shape)
        return LongRun(nothing, nothing, 0, np.zeros((*shape, 0)))
    count = coefficient_count(n)
    found = zero_frequency(cosine_coefficients(series, count))
    wider = np.square(np.maximum(1.0, found.extrapolation / _SEEN))
    return LongRun(found.variance * wider, found.dof, count, found.weights * wider[..., np.newaxis])


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
        return MeanInterval.of(mean, 0.0, math.inf, n, level=level)
    # Scaled to order one, since the square of an exploded model's error may overflow.
    scale = float(np.abs(values - mean).max()) or 1.0
    runs = [long_run((part - mean) / scale) for part in parts]
    errors = (
        np.array([float(run.variance) * len(part) for run, part in zip(runs, parts, strict=True)])
        / float(n) ** 2
    )
    dof = combined_dof(errors, np.array([float(run.dof) for run in runs]))
    error = scale * math.sqrt(float(errors.sum()))
    return MeanInterval.of(mean, error, dof, n, level=level)


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
