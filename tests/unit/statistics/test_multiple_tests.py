"""Holm's correction and the four words, against brute force and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support.paired_series import ar1, pair, replicas, series_of

from pytest_mlff.statistics.evidence import Replicates
from pytest_mlff.statistics.multiple_tests import holm, judge_regressions
from pytest_mlff.statistics.paired import PairedComparison, compare_paired


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


def test_a_model_is_the_same_as_itself_at_a_margin_of_nought() -> None:
    a, _ = pair()
    assert judge_regressions({"": compare_paired(a, a, margin=0.0)})[""].word == "same"


def test_what_is_worse_without_any_noise_is_worse() -> None:
    ones, order = np.ones(8), np.arange(8)
    sure = compare_paired(Replicates(1.02 * ones, ones, order), Replicates(ones, ones, order))
    assert sure.p_worse == 0.0
    found = judge_regressions({"sure": sure, **family([0.0, 0.05])})
    assert [one.word == "worse" for one in found.values()] == [True, False, True]
    assert found["sure"].p_adjusted == 0.0


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


def test_what_is_rejected_leaves_its_share_to_the_others() -> None:
    """Holm goes on as if what it rejected had never been in the family, intervals and all."""
    comparisons = family([0.0, 0.05, 0.012, 0.014, 0.02, -0.05, 0.06, 0.07])
    left = judge_regressions(comparisons, tests=10)
    for tests in (9, 8, 7):
        worst = min(comparisons, key=lambda name: float(comparisons[name].p_worse or 0.0))
        assert left[worst].word == "worse"
        del comparisons[worst], left[worst]
        alone = judge_regressions(comparisons, tests=tests)
        for name, found in alone.items():
            assert (found.word, found.lower, found.upper) == (
                left[name].word, left[name].lower, left[name].upper
            )  # fmt: skip
    assert "same" in {found.word for found in left.values()}


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
