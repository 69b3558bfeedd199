"""Metrics of which larger is better: the same test, turned round."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats
from support.baselines import update

from pytest_mlff.errors import MlffError
from pytest_mlff.gate.baseline import Baseline, BaselineCase, check
from pytest_mlff.gate.compare import rank
from pytest_mlff.gate.records import Identity, KeptCase
from pytest_mlff.gate.standing import standing_of
from pytest_mlff.gate.threshold import Verdict
from pytest_mlff.metrics import registry
from pytest_mlff.metrics.registry import metric_named
from pytest_mlff.statistics.evidence import FrameSeries, Replicates
from pytest_mlff.statistics.multiple_tests import judge_regressions
from pytest_mlff.statistics.paired import PairedComparison, compare_paired

if TYPE_CHECKING:
    from pathlib import Path

CASE = "s/a/uracil/soap_similarity"
N = 400


def record(factor: float, seed: int = 1, case_id: str = CASE, **changes: float) -> KeptCase:
    """Its per-frame values are ``factor`` times common ones, plus noise of its own."""
    common = np.random.default_rng(0).gamma(50.0, 1.0, N)
    values = factor * common + np.random.default_rng(seed).normal(size=N)
    series = FrameSeries(values + changes.get("shift", 0.0), np.ones(N), np.arange(N), (N,))
    identity = Identity("data", "spec", "float32", "1")
    metric = case_id.rsplit("/", 1)[1]
    return KeptCase(case_id, metric, None, series.value, N, N, identity, series)


def held(factor: float) -> Baseline:
    from pathlib import Path

    return Baseline(Path("b.json"), "m", {CASE: BaselineCase(record(factor, 2), "digest")})


def word_of(factor: float) -> str:
    return check(held(1.0), [record(factor)]).regressions[CASE].word


@pytest.fixture
def ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant: the direction of the metric is ignored."""
    wrong = replace(metric_named("soap_similarity"), larger_is_better=False)
    monkeypatch.setattr(registry, "_standing", lambda: {wrong.id: wrong})


@pytest.mark.parametrize(
    "factor, word",
    [(0.9, "worse"), (0.97, "worse"), (0.998, "same"), (1.003, "better"), (1.1, "better")],
)
def test_a_smaller_value_is_worse(factor: float, word: str) -> None:
    assert word_of(factor) == word


def test_a_mutant_that_ignores_the_direction_passes_a_worse_model(ignored: None) -> None:
    assert word_of(0.9) == "better"
    assert word_of(1.1) == "worse"


def test_p_is_that_of_the_difference_at_the_margin() -> None:
    rng = np.random.default_rng(3)
    b = rng.normal(10.0, 1.0, 30)
    a = 0.98 * b + rng.normal(0.0, 0.3, 30)
    ones, order = np.ones(30), np.arange(30)
    one = compare_paired(
        Replicates(a, ones, order), Replicates(b, ones, order), margin=0.01, larger_is_better=True
    )
    worse = stats.ttest_1samp(a - 0.99 * b, 0.0, alternative="less")
    better = stats.ttest_1samp(a - b, 0.0, alternative="greater")
    assert one.p_worse == pytest.approx(worse.pvalue, rel=1e-9)
    assert one.p_better == pytest.approx(better.pvalue, rel=1e-9)
    low, high = one.bounds(0.05)
    assert one.change is not None
    assert low is not None
    assert high is not None
    assert low < one.change < high
    assert one.worst(0.05) == -low
    # "Significant at the margin" and "the bound lies beyond the margin" are one statement.
    assert replace(one, margin=-high).p_worse == pytest.approx(0.05, rel=1e-6)


def test_the_detectable_worsening_is_detected_four_times_in_five() -> None:
    rng = np.random.default_rng(5)
    ones, order, n = np.ones(20), np.arange(20), 20

    def compared(factor: float) -> PairedComparison:
        b = rng.normal(10.0, 0.1, n)
        a = factor * b + rng.normal(0.0, 0.3, n)
        return compare_paired(
            Replicates(a, ones, order), Replicates(b, ones, order), larger_is_better=True
        )

    sizes = [compared(0.97).minimum_detectable() for _ in range(200)]
    size = float(np.median([one for one in sizes if one is not None]))
    assert 0.01 < size < 0.06
    seen = sum((compared(1.0 - size).p_worse or 0.0) <= 0.05 for _ in range(500))
    assert 0.72 < seen / 500 < 0.88


def test_what_would_have_been_seen_is_a_change_downwards() -> None:
    rng = np.random.default_rng(6)
    ones, order = np.ones(9), np.arange(9)
    one, other = (Replicates(rng.normal(10.0, 0.5, 9), ones, order) for _ in range(2))
    compared = compare_paired(one, other, larger_is_better=True)
    told = judge_regressions({"": compared})[""]
    assert told.word == "undecided"
    size = compared.minimum_detectable()
    assert told.reason.endswith(f"; only -{size:.1%} would surely have been seen")


def test_what_would_not_be_seen_at_zero_is_not_detectable() -> None:
    rng = np.random.default_rng(0)
    ones, order = np.ones(6), np.arange(6)
    b = np.abs(rng.normal(1.0, 0.1, 6))
    one = compare_paired(
        Replicates(rng.normal(1.0, 5.0, 6), ones, order),
        Replicates(b, ones, order),
        larger_is_better=True,
    )
    assert one.minimum_detectable() is None


def test_a_baseline_not_above_zero_decides_nothing() -> None:
    for shift in (-200.0, -50.0):
        low = record(1.0, 2, shift=shift)
        for other in (low, record(1.0, 1, shift=shift)):
            one = compare_paired(other.series, low.series, larger_is_better=True)
            assert one.undecided is not None
            assert "not above zero" in one.undecided
    with pytest.raises(MlffError, match="margin 1"):
        compare_paired(low.series, low.series, margin=1.0, larger_is_better=True)


@pytest.mark.parametrize("factor, red", [(0.5, True), (0.9, False), (1.5, False)])
def test_far_worse_is_red_though_undecided(factor: float, red: bool) -> None:
    few = slice(0, 5)

    def short(one: KeptCase) -> KeptCase:
        part = FrameSeries(one.series.totals[few], np.ones(5), np.arange(5), (5,))  # type: ignore[union-attr]
        return replace(one, series=part, value=part.value)

    baseline = held(1.0)
    entry = replace(baseline.cases[CASE], record=short(baseline.cases[CASE].record))
    baseline = replace(baseline, cases={CASE: entry})
    result = check(baseline, [short(record(factor))])
    assert result.regressions[CASE].word == "undecided"
    standing = standing_of(CASE, result, baseline, 1)
    assert standing.verdict is (Verdict.REGRESSED if red else Verdict.UNDECIDED)


@pytest.mark.parametrize("factor, kind", [(0.9, "kept"), (1.1, "tightened"), (1.0, "kept")])
def test_an_update_takes_what_is_larger(factor: float, kind: str) -> None:
    (change,) = update(held(1.0), record(factor)).changes
    assert change.kind == kind


def test_ranking_puts_the_larger_first() -> None:
    runs = {name: {CASE: record(factor, seed)} for name, factor, seed in
            (("low", 0.8, 1), ("high", 1.0, 2))}  # fmt: skip
    found = rank(runs)
    assert [one.model for one in found.models] == ["high", "low"]
    low = found.models[1]
    assert low.score == pytest.approx(runs["high"][CASE].value / runs["low"][CASE].value)
    assert low.worse
    assert low.low is not None
    assert low.high is not None
    assert low.low < 1.25 < low.high
    difference = low.cases[CASE]
    assert difference.change == pytest.approx(-0.2, abs=0.01)
    assert difference.worsening == pytest.approx(0.2, abs=0.01)
    # Beside an error: half as large an error outweighs a fifth of similarity.
    error = "s/a/uracil/force_mae"
    for name, factor in (("low", 0.5), ("high", 1.0)):
        runs[name][error] = record(factor, 3, error)
    assert rank(runs).models[0].model == "low"


def test_ranking_leaves_out_a_metric_of_unknown_direction(tmp_path: Path) -> None:
    case = "s/a/uracil/of_elsewhere"
    runs = {name: {CASE: record(1.0), case: record(1.0, case_id=case)} for name in "ab"}
    found = rank(runs)
    assert found.cases == (CASE,)
    assert "no metric known here" in found.dropped[case]


def test_an_interval_of_values_below_zero_is_not_cut_at_zero() -> None:
    one = record(1.0, shift=-100.0)
    interval = one.series.interval()
    assert interval.ci_low is not None
    assert interval.ci_high is not None
    assert interval.ci_low < one.value < interval.ci_high < 0.0
    assert math.isclose(interval.ci_high - one.value, one.value - interval.ci_low, rel_tol=1e-9)
