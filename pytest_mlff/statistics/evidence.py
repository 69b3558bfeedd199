"""What a value rests on: the frames of trajectories, which are correlated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from pytest_mlff.statistics.interval import MeanInterval, mean_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FrameSeries"]


@dataclass(frozen=True, eq=False)
class FrameSeries:
    """Per-frame parts of a value: ``value = (Σ totals / Σ weights) ** (1 / power)``.

    A mean absolute error has power 1 (totals are sums of absolute errors, weights the
    numbers of components), a root mean square error power 2 (totals are sums of squares).

    Attributes
    ----------
    totals : ndarray of float64, shape (n,)
        In (unit of the value) ** power.
    weights : ndarray of float64, shape (n,)
        Positive.
    order : ndarray of int64, shape (n,)
        Index, in the test set, of the frame behind each entry. Entries are in time order.
    segments : tuple of int
        Lengths of the trajectories the entries come from, one after the other.
    power : 1 or 2
    """

    totals: NDArray[np.float64]
    weights: NDArray[np.float64]
    order: NDArray[np.int64]
    segments: tuple[int, ...]
    power: Literal[1, 2] = 1

    def __post_init__(self) -> None:
        if not self.totals.shape == self.weights.shape == self.order.shape:
            raise ValueError("totals, weights and order differ in length")
        if sum(self.segments) != len(self.totals):
            raise ValueError(f"segments {self.segments} do not cover {len(self.totals)} frames")

    def __len__(self) -> int:
        return len(self.totals)

    @cached_property
    def value(self) -> float:
        """The value over all frames."""
        ratio = float(self.totals.sum() / self.weights.sum())
        return ratio if self.power == 1 else math.sqrt(ratio)

    @cached_property
    def per_frame(self) -> NDArray[np.float64]:
        """The same value taken of each frame alone, shape (n,)."""
        ratio: NDArray[np.float64] = self.totals / self.weights
        return ratio if self.power == 1 else np.sqrt(ratio)

    @cached_property
    def influence(self) -> NDArray[np.float64]:
        """Linearised contribution of each frame, shape (n,), in the unit of the value.

        Its mean is zero and its long-run variance over n is the variance of the value:
        the delta method for the ratio of two means and for the root (Särndal, Swensson
        and Wretman, Model Assisted Survey Sampling, 1992, section 5.5).
        """
        ratio = float(self.totals.sum() / self.weights.sum())
        of_ratio: NDArray[np.float64] = (self.totals - ratio * self.weights) / self.weights.mean()
        if self.power == 1 or ratio == 0.0:
            return of_ratio
        return of_ratio / (2.0 * math.sqrt(ratio))

    def interval(self, level: float = 0.95) -> MeanInterval:
        """Confidence interval of the value; its lower end is not below zero."""
        centred = mean_interval(self.influence, level=level, segments=self.segments)
        low = high = None
        if centred.ci_low is not None and centred.ci_high is not None:
            low = max(0.0, self.value + centred.ci_low - centred.mean)
            high = self.value + centred.ci_high - centred.mean
        return MeanInterval(
            mean=self.value,
            standard_error=centred.standard_error,
            dof=centred.dof,
            ci_low=low,
            ci_high=high,
            correlation_time=centred.correlation_time,
            n_frames=centred.n_frames,
            frames_needed=centred.frames_needed,
            rough_half_width=centred.rough_half_width,
        )

    @property
    def worst_frame(self) -> int:
        """Index in the test set of the frame with the largest own value."""
        return int(self.order[int(np.argmax(self.per_frame))])
