"""The paired test over frames against closed forms, brute force and simulation; its mutants."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats
from support.paired_series import ar1, pair, series_of

from pytest_mlff.errors import MlffError
from pytest_mlff.statistics.evidence import FrameSeries
from pytest_mlff.statistics.interval import long_run, mean_interval
from pytest_mlff.statistics.multiple_tests import judge_regressions
from pytest_mlff.statistics.paired import PairedComparison, compare_paired, noncentrality


def test_p_is_that_of_the_difference_at_the_margin() -> None:
    a, b = pair(change=0.012)
    found = compare_paired(a, b, margin=0.01)
    d = mean_interval(a.totals - 1.01 * b.totals)
    assert d.standard_error is not None
    assert found.dof == d.dof
    assert found.p_worse == pytest.approx(stats.t(d.dof).sf(d.mean / d.standard_error), rel=1e-9)
    assert found.change == pytest.approx(a.value / b.value - 1.0, rel=1e-12)
    d = mean_interval(b.totals - a.totals)
    assert d.standard_error is not None
    # The degrees of freedom and the weights are those of the margin, hence not exact.
    expected = stats.t(d.dof).sf(d.mean / d.standard_error)
    assert found.p_better == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_bounds_invert_the_test(power: int, alpha: float) -> None:
    """Fieller's closed form against a numerical root of the t statistic over the ratio."""
    a, b = pair(change=0.03, seed=2)
    one, other = series_of(a.totals**power, power), series_of(b.totals**power, power)
    found = compare_paired(one, other, margin=0.01)
    low, high = found.bounds(alpha)
    t = stats.t(found.dof).ppf(1.0 - alpha)

    def excess(ratio: float, sign: float) -> float:
        k = ratio**power
        spread = math.sqrt(
            found.var_current - 2 * k * found.covariance + k * k * found.var_baseline
        )
        return float((found.mean_current - k * found.mean_baseline) / spread - sign * t)

    assert found.change is not None
    middle = 1.0 + found.change
    assert low == pytest.approx(optimize.brentq(excess, 0.9, middle, args=(1.0,)) - 1.0, abs=1e-9)
    assert high == pytest.approx(optimize.brentq(excess, middle, 1.2, args=(-1.0,)) - 1.0, abs=1e-9)


def test_lower_bound_above_the_margin_is_the_same_as_a_significant_test() -> None:
    for seed in range(40):
        a, b = pair(300, change=0.013, seed=100 + 2 * seed)
        found = compare_paired(a, b, margin=0.01)
        low, _ = found.bounds(0.05)
        if found.undecided is None:
            assert low is not None
            assert found.p_worse is not None
            assert (low > 0.01) == (found.p_worse < 0.05)


def test_scale_of_the_errors_does_not_matter() -> None:
    a, b = pair(change=0.02)
    one = compare_paired(a, b)
    for factor in (1e-9, 1e180):
        other = compare_paired(series_of(factor * a.totals), series_of(factor * b.totals))
        assert other.p_worse == pytest.approx(one.p_worse, rel=1e-6)
        assert other.bounds() == pytest.approx(one.bounds(), rel=1e-6)


@pytest.mark.parametrize("phi", [0.0, 0.9])
def test_false_alarms_and_the_independent_mutant(phi: float) -> None:
    """At the margin itself at most 5 % are called regressed; an i.i.d. variance calls far more."""
    n, repeats = 600, 400
    b = 1.0 + 0.2 * ar1(phi, (repeats, n), 21)
    a = 1.01 * b + 0.3 * ar1(phi, (repeats, n), 22)
    limit = 0.05 + 2.4 * math.sqrt(0.05 * 0.95 / repeats)
    raised = 0
    for i in range(repeats):
        p = compare_paired(series_of(a[i]), series_of(b[i]), margin=0.01).p_worse
        raised += p is not None and p <= 0.05
    assert raised / repeats <= limit
    naive = stats.ttest_1samp(a - 1.01 * b, 0.0, axis=1, alternative="greater").pvalue <= 0.05
    assert (naive.mean() > limit) == (phi > 0.5)


def test_compare_paired_is_what_the_calibration_simulates() -> None:
    """The vectorised path of the calibration and the scalar path are one rule."""
    b = 1.0 + 0.2 * ar1(0.8, (20, 500), 31)
    a = 1.01 * b + 0.3 * ar1(0.8, (20, 500), 32)
    run = long_run(a - 1.01 * b)
    for i in range(20):
        found = compare_paired(series_of(a[i]), series_of(b[i]), margin=0.01)
        assert found.dof == pytest.approx(run.dof[i])
        assert found.undecided is None
        variance = found.var_current - 2.02 * found.covariance + 1.01**2 * found.var_baseline
        scale = max(a[i].max(), b[i].max())
        assert variance * scale**2 == pytest.approx(run.variance[i] / 500, rel=1e-6)


def test_minimum_detectable_effect_is_seen_with_its_power() -> None:
    """Brute force: 600 pairs, each truly worse by the effect that it reports."""
    n, repeats = 500, 600
    b = 1.0 + 0.1 * ar1(0.5, (repeats, n), 41)
    e = 0.3 * ar1(0.5, (repeats, n), 42)
    seen = 0
    for i in range(repeats):
        effect = compare_paired(series_of(b[i] + e[i]), series_of(b[i])).minimum_detectable()
        assert effect is not None
        worse = compare_paired(series_of((1.0 + effect) * b[i] + e[i]), series_of(b[i]))
        seen += (worse.p_worse or 0.0) <= 0.05
    assert seen / repeats == pytest.approx(0.8, abs=0.08)


def test_noncentrality_against_scipy() -> None:
    for dof in (4, 7, 30, 103):
        critical = stats.t(dof).ppf(0.95)
        found = noncentrality(dof, 0.05, 0.8)
        assert stats.nct(dof, found).sf(critical) == pytest.approx(0.8, abs=1e-6)
    assert noncentrality(math.inf, 0.05, 0.8) == pytest.approx(1.6448536 + 0.8416212, rel=1e-6)


def test_a_model_against_itself() -> None:
    a, _ = pair()
    found = compare_paired(a, a)
    assert found.change == 0.0
    assert found.p_worse > 0.99
    assert found.bounds() == pytest.approx((0.0, 0.0), abs=1e-6)
    assert found.p_better == 1.0


def test_exactly_proportional_errors_are_decided_without_noise() -> None:
    _, b = pair()
    for factor, worse in ((1.0099, False), (1.01, False), (1.0101, True), (0.5, False)):
        found = compare_paired(series_of(factor * b.totals), b, margin=0.01)
        assert found.undecided is None
        assert (found.p_worse <= 0.05) is worse
        assert (found.p_better <= 0.05) is (factor < 1.0)
        assert found.bounds()[0] == pytest.approx(factor - 1.0, abs=1e-6)


def test_zero_errors() -> None:
    _, b = pair()
    zero = series_of(np.zeros(len(b)))
    both = compare_paired(zero, zero)
    assert both.change == 0.0
    assert both.p_worse == 1.0
    against = compare_paired(b, zero)
    assert against.change is None
    assert "exactly zero" in str(against.undecided)
    assert compare_paired(zero, b).change == -1.0


def test_too_few_frames_are_undecided() -> None:
    a, b = pair(25)
    found = compare_paired(a, b)
    assert found.p_worse is None
    assert found.bounds() == (None, None)
    assert found.minimum_detectable() is None
    assert found.undecided == "25 frames are too few: at least 31 are needed"
    verdict = judge_regressions({"short": found})["short"]
    assert (verdict.word, verdict.regressed, verdict.p) == ("undecided", None, None)


def slow_pairs(change: float, repeats: int = 300) -> list[PairedComparison]:
    """Over 500 frames; a third of the difference is slow (200 frames), below noise."""
    b = 1.0 + 0.05 * ar1(0.98, (repeats, 500), 41)
    slow, fast = ar1(0.995, (repeats, 500), 42), ar1(0.0, (repeats, 500), 43)
    a = (1.0 + change) * b + 0.05 * (math.sqrt(0.3) * slow + math.sqrt(0.7) * fast)
    return [
        compare_paired(series_of(one), series_of(other)) for one, other in zip(a, b, strict=True)
    ]


def test_slow_parts_below_noise_are_no_false_alarm_and_gross_is_seen() -> None:
    def alarms(change: float) -> float:
        return float(np.mean([(one.p_worse or 0.0) <= 0.05 for one in slow_pairs(change)]))

    assert alarms(0.01) <= 0.08
    assert alarms(1.0) > 0.95


@pytest.mark.parametrize("phi", [0.5, 0.95, 0.99])
def test_once_red_red_beyond(phi: float) -> None:
    """200 worsenings from +1 to +100 %, on one trajectory whose slow part grows with them.

    The mutant is the rule of before: no interval, and three times the standard error, where
    the extrapolation is 1.5 or more. It turned back to green as the worsening grew.
    """
    n = 200
    base = np.abs(10.0 + 2.0 * ar1(0.5, (1, n), 5)[0])
    for seed in range(6):
        rng = np.random.default_rng(seed)
        grown = np.abs(ar1(phi, (1, n), 70 + seed)[0] + 0.5 * rng.normal(size=n))
        grown *= base.mean() / grown.mean()
        red = [
            judge_regressions(
                {"one": compare_paired(series_of(base + c * grown), series_of(base))}, tests=60
            )["one"].regressed
            is True
            for c in np.linspace(0.01, 1.0, 200)
        ]
        assert red == sorted(red)


def test_molecules_of_different_difficulty_are_strata() -> None:
    easy, hard = pair(300, change=0.05), pair(300, change=0.05, seed=60)
    a = np.concatenate([easy[0].totals, 8.0 * hard[0].totals])
    b = np.concatenate([easy[1].totals, 8.0 * hard[1].totals])
    strata = compare_paired(series_of(a, segments=(300, 300)), series_of(b, segments=(300, 300)))
    assert strata.undecided is None
    assert strata.p_worse < 1e-3
    assert strata.dof > 4
    d = [mean_interval(e[0].totals * s - 1.01 * e[1].totals * s) for e, s in ((easy, 1), (hard, 8))]
    error = math.sqrt(sum((one.standard_error or 0.0) ** 2 for one in d)) / 2
    t = (a.mean() - 1.01 * b.mean()) / error
    assert strata.p_worse == pytest.approx(stats.t(strata.dof).sf(t), rel=1e-6)


def test_a_trajectory_of_one_frame_decides_nothing() -> None:
    a, b = pair(200, change=0.05)
    found = compare_paired(*(series_of(one.totals, segments=(199, 1)) for one in (a, b)))
    assert found.undecided is not None
    assert (found.p_worse, found.dof) == (None, 0.0)


def test_pairs_that_are_no_pairs() -> None:
    a, b = pair(100)
    n = np.arange(100)
    others = {
        "100 frames against 99": FrameSeries(b.totals[:-1], b.weights[:-1], n[:-1], (99,)),
        "another order": FrameSeries(b.totals, b.weights, n[::-1].copy(), (100,)),
        "other lengths": FrameSeries(b.totals, b.weights, n, (50, 50)),
        "numbers of atoms": FrameSeries(b.totals, 2 * b.weights, n, (100,)),
        "root mean square": FrameSeries(b.totals, b.weights, n, (100,), 2),
    }
    for said, other in others.items():
        with pytest.raises(MlffError, match=said):
            compare_paired(a, other)
    for margin in (math.nan, -0.1, math.inf):
        with pytest.raises(MlffError, match="margin"):
            compare_paired(a, b, margin=margin)
