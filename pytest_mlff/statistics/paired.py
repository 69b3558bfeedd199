"""Is this model worse than that one? A paired test on the same frames.

Let a_f and b_f be what frame f adds to the current and to the baseline error (sums of
absolute errors, or of squares for a root mean square). Both values share the same
weights, so the ratio of the two is (Σa/Σb)^(1/power). That it exceeds 1 + margin is the
same as a positive mean of

    d_f = a_f − k b_f,    k = (1 + margin)^power,

and that is what is tested with Student's t: over frames with the long-run variance of
`pytest_mlff.statistics.interval`, over independent replicas by their sums, over several systems
with the sum of their variances. Inverting the test over k gives the confidence bounds of the ratio
(Fieller, J. R. Stat. Soc. B 1954, 16, 175). The baseline's own error thus enters as it
should: no ratio is linearised, and "lower bound above the margin" and "test significant at
the margin" are one statement. Where larger is better, worse means a negative mean of d_f with
k = (1 − margin)^power.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from pytest_mlff.errors import MlffError
from pytest_mlff.statistics.evidence import FrameSeries, Pooled, Replicates
from pytest_mlff.statistics.interval import (
    FEWEST_DOF,
    FEWEST_FRAMES,
    combined_dof,
    long_run,
    student_quantile,
)
from pytest_mlff.statistics.spectrum import cosine_coefficients

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.statistics.evidence import Evidence

MARGIN = 0.01
"""Relative worsening that is tolerated unless a spec says otherwise."""

ALPHA = 0.05
"""Level of the one-sided tests: false alarms tolerated in a family of cases."""

POWER = 0.8
"""Probability with which the minimum detectable effect would be seen."""


@dataclass(frozen=True)
class PairedComparison:
    """Outcome of a paired comparison.

    ``mean_*`` and ``var_*`` are means of the totals and (co)variances of these means, in
    (unit of the value)^power or, over several systems, relative to each baseline.

    Attributes
    ----------
    power : 1 or 2
    margin : float
        Tolerated relative worsening.
    dof : float
        Degrees of freedom of the test.
    n : int
        Frames or replicas.
    undecided : str or None
        Why nothing can be said; None if something can.
    larger_is_better : bool
        Whether a smaller value is the worse one.
    """

    power: Literal[1, 2]
    margin: float
    mean_current: float
    mean_baseline: float
    var_current: float
    covariance: float
    var_baseline: float
    dof: float
    n: int
    undecided: str | None = None
    larger_is_better: bool = False

    @property
    def _side(self) -> Literal[1, -1]:
        """Sign of a difference that is a worsening."""
        return -1 if self.larger_is_better else 1

    @property
    def change(self) -> float | None:
        """Relative difference, current / baseline - 1; None if the baseline is not above zero."""
        if self.mean_baseline <= 0.0:
            return 0.0 if self.mean_current == 0.0 else None
        return float((self.mean_current / self.mean_baseline) ** (1.0 / self.power) - 1.0)

    def _variance(self, k: float) -> float:
        """Variance of the mean of a - k b."""
        return max(0.0, self.var_current - 2.0 * k * self.covariance + k * k * self.var_baseline)

    def _tail(self, k: float, side: int) -> float:
        """P(T ≥ t) of ``side`` (+1 or -1) times the statistic at ratio ``k``."""
        from scipy.special import ndtr, stdtr

        difference = side * (self.mean_current - k * self.mean_baseline)
        spread = math.sqrt(self._variance(k))
        # Rounding of two equal errors must not pass for an infinitely sure difference.
        if spread <= 1e-12 * abs(self.mean_baseline):
            return 0.0 if difference > 1e-12 * abs(self.mean_baseline) else 1.0
        t = difference / spread
        return float(ndtr(-t) if math.isinf(self.dof) else stdtr(self.dof, -t))

    @property
    def p_worse(self) -> float | None:
        """One-sided p of "not worse than the margin"; None where undecided."""
        if self.undecided:
            return None
        return self._tail(_tolerated(self.margin, self._side, self.power), self._side)

    @property
    def p_better(self) -> float | None:
        """One-sided p of "not better than the baseline"; None where undecided."""
        return None if self.undecided else self._tail(1.0, -self._side)

    def worst(self, alpha: float = ALPHA) -> float | None:
        """Upper bound, one-sided at ``alpha``, of the relative worsening; negative if better."""
        low, high = self.bounds(alpha)
        if low is None or high is None:
            return None
        return -low if self.larger_is_better else high

    def bounds(self, alpha: float = ALPHA) -> tuple[float | None, float | None]:
        """Lower and upper bound of the relative difference, each one-sided at ``alpha``.

        Both are None where undecided, and where the baseline's own error is so uncertain that
        the ratio has no bound.
        """
        if self.undecided:
            return None, None
        t2 = student_quantile(self.dof, 1.0 - alpha) ** 2
        a, b = self.mean_current, self.mean_baseline
        square = b * b - t2 * self.var_baseline
        middle = a * b - t2 * self.covariance
        rest = a * a - t2 * self.var_current
        root = math.sqrt(max(0.0, middle * middle - square * rest))
        if square <= 0.0:
            return None, None
        low, high = (middle - root) / square, (middle + root) / square
        return (
            max(low, 0.0) ** (1.0 / self.power) - 1.0,
            max(high, 0.0) ** (1.0 / self.power) - 1.0,
        )

    def minimum_detectable(self, alpha: float = ALPHA, power: float = POWER) -> float | None:
        """Smallest true relative worsening that this test sees with probability ``power``.

        None where undecided, and where it would not even see a value of zero.
        """
        if self.undecided or self.mean_baseline <= 0.0:
            return None
        k = _tolerated(self.margin, self._side, self.power)
        shift = noncentrality(self.dof, alpha, power) * math.sqrt(self._variance(k))
        ratio = k + self._side * shift / self.mean_baseline
        return self._side * float(ratio ** (1.0 / self.power) - 1.0) if ratio > 0.0 else None


def _tolerated(margin: float, side: int, power: int) -> float:
    """Ratio of the sums at which a worsening is just tolerated."""
    return float((1.0 + side * margin) ** power)


def noncentrality(dof: float, alpha: float, power: float) -> float:
    """Shift, in standard errors, that a one-sided t test at ``alpha`` sees with ``power``."""
    from scipy.special import nctdtr, ndtri

    if math.isinf(dof):
        return float(ndtri(1.0 - alpha) + ndtri(power))
    critical = student_quantile(dof, 1.0 - alpha)
    low, high = 0.0, 1.0
    while 1.0 - float(nctdtr(dof, high, critical)) < power:
        low, high = high, 2.0 * high
    for _ in range(60):
        middle = (low + high) / 2.0
        enough = 1.0 - float(nctdtr(dof, middle, critical)) >= power
        low, high = (low, middle) if enough else (middle, high)
    return high


@dataclass(frozen=True, eq=False)
class _Means:
    """Means of current and baseline totals, their covariance, degrees of freedom."""

    means: NDArray[np.float64]
    covariance: NDArray[np.float64]
    dof: float

    def variance(self, k: float) -> float:
        """Variance of the mean of a - k b."""
        contrast = np.array([1.0, -k])
        return max(0.0, float(contrast @ self.covariance @ contrast))


def compare_paired(
    current: Evidence,
    baseline: Evidence,
    *,
    margin: float = MARGIN,
    larger_is_better: bool = False,
) -> PairedComparison:
    """Compare two models by their errors on the same frames, replicas or systems.

    Over several systems the mean of their relative changes is compared (for a root mean
    square, the root of the mean of the squared ratios).

    Parameters
    ----------
    current, baseline : FrameSeries, Replicates or Pooled
        Of the same metric on the same frames.
    margin : float
        Tolerated relative worsening, ≥ 0 and finite; below 1 where larger is better.
    larger_is_better : bool
        Direction of the metric.

    Raises
    ------
    MlffError
        If the two are not of the same frames, or the margin is not usable.
    """
    if not (math.isfinite(margin) and margin >= 0.0) or (larger_is_better and margin >= 1.0):
        raise MlffError(f"margin {margin} is not a finite number of at least 0")
    k = _tolerated(margin, -1 if larger_is_better else 1, current.power)
    undecided: str | None = None
    try:
        found = _means(current, baseline, k)
    except _NoBaselineError:
        found = _Means(np.array([1.0, 0.0]), np.zeros((2, 2)), math.inf)
        undecided = (
            f"the baseline {'is not above' if larger_is_better else 'error is exactly'} zero, so a "
            "relative change has no meaning: use a threshold"
        )
    if undecided is None and found.dof < FEWEST_DOF:
        undecided = _too_few(current)
    return PairedComparison(
        power=current.power,
        margin=margin,
        mean_current=float(found.means[0]),
        mean_baseline=float(found.means[1]),
        var_current=float(found.covariance[0, 0]),
        covariance=float(found.covariance[0, 1]),
        var_baseline=float(found.covariance[1, 1]),
        dof=found.dof,
        n=len(current),
        undecided=undecided,
        larger_is_better=larger_is_better,
    )


class _NoBaselineError(Exception):
    """The baseline's value is not above zero, and both are not zero everywhere."""


def _too_few(evidence: Evidence) -> str:
    if isinstance(evidence, Pooled):
        return _too_few(min(evidence.parts, key=_counted))
    n = _counted(evidence)
    if isinstance(evidence, FrameSeries) and not evidence.independent:
        return f"{n} frames are too few: at least {FEWEST_FRAMES} are needed"
    return f"{n} replicas are too few: at least {FEWEST_DOF + 1} are needed"


def _counted(part: FrameSeries | Replicates) -> int:
    """Frames or replicas that a comparison counts."""
    if isinstance(part, FrameSeries) and part.independent:
        return len(part.segments)
    return len(part)


def _means(current: Evidence, baseline: Evidence, k: float) -> _Means:
    """Paired means, over a scale of order one since squares of an exploded model overflow."""
    if isinstance(current, Pooled) or isinstance(baseline, Pooled):
        return _of_systems(current, baseline, k)
    _check_same_frames(current, baseline)
    if isinstance(current, FrameSeries) and current.independent:
        current = current.replicates
        baseline = baseline.replicates if isinstance(baseline, FrameSeries) else baseline
    scale = max(float(np.abs(current.totals).max()), float(np.abs(baseline.totals).max())) or 1.0
    pair = np.stack([current.totals, baseline.totals]) / scale
    total = pair[1].sum()
    if total < 0.0 or (total == 0.0 and not np.array_equal(pair[0], pair[1])):
        raise _NoBaselineError
    if isinstance(current, Replicates):
        return _of_replicas(pair)
    return _of_frames(pair, current.segments, k)


def _of_replicas(pair: NDArray[np.float64]) -> _Means:
    n = pair.shape[1]
    # Of equal errors there is no difference that could scatter.
    known = n > 1 and not np.array_equal(pair[0], pair[1])
    spread = np.cov(pair) / n if known else np.zeros((2, 2))
    return _Means(pair.mean(axis=1), spread, float(n - 1))


def _of_frames(pair: NDArray[np.float64], segments: Sequence[int], k: float) -> _Means:
    n = pair.shape[1]
    if n >= FEWEST_FRAMES and np.array_equal(pair[0], pair[1]):
        # There is no difference whose slow part could be missed.
        return _Means(pair.mean(axis=1), np.zeros((2, 2)), math.inf)
    parts: list[_Means] = []
    for piece in np.split(pair, np.cumsum(segments)[:-1], axis=1):
        run = long_run(piece[0] - k * piece[1])
        # The weights are those of the difference, so that its variance is that of the matrix.
        found = cosine_coefficients(piece, run.count) if run.count else np.zeros((2, 0))
        covariance = (found * run.weights) @ found.T / piece.shape[1]
        parts.append(_Means(piece.mean(axis=1), covariance, float(run.dof)))
    return _sum(parts, [length / n for length in segments], k)


def _of_systems(current: Evidence, baseline: Evidence, k: float) -> _Means:
    if not (isinstance(current, Pooled) and isinstance(baseline, Pooled)):
        raise MlffError("cannot compare a mean over systems with a single one")
    if len(current.parts) != len(baseline.parts):
        raise MlffError(
            f"cannot compare: {len(current.parts)} systems against {len(baseline.parts)}"
        )
    parts = [_means(a, b, k) for a, b in zip(current.parts, baseline.parts, strict=True)]
    if any(part.means[1] <= 0.0 for part in parts):
        raise _NoBaselineError
    return _sum(parts, [1.0 / (len(parts) * float(part.means[1])) for part in parts], k)


def _sum(parts: Sequence[_Means], shares: Sequence[float], k: float) -> _Means:
    """Sum of independent means, each with its share; degrees of freedom by Satterthwaite."""
    variances = np.array([s**2 * part.variance(k) for s, part in zip(shares, parts, strict=True)])
    return _Means(
        np.sum([s * part.means for s, part in zip(shares, parts, strict=True)], axis=0),
        np.sum([s**2 * part.covariance for s, part in zip(shares, parts, strict=True)], axis=0),
        combined_dof(variances, np.array([part.dof for part in parts])),
    )


def _check_same_frames(
    current: FrameSeries | Replicates, baseline: FrameSeries | Replicates
) -> None:
    """Refuse series that cannot be paired."""
    why = None
    if _kind(current) != _kind(baseline):
        why = f"{_kind(current)} against {_kind(baseline)}"
    elif len(current) != len(baseline):
        why = f"{len(current)} {_kind(current)} against {len(baseline)}"
    elif current.power != baseline.power:
        why = "a mean absolute against a root mean square error"
    elif not np.array_equal(current.order, baseline.order):
        why = f"{_kind(current)} in another order"
    elif getattr(current, "segments", ()) != getattr(baseline, "segments", ()):
        why = "trajectories of other lengths"
    elif not np.allclose(current.weights, baseline.weights, rtol=1e-6, atol=0.0):
        why = "frames with other numbers of atoms"
    if why is not None:
        raise MlffError(f"cannot compare frame by frame: {why}; measure both on the same frames")


def _kind(evidence: FrameSeries | Replicates) -> str:
    if isinstance(evidence, Replicates):
        return "replicas"
    return "frames of replicas" if evidence.independent else "frames"
