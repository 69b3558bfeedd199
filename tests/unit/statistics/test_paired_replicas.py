"""Replicas and systems: the paired test over their sums, and its false alarms."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from support.paired_series import replicas

from pytest_mlff.errors import MlffError
from pytest_mlff.statistics.evidence import Pooled, Replicates
from pytest_mlff.statistics.multiple_tests import judge_regressions
from pytest_mlff.statistics.paired import compare_paired


def test_equal_errors_are_the_same_however_much_replicas_differ() -> None:
    ones = np.ones(8)
    one = Replicates(np.array([1.0, 2.0, 1.0, 90.0, 3.0, 1.0, 2.0, 80.0]), ones, np.arange(8))
    assert judge_regressions({"": compare_paired(one, one)}, tests=80)[""].word == "same"
    # Four replicas decide nothing, and a difference, however small, has its scatter.
    few = Replicates(one.totals[:4], ones[:4], np.arange(4))
    assert compare_paired(few, few).undecided is not None
    near = Replicates(one.totals + 0.1 * np.eye(8)[0], ones, np.arange(8))
    assert judge_regressions({"": compare_paired(near, one)}, tests=80)[""].word == "undecided"


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
    # Three degrees of freedom would give a number; it is not taken for evidence of anything.
    worse, better = (compare_paired(*replicas(4, 50, change)) for change in (0.5, -0.5))
    assert (worse.p_worse, better.p_better) == (None, None)
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
    variances = []
    for x, y in zip(a.parts, b.parts, strict=True):
        d = x.totals.reshape(8, 4).sum(axis=1) - 1.01 * y.totals.reshape(8, 4).sum(axis=1)
        variances.append((stats.sem(d) / y.totals.sum() * 8 / 7) ** 2)
    t = (np.mean(changes) - 0.01) / math.sqrt(sum(variances))
    assert found.p_worse == pytest.approx(stats.t(found.dof).sf(t), rel=1e-6)
    # Welch and Satterthwaite, of seven variances with seven degrees of freedom each.
    assert found.dof == pytest.approx(sum(variances) ** 2 / sum(v**2 / 7 for v in variances))
    single = compare_paired(a.parts[0], b.parts[0]).minimum_detectable()
    assert (found.minimum_detectable() or 1.0) < 0.6 * (single or 0.0)
    noisy = replicas(4, 50, spread=30.0)
    few = [Pooled((x.parts[0], y)) for x, y in zip((a, b), noisy, strict=True)]
    assert compare_paired(*few).undecided == "4 replicas are too few: at least 5 are needed"
    with pytest.raises(MlffError, match="7 systems against 6"):
        compare_paired(a, Pooled(b.parts[:6]))
    with pytest.raises(MlffError, match="single one"):
        compare_paired(a, b.parts[0])


def test_false_alarms_of_the_pooled_test() -> None:
    repeats = 300
    p = np.array([compare_paired(*pooled(0.01, seed)).p_worse for seed in range(repeats)])
    assert (p <= 0.05).mean() <= 0.05 + 2.6 * math.sqrt(0.05 * 0.95 / repeats)
    assert np.mean([compare_paired(*pooled(0.05, s)).p_worse <= 0.01 for s in range(20)]) > 0.9


def test_the_interval_over_systems_adds_their_variances() -> None:
    rng = np.random.default_rng(7)
    ones, order = np.ones(9), np.arange(9)
    parts = tuple(Replicates(rng.normal(mean, 1.0, 9), ones, order) for mean in (5.0, 8.0))
    found = Pooled(parts).interval(0.9)
    errors = [part.totals.std(ddof=1) / 3.0 for part in parts]
    error = math.hypot(*errors) / 2.0
    # Welch and Satterthwaite: the degrees of freedom of a sum of two variances.
    dof = sum(e**2 for e in errors) ** 2 / sum(e**4 / 8.0 for e in errors)
    assert Pooled(parts).interval() == Pooled(parts).interval(0.95)
    assert found.mean == pytest.approx(sum(part.totals.mean() for part in parts) / 2.0)
    assert found.standard_error == pytest.approx(error)
    assert found.ci_low == pytest.approx(found.mean - stats.t(dof).ppf(0.95) * error)
    assert found.ci_high == pytest.approx(found.mean + stats.t(dof).ppf(0.95) * error)
    alone = Replicates(np.array([1.0]), np.ones(1), np.zeros(1, dtype=int))
    assert Pooled((parts[0], alone)).interval().ci_low is None
