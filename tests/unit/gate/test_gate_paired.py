"""The paired test against closed forms, brute force and simulation, with its mutants."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize, stats
from scipy.signal import lfilter

from pytest_mlff.errors import MlffError
from pytest_mlff.statistics.evidence import FrameSeries, Pooled, Replicates
from pytest_mlff.statistics.interval import long_run, mean_interval
from pytest_mlff.statistics.multiple_tests import holm, judge_regressions
from pytest_mlff.statistics.paired import PairedComparison, compare_paired, noncentrality


def series_of(totals: np.ndarray, power: int = 1, segments: tuple[int, ...] = ()) -> FrameSeries:
    n = len(totals)
    return FrameSeries(
        np.asarray(totals, dtype=float),
        np.full(n, 63.0),
        np.arange(n),
        segments or (n,),
        power,  # type: ignore[arg-type]
    )


def ar1(phi: float, shape: tuple[int, int], seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(shape)
    noise[:, 0] /= math.sqrt(1.0 - phi**2)
    return np.asarray(lfilter([1.0], [1.0, -phi], noise, axis=1)) * math.sqrt(1.0 - phi**2)


def pair(n: int = 800, change: float = 0.0, seed: int = 0) -> tuple[FrameSeries, FrameSeries]:
    b = 10.0 + 2.0 * ar1(0.4, (1, n), seed)[0]
    a = (1.0 + change) * b + 0.5 * ar1(0.3, (1, n), seed + 1)[0]
    return series_of(a), series_of(b)


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


def test_equal_errors_are_the_same_however_much_replicas_differ() -> None:
    ones = np.ones(8)
    one = Replicates(np.array([1.0, 2.0, 1.0, 90.0, 3.0, 1.0, 2.0, 80.0]), ones, np.arange(8))
    assert judge_regressions({"": compare_paired(one, one)}, tests=80)[""].word == "same"
    # Four replicas decide nothing, and a difference, however small, has its scatter.
    few = Replicates(one.totals[:4], ones[:4], np.arange(4))
    assert compare_paired(few, few).undecided is not None
    near = Replicates(one.totals + 0.1 * np.eye(8)[0], ones, np.arange(8))
    assert judge_regressions({"": compare_paired(near, one)}, tests=80)[""].word == "undecided"


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


def replicas(
    n: int, size: int, change: float = 0.0, seed: int = 0, spread: float = 0.3
) -> tuple[FrameSeries, FrameSeries]:
    """Replicas whose frames are the same all over: the worst there is within a replica."""
    rng = np.random.default_rng(seed)
    b = np.repeat(10.0 + rng.normal(size=n), size)
    a = (1.0 + change) * b + np.repeat(spread * rng.normal(size=n), size)
    order, segments = np.arange(n * size), (size,) * n
    return tuple(  # type: ignore[return-value]
        FrameSeries(x, np.ones(n * size), order, segments, 1, independent=True) for x in (a, b)
    )


def test_replicas_are_a_t_test_over_their_sums() -> None:
    a, b = replicas(7, 10, change=0.02)
    found = compare_paired(a, b)
    d = (a.totals - 1.01 * b.totals).reshape(7, 10).mean(axis=1)
    expected = stats.ttest_1samp(d, 0.0, alternative="greater").pvalue
    assert found.p_worse == pytest.approx(expected, rel=1e-9)
    assert found.dof == 6
    # One number each is the same evidence.
    one, other = (Replicates(x.totals[::10], np.ones(7), np.arange(7)) for x in (a, b))
    assert compare_paired(one, other).p_worse == pytest.approx(expected, rel=1e-9)
    interval = b.interval()
    low, high = stats.t.interval(0.95, 6, b.value, stats.sem(b.totals[::10]))
    assert (interval.ci_low, interval.ci_high) == pytest.approx((low, high), rel=1e-9)


def test_five_replicas_decide_and_four_do_not() -> None:
    assert compare_paired(*replicas(5, 3)).undecided is None
    told = str(compare_paired(*replicas(4, 50)).undecided)
    assert told == "4 replicas are too few: at least 5 are needed"
    assert replicas(4, 50)[0].interval().ci_low is None


def test_false_alarms_over_replicas_and_the_mutant_over_frames() -> None:
    repeats = 800
    p = np.array([compare_paired(*replicas(8, 5, 0.01, seed)).p_worse for seed in range(repeats)])
    assert (p <= 0.05).mean() <= 0.05 + 2.6 * math.sqrt(0.05 * 0.95 / repeats)
    naive = [
        stats.ttest_1samp(a.totals - 1.01 * b.totals, 0.0, alternative="greater").pvalue
        for a, b in (replicas(8, 5, 0.01, seed) for seed in range(200))
    ]
    assert np.mean(np.array(naive) <= 0.05) > 0.15


def pooled(change: float, seed: int, systems: int = 7) -> tuple[Pooled, Pooled]:
    found = [replicas(8, 4, change, 100 * seed + s) for s in range(systems)]
    # Errors of quite other sizes: the relative change is what is averaged.
    scaled = [[replace(x, totals=10.0**s * x.totals) for x in pair] for s, pair in enumerate(found)]
    return Pooled(tuple(a for a, _ in scaled)), Pooled(tuple(b for _, b in scaled))


def test_pooled_is_the_mean_relative_change_over_systems() -> None:
    a, b = pooled(0.03, 1)
    found = compare_paired(a, b)
    changes = [x.value / y.value - 1.0 for x, y in zip(a.parts, b.parts, strict=True)]
    assert found.change == pytest.approx(np.mean(changes), rel=1e-9)
    variance = 0.0
    for x, y in zip(a.parts, b.parts, strict=True):
        d = x.totals.reshape(8, 4).sum(axis=1) - 1.01 * y.totals.reshape(8, 4).sum(axis=1)
        variance += (stats.sem(d) / y.totals.sum() * 8 / 7) ** 2
    t = (np.mean(changes) - 0.01) / math.sqrt(variance)
    assert found.p_worse == pytest.approx(stats.t(found.dof).sf(t), rel=1e-6)
    assert 7 < found.dof <= 49
    single = compare_paired(a.parts[0], b.parts[0]).minimum_detectable()
    assert (found.minimum_detectable() or 1.0) < 0.6 * (single or 0.0)
    with pytest.raises(MlffError, match="7 systems against 6"):
        compare_paired(a, Pooled(b.parts[:6]))
    with pytest.raises(MlffError, match="single one"):
        compare_paired(a, b.parts[0])


def test_false_alarms_of_the_pooled_test() -> None:
    repeats = 300
    p = np.array([compare_paired(*pooled(0.01, seed)).p_worse for seed in range(repeats)])
    assert (p <= 0.05).mean() <= 0.05 + 2.6 * math.sqrt(0.05 * 0.95 / repeats)
    assert np.mean([compare_paired(*pooled(0.05, s)).p_worse <= 0.01 for s in range(20)]) > 0.9


@pytest.mark.parametrize(
    "change, spread, word",
    [(0.05, 0.05, "worse"), (-0.05, 0.05, "better"), (0.0, 0.01, "same"), (0.0, 0.5, "undecided")],
)
def test_four_words_are_read_off_one_interval(change: float, spread: float, word: str) -> None:
    found = judge_regressions({"one": compare_paired(*replicas(9, 4, change, 3, spread))})["one"]
    assert found.word == word
    assert found.reason.startswith(word)
    assert found.lower is not None
    assert found.upper is not None
    assert (found.lower > 0.01) == (word == "worse")
    assert (found.upper <= 0.01) == (word in ("same", "better"))
    assert found.regressed is {"worse": True, "undecided": None}.get(word, False)


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


def by_closure(p_values: list[float], alpha: float) -> list[bool]:
    """Holm as the closure of Bonferroni tests over all intersections (brute force)."""
    m = len(p_values)
    rejected = []
    for i in range(m):
        every = True
        for subset in range(1, 2**m):
            members = [j for j in range(m) if subset >> j & 1]
            if i in members:
                every &= min(p_values[j] for j in members) <= alpha / len(members)
        rejected.append(every)
    return rejected


def test_holm_is_closed_bonferroni() -> None:
    rng = np.random.default_rng(5)
    for _ in range(200):
        p = (rng.random(6) ** 3 * 0.2).tolist()
        assert [q <= 0.05 for q in holm(p)] == by_closure(p, 0.05)
    assert holm([]) == []
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def family(changes: list[float], n: int = 800) -> dict[str, PairedComparison]:
    return {
        f"case{i}": compare_paired(*pair(n, change=change, seed=4000 + 10 * i))
        for i, change in enumerate(changes)
    }


def test_family_verdicts_bounds_and_holm_agree() -> None:
    comparisons = family([0.0, 0.05, 0.012, 0.014, 0.02, -0.05])
    verdicts = judge_regressions(comparisons)
    adjusted = holm([float(one.p_worse or 0.0) for one in comparisons.values()])
    for (name, verdict), p in zip(verdicts.items(), adjusted, strict=True):
        assert (verdict.word == "worse") == (p <= 0.05)
        assert verdict.p_adjusted == pytest.approx(p)
        assert verdict.lower is not None
        assert (verdict.lower > 0.01) == (verdict.word == "worse"), name
        assert verdict.minimum_detectable is not None
        assert verdict.minimum_detectable > 0.01
        assert "\n" not in verdict.reason
    assert verdicts["case1"].regressed
    assert not verdicts["case0"].regressed
    assert verdicts["case1"].reason.startswith("worse than the baseline by +5.")
    assert verdicts["case5"].word == "better"


def test_holm_keeps_the_false_alarms_of_a_whole_spec() -> None:
    """Twelve cases at the margin: any alarm in ≤ 5 % of specs; the uncorrected mutant in > 15 %."""
    specs, cases, n = 100, 12, 2000
    any_alarm = any_raw = 0
    for i in range(specs):
        b = 1.0 + 0.2 * ar1(0.98, (cases, n), 5000 + i)
        a = 1.01 * b + 0.3 * ar1(0.98, (cases, n), 9000 + i)
        comparisons = {
            str(j): compare_paired(series_of(a[j]), series_of(b[j])) for j in range(cases)
        }
        any_alarm += any(v.regressed for v in judge_regressions(comparisons).values())
        any_raw += any((c.p_worse or 1.0) <= 0.05 for c in comparisons.values())
    assert any_alarm / specs <= 0.05 + 2.6 * math.sqrt(0.05 * 0.95 / specs)
    assert any_raw / specs > 0.15


def test_undecided_cases_make_no_claim_and_take_no_share() -> None:
    comparisons = family([0.02, 0.0])
    alone = judge_regressions(comparisons)
    comparisons["short"] = compare_paired(*pair(20))
    together = judge_regressions(comparisons)
    assert together["short"].regressed is None
    assert together["short"].reason.endswith("20 frames are too few: at least 31 are needed")
    assert together["case0"] == alone["case0"]
    assert judge_regressions({}) == {}


def test_the_interval_over_systems_adds_their_variances() -> None:
    rng = np.random.default_rng(7)
    ones, order = np.ones(9), np.arange(9)
    parts = tuple(Replicates(rng.normal(mean, 1.0, 9), ones, order) for mean in (5.0, 8.0))
    found = Pooled(parts).interval(0.9)
    errors = [part.totals.std(ddof=1) / 3.0 for part in parts]
    error = math.hypot(*errors) / 2.0
    # Welch and Satterthwaite: the degrees of freedom of a sum of two variances.
    dof = sum(e**2 for e in errors) ** 2 / sum(e**4 / 8.0 for e in errors)
    assert found.mean == pytest.approx(sum(part.totals.mean() for part in parts) / 2.0)
    assert found.standard_error == pytest.approx(error)
    assert found.ci_low == pytest.approx(found.mean - stats.t(dof).ppf(0.95) * error)
    assert found.ci_high == pytest.approx(found.mean + stats.t(dof).ppf(0.95) * error)
    alone = Replicates(np.array([1.0]), np.ones(1), np.zeros(1, dtype=int))
    assert Pooled((parts[0], alone)).interval().ci_low is None
