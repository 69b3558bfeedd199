"""Is this model worse than that one? A paired test on the same frames.

Let a_f and b_f be what frame f adds to the current and to the baseline error (sums of
absolute errors, or of squares for a root mean square). Both values share the same
weights, so the ratio of the two is (Σa/Σb)^(1/power). That it exceeds 1 + margin is the
same as a positive mean of

    d_f = a_f − k b_f,    k = (1 + margin)^power,

and that is what is tested, with the long-run variance of `pytest_mlff.statistics.interval` and
Student's t. Inverting the test over k gives the confidence bounds of the ratio
(Fieller, J. R. Stat. Soc. B 1954, 16, 175). The baseline's own error thus enters as it
should: no ratio is linearised, and "lower bound above the margin" and "test significant at
the margin" are one statement.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from pytest_mlff.errors import MlffError
from pytest_mlff.statistics.interval import (
    FEWEST_COEFFICIENTS,
    FEWEST_FRAMES,
    LongRun,
    combined_dof,
    frames_needed,
    is_enough,
    long_run,
    student_quantile,
)
from pytest_mlff.statistics.spectrum import cosine_coefficients

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.statistics.evidence import FrameSeries

__all__ = [
    "ALLOWANCE",
    "ALPHA",
    "MARGIN",
    "POWER",
    "PairedComparison",
    "compare_paired",
    "noncentrality",
]

MARGIN = 0.01
"""Relative worsening that is tolerated unless a spec says otherwise."""

ALPHA = 0.05
"""Level of the one-sided tests: false alarms tolerated in a family of cases."""

ALLOWANCE = 3.0
"""Where frames are too few for an interval, a difference this many times as large as an interval
would ask for is called all the same: see ``docs/statistics.md`` for how seldom that errs."""

POWER = 0.8
"""Probability with which the minimum detectable effect would be seen."""


@dataclass(frozen=True)
class PairedComparison:
    """Outcome of a paired comparison.

    ``mean_*`` and ``var_*`` are means of the per-frame totals and long-run variances and
    covariance of these means, in (unit of the value)^power.

    Attributes
    ----------
    power : 1 or 2
    margin : float
        Tolerated relative worsening.
    dof : float
        Degrees of freedom of the test.
    correlation_time : float
        Of the difference, in frames.
    n_frames : int
    frames_needed : int
        Frames from which on the comparison can be decided.
    undecided : str or None
        Why nothing can be said; None if something can.
    too_short : str or None
        Why no interval can be given, so that p values and bounds are those of standard
        errors `ALLOWANCE` times as large, and only what is gross under them can be said.
    """

    power: Literal[1, 2]
    margin: float
    mean_current: float
    mean_baseline: float
    var_current: float
    covariance: float
    var_baseline: float
    dof: float
    correlation_time: float
    n_frames: int
    frames_needed: int
    undecided: str | None = None
    too_short: str | None = None

    @property
    def _allowance(self) -> float:
        return 1.0 if self.too_short is None else ALLOWANCE

    @property
    def change(self) -> float | None:
        """Relative difference, current / baseline - 1; None if the baseline error is zero."""
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
        spread = self._allowance * math.sqrt(self._variance(k))
        # Rounding of two equal errors must not pass for an infinitely sure difference.
        if spread <= 1e-12 * abs(self.mean_baseline):
            return 0.0 if difference > 1e-12 * abs(self.mean_baseline) else 1.0
        t = difference / spread
        return float(ndtr(-t) if math.isinf(self.dof) else stdtr(self.dof, -t))

    @property
    def p_worse(self) -> float | None:
        """One-sided p of "not worse than the margin"; None where undecided."""
        return None if self.undecided else self._tail((1.0 + self.margin) ** self.power, 1)

    @property
    def p_better(self) -> float | None:
        """One-sided p of "not better than the baseline"; None where undecided."""
        return None if self.undecided else self._tail(1.0, -1)

    def bounds(self, alpha: float = ALPHA) -> tuple[float | None, float | None]:
        """Lower and upper bound of the relative difference, each one-sided at ``alpha``.

        Each is None where undecided; the upper one also where the baseline's own error is
        so uncertain that the ratio has no bound.
        """
        if self.undecided or self.mean_baseline <= 0.0:
            return None, None
        t2 = (self._allowance * student_quantile(self.dof, 1.0 - alpha)) ** 2
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

        None where undecided, or too short for anything but gross differences.
        """
        if self.undecided or self.too_short or self.mean_baseline <= 0.0:
            return None
        k = (1.0 + self.margin) ** self.power
        shift = noncentrality(self.dof, alpha, power) * math.sqrt(self._variance(k))
        return float((k + shift / self.mean_baseline) ** (1.0 / self.power) - 1.0)


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


def compare_paired(
    current: FrameSeries, baseline: FrameSeries, *, margin: float = MARGIN
) -> PairedComparison:
    """Compare two models by their per-frame errors on the same frames.

    Parameters
    ----------
    current, baseline : FrameSeries
        Of the same metric on the same frames.
    margin : float
        Tolerated relative worsening, ≥ 0 and finite.

    Raises
    ------
    MlffError
        If the two series are not of the same frames, or the margin is not usable.
    """
    if not (math.isfinite(margin) and margin >= 0.0):
        raise MlffError(f"margin {margin} is not a finite number of at least 0")
    _check_same_frames(current, baseline)
    k = (1.0 + margin) ** current.power
    # Scaled to order one: squares of an exploded model's errors may overflow.
    largest = max(float(current.totals.max()), float(baseline.totals.max()))
    scale = largest or 1.0
    a, b = current.totals / scale, baseline.totals / scale
    n = len(a)
    total = np.zeros((2, 2))
    parts: list[float] = []
    runs: list[LongRun] = []
    start = 0
    for length in current.segments:
        piece = slice(start, start + length)
        covariance, run = _segment(a[piece], b[piece], k)
        covariance = covariance * length / n**2
        total += covariance
        parts.append(max(0.0, float(np.array([1.0, -k]) @ covariance @ np.array([1.0, -k]))))
        runs.append(run)
        start += length
    variances = np.array(parts)
    dof_all = combined_dof(variances, np.array([float(run.dof) for run in runs]))
    needed = frames_needed(current.segments, runs, variances)
    slowest = max(float(run.correlation_time) for run in runs)
    undecided = too_short = None
    mean_a, mean_b = float(a.mean()), float(b.mean())
    if mean_b <= 0.0 and mean_a > 0.0:
        undecided = (
            "the baseline error is exactly zero, so a relative change has no meaning: "
            "use a threshold"
        )
    elif not (_identical(a, b) or is_enough(current.segments, runs, variances)):
        needed = max(needed, n + 1)
        too_short = (
            f"{n} frames are too few for the slow part of the difference (correlation time "
            f"seen: {slowest:.3g} frames): about {needed} are needed"
        )
        if dof_all < FEWEST_COEFFICIENTS:
            undecided = too_short
    if undecided is None and mean_b > 0.0 and _is_lost(mean_b, dof_all, total[1, 1]):
        undecided = "the baseline error is not distinguishable from zero: use more frames"
    return PairedComparison(
        power=current.power,
        margin=margin,
        mean_current=mean_a,
        mean_baseline=mean_b,
        var_current=float(total[0, 0]),
        covariance=float(total[0, 1]),
        var_baseline=float(total[1, 1]),
        dof=dof_all,
        correlation_time=slowest,
        n_frames=n,
        frames_needed=needed,
        undecided=undecided,
        too_short=too_short,
    )


def _is_lost(mean: float, dof: float, variance: float) -> bool:
    """Whether an error cannot be told from zero, so that no ratio to it is bounded."""
    return mean**2 <= student_quantile(dof, 1.0 - ALPHA) ** 2 * variance


def _identical(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    """Whether there is no difference whose slow part could be missed."""
    return len(a) >= FEWEST_FRAMES and np.array_equal(a, b)


def _segment(
    a: NDArray[np.float64], b: NDArray[np.float64], k: float
) -> tuple[NDArray[np.float64], LongRun]:
    """Long-run covariance matrix of one trajectory, and the long run of the difference."""
    run = long_run(a - k * b)
    if run.count == 0:
        return np.zeros((2, 2)), run
    # The weights are those of the difference, so that its variance is that of the matrix.
    coefficients = cosine_coefficients(np.stack([a, b]), run.count)
    return (coefficients * run.weights) @ coefficients.T, run


def _check_same_frames(current: FrameSeries, baseline: FrameSeries) -> None:
    """Refuse series that cannot be paired."""
    why = None
    if len(current) != len(baseline):
        why = f"{len(current)} frames against {len(baseline)}"
    elif current.power != baseline.power:
        why = "a mean absolute against a root mean square error"
    elif not np.array_equal(current.order, baseline.order):
        why = "frames in another order"
    elif current.segments != baseline.segments:
        why = "trajectories of other lengths"
    elif not np.allclose(current.weights, baseline.weights, rtol=1e-6, atol=0.0):
        why = "frames with other numbers of atoms"
    if why is not None:
        raise MlffError(f"cannot compare frame by frame: {why}; measure both on the same frames")
