"""What a value rests on: correlated frames of trajectories, or independent replicas."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from pytest_mlff.statistics.interval import MeanInterval, combined_dof, mean_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray


class _Sums:
    """``value = (Σ totals / Σ weights) ** (1 / power)``, and what each entry contributes."""

    if TYPE_CHECKING:  # fields of the classes below, each in its own order
        totals: NDArray[np.float64]
        weights: NDArray[np.float64]
        order: NDArray[np.int64]
        power: Literal[1, 2]

    def __post_init__(self) -> None:
        if not self.totals.shape == self.weights.shape == self.order.shape:
            raise ValueError("totals, weights and order differ in length")

    def __len__(self) -> int:
        return len(self.totals)

    @cached_property
    def value(self) -> float:
        """The value over all entries."""
        ratio = float(self.totals.sum() / self.weights.sum())
        return ratio if self.power == 1 else math.sqrt(ratio)

    @cached_property
    def per_frame(self) -> NDArray[np.float64]:
        """The same value taken of each entry alone, shape (n,)."""
        ratio: NDArray[np.float64] = self.totals / self.weights
        return ratio if self.power == 1 else np.sqrt(ratio)

    @cached_property
    def influence(self) -> NDArray[np.float64]:
        """Linearised contribution of each entry, shape (n,), in the unit of the value.

        Its mean is zero and its long-run variance over n is the variance of the value: the delta
        method for the ratio of two means and for the root (Särndal, Swensson and Wretman, Model
        Assisted Survey Sampling, 1992, section 5.5).
        """
        ratio = float(self.totals.sum() / self.weights.sum())
        linear: NDArray[np.float64] = (self.totals - ratio * self.weights) / self.weights.mean()
        return linear if self.power == 1 or ratio == 0.0 else linear / (2.0 * math.sqrt(ratio))


@dataclass(frozen=True, eq=False)
class Replicates(_Sums):
    """Sums over independent replicas: ``value = (Σ totals / Σ weights) ** (1 / power)``.

    A replica is an independent trajectory, start or seed. One number each is a total with a
    weight of one; the frames of a replica are one sum of theirs each.

    Attributes
    ----------
    totals, weights : ndarray of float64, shape (n,)
        As of `FrameSeries`, summed over each replica.
    order : ndarray of int64, shape (n,)
        What names each replica: two models are paired by it.
    power : 1 or 2
    """

    totals: NDArray[np.float64]
    weights: NDArray[np.float64]
    order: NDArray[np.int64]
    power: Literal[1, 2] = 1

    def interval(self, level: float = 0.95) -> MeanInterval:
        """Confidence interval by Student's t over replicas, from five of them on."""
        n = len(self)
        error = float(self.influence.std(ddof=1)) / math.sqrt(n) if n > 1 else math.inf
        return MeanInterval.of(self.value, error, n - 1, n, level=level)


@dataclass(frozen=True, eq=False)
class FrameSeries(_Sums):
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
    independent : bool
        Whether the segments are independent replicas of one system. Then they, and not the
        frames, are what an interval and a comparison count.
    larger_is_better : bool
        Whether the worst frame is the one with the smallest own value.
    """

    totals: NDArray[np.float64]
    weights: NDArray[np.float64]
    order: NDArray[np.int64]
    segments: tuple[int, ...]
    power: Literal[1, 2] = 1
    independent: bool = False
    larger_is_better: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if sum(self.segments) != len(self.totals) or min(self.segments, default=1) < 1:
            raise ValueError(f"segments {self.segments} do not cover {len(self.totals)} frames")

    @cached_property
    def replicates(self) -> Replicates:
        """The sums over each segment."""
        starts = np.cumsum([0, *self.segments[:-1]])
        return Replicates(
            np.add.reduceat(self.totals, starts),
            np.add.reduceat(self.weights, starts),
            self.order[starts],
            self.power,
        )

    def interval(self, level: float = 0.95) -> MeanInterval:
        """Confidence interval of the value; that of parts from zero on does not go below zero."""
        if self.independent:
            return self.replicates.interval(level)
        centred = mean_interval(self.influence, level=level, segments=self.segments)
        low = high = None
        if centred.ci_low is not None and centred.ci_high is not None:
            least = 0.0 if self.totals.min() >= 0.0 else -math.inf
            low = max(least, self.value + centred.ci_low - centred.mean)
            high = self.value + centred.ci_high - centred.mean
        return MeanInterval(
            self.value,
            centred.standard_error,
            centred.dof,
            low,
            high,
            centred.n,
        )

    @property
    def worst_frame(self) -> int:
        """Index in the test set of the frame with the worst own value."""
        return int(self.order[self._worst])

    @property
    def worst_value(self) -> float:
        """Its own value."""
        return float(self.per_frame[self._worst])

    @property
    def _worst(self) -> int:
        values = self.per_frame
        return int(np.argmin(values) if self.larger_is_better else np.argmax(values))


@dataclass(frozen=True, eq=False)
class Pooled:
    """One value over several systems: the mean of theirs, each of the same power."""

    parts: tuple[FrameSeries | Replicates, ...]

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)

    @property
    def power(self) -> Literal[1, 2]:
        """That of the parts."""
        return self.parts[0].power

    @cached_property
    def value(self) -> float:
        """Mean of the parts' values."""
        return math.fsum(part.value for part in self.parts) / len(self.parts)

    def interval(self, level: float = 0.95) -> MeanInterval:
        """Confidence interval; variances of the systems add. None where one has none."""
        found = [part.interval(level) for part in self.parts]
        if any(one.standard_error is None for one in found):
            return MeanInterval.of(self.value, math.inf, 0.0, len(self), level=level)
        errors = np.array([float(one.standard_error or 0.0) for one in found]) / len(found)
        dof = combined_dof(errors**2, np.array([one.dof for one in found]))
        total = math.sqrt(float((errors**2).sum()))
        return MeanInterval.of(self.value, total, dof, len(self), level=level)


Evidence = FrameSeries | Replicates | Pooled
"""What a value may rest on."""
