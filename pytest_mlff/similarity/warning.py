"""Does dissimilarity to the training frames warn of a frame's own error?

Two numbers say so: Spearman's correlation of 1 - similarity with the error, and the area
under the ROC curve when the dissimilarity is to find the worst tenth of the frames. Both
come from frames of one trajectory, which resemble their neighbours, so their intervals
rest on each frame's influence (delta method): a time series whose mean's interval, from a
rule that knows of correlation, is that of the statistic. It is taken on the scale of
artanh r, or of the logit of the area, and carried back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_mlff.similarity.correlation import ranks
from pytest_mlff.statistics.interval import mean_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORST: Final = 0.1
"""Share of frames that count as the worst."""


@dataclass(frozen=True)
class WarningQuality:
    """How well dissimilarity warns.

    Attributes
    ----------
    correlation : float or None
        Spearman's, of 1 - similarity and error; None where one of them is constant.
    correlation_low, correlation_high : float or None
        Two-sided interval; None where undecided.
    auc : float or None
        Probability that one of the worst frames is less similar than another frame; 0.5 is
        chance.
    auc_low, auc_high : float or None
        Two-sided interval; None where undecided.
    n_frames, n_worst : int
        All frames, and those counted as the worst.
    """

    correlation: float | None
    correlation_low: float | None
    correlation_high: float | None
    auc: float | None
    auc_low: float | None
    auc_high: float | None
    n_frames: int
    n_worst: int


def _share_above(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over all frames of their weight where their value is larger (half where equal)."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    sums = np.concatenate([[0.0], np.cumsum(weights[order])])
    left = np.searchsorted(ordered, values, side="left")
    right = np.searchsorted(ordered, values, side="right")
    above: NDArray[np.float64] = (sums[-1] - 0.5 * (sums[left] + sums[right])) / len(values)
    return above


def _centred_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distribution function at each value, less ½; the mean is zero."""
    return np.asarray((ranks(values) - 1.0) / (2.0 * len(values)) - 0.5, dtype=np.float64)


def _spearman(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Rank correlation and each frame's influence on it.

    With F and G the distribution functions, ρ = 12 E[(F(X) - ½)(G(Y) - ½)], and a frame
    acts through its own product and through its place in both orders.
    """
    n = len(x)
    f, g = _centred_ranks(x), _centred_ranks(y)
    # Ties narrow the spread of ranks below that of distinct ones.
    scale = math.sqrt(float(f @ f) * float(g @ g)) / n
    value = float(f @ g) / n / scale
    influence = (f * g + _share_above(x, g) + _share_above(y, f)) / scale
    return value, influence


def _area(
    x: NDArray[np.float64], y: NDArray[np.float64], n_worst: int
) -> tuple[float, NDArray[np.float64]]:
    """Area under the ROC curve for the ``n_worst`` largest of y, and each frame's influence.

    A frame acts through its place among the frames of the other class and, since the worst
    frames are a fixed share, by moving the border between the classes.
    """
    n = len(x)
    order = np.argsort(y, kind="stable")
    worst = np.zeros(n, dtype=bool)
    worst[order[n - n_worst :]] = True
    share = n_worst / n
    # Of the other class: how many a frame of either class would be ordered rightly with.
    as_worst = 1.0 - _share_above(x, (~worst).astype(np.float64)) / (1.0 - share)
    as_other = _share_above(x, worst.astype(np.float64)) / share
    value = float(as_worst[worst].mean())
    placement = np.where(worst, (as_worst - value) / share, (as_other - value) / (1.0 - share))
    # Frames just beside the border tell what it is worth to move it.
    near = order[max(0, n - n_worst - _beside(n)) : n - n_worst + _beside(n)]
    slope = ((as_other[near] - value) / (1.0 - share) - (as_worst[near] - value) / share).mean()
    return value, placement + slope * (worst - share)


def _beside(n: int) -> int:
    return max(5, n // 20)


def _interval(
    value: float, scale: tuple[float, float], half: float | None
) -> tuple[float | None, float | None]:
    """Carry an interval of half width ``half`` through artanh on the range ``scale``."""
    low, high = scale
    middle, reach = (low + high) / 2.0, (high - low) / 2.0
    r = (value - middle) / reach
    if half is None or abs(r) >= 1.0 - 1e-12:
        return None, None
    z, dz = math.atanh(r), half / reach / (1.0 - r**2)
    return middle + reach * math.tanh(z - dz), middle + reach * math.tanh(z + dz)


def warning_quality(
    similarity: NDArray[np.float64] | Sequence[float],
    errors: NDArray[np.float64] | Sequence[float],
    *,
    segments: Sequence[int] | None = None,
) -> WarningQuality:
    """Judge the similarity to the nearest training frame as a warning.

    Parameters
    ----------
    similarity : array_like, shape (n_frames,)
        Of each test frame to its nearest training frame, in time order.
    errors : array_like, shape (n_frames,)
        The frame's own error, such as its mean absolute force error, in any unit.
    segments : sequence of int, optional
        Lengths of the trajectories, where there are several.

    Raises
    ------
    ValueError
        If the lengths differ, there are fewer than two frames, or a value is not finite.
    """
    x = 1.0 - np.asarray(similarity, dtype=np.float64)
    y = np.asarray(errors, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or len(x) < 2:
        raise ValueError(f"similarities of shape {x.shape} and errors of shape {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("similarities and errors must be finite")
    n = len(x)
    n_worst = min(max(1, round(WORST * n)), n - 1)
    if np.ptp(x) == 0.0 or np.ptp(y) == 0.0:
        return WarningQuality(None, None, None, None, None, None, n, n_worst)

    def half_width(influence: NDArray[np.float64]) -> float | None:
        found = mean_interval(influence, segments=segments)
        if found.ci_low is None or found.ci_high is None:
            return None
        return (found.ci_high - found.ci_low) / 2.0

    correlation, of_correlation = _spearman(x, y)
    area, of_area = _area(x, y, n_worst)
    return WarningQuality(
        correlation,
        *_interval(correlation, (-1.0, 1.0), half_width(of_correlation)),
        area,
        *_interval(area, (0.0, 1.0), half_width(of_area)),
        n,
        n_worst,
    )
