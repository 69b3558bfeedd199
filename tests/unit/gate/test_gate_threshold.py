"""Verdict of a threshold: only a finite value at or below it passes."""

from __future__ import annotations

import math

import pytest

from pytest_mlff.errors import MlffError
from pytest_mlff.gate.threshold import Judgement, Verdict, gravest, judge_threshold
from pytest_mlff.metrics.measurement import Measurement


def measured(value: float, **evidence: float | int | str) -> Measurement:
    return Measurement(value, "meV/Å", 100, 2100, evidence=evidence)


@pytest.mark.parametrize(
    "value, verdict",
    [
        (0.0, "passed"),
        (44.999, "passed"),
        (45.0, "passed"),
        (math.nextafter(45.0, 46.0), "failed"),
        (1e30, "failed"),
        (math.nan, "error"),
        (math.inf, "error"),
        (-math.inf, "error"),
    ],
)
def test_verdict(value: float, verdict: str) -> None:
    assert judge_threshold(measured(value), 45.0, "meV/Å").verdict == verdict


def test_reason_says_value_threshold_and_what_was_not_finite() -> None:
    failed = judge_threshold(measured(50.0), 40.0, "meV/Å")
    assert failed.reason == "50 meV/Å is 25.0% above the threshold of 40 meV/Å"
    broken = measured(math.nan, nonfinite="predicted forces are not finite in 2 of 9 frames")
    assert "2 of 9 frames" in judge_threshold(broken, 40.0, "meV/Å").reason
    assert judge_threshold(measured(1.0), 0.0, "meV/Å").verdict == "failed"


def test_unusable_thresholds() -> None:
    for maximum in (math.nan, math.inf, -1.0):
        with pytest.raises(MlffError, match="finite number of at least 0"):
            judge_threshold(measured(1.0), maximum, "meV/Å")
    with pytest.raises(MlffError, match="threshold is in eV/Å, but the value is in meV/Å"):
        judge_threshold(measured(1.0), 1.0, "eV/Å")


def test_the_gravest_stands() -> None:
    ranks = ["error", "unsupported", "failed", "regressed", "skipped", "passed"]
    for i, worse in enumerate(ranks):
        for better in ranks[i:]:
            pair = (Judgement(Verdict(better), "b"), Judgement(Verdict(worse), "w"))
            assert gravest(*pair).verdict == worse
    with pytest.raises(ValueError, match="no judgement"):
        gravest()


@pytest.mark.parametrize(
    "value, verdict, reason",
    [
        (0.9, Verdict.PASSED, "0.9 meV/Å ≥ 0.8 meV/Å"),
        (0.8, Verdict.PASSED, "0.8 meV/Å ≥ 0.8 meV/Å"),
        (0.6, Verdict.FAILED, "0.6 meV/Å is 25.0% below the threshold of 0.8 meV/Å"),
        (math.nan, Verdict.ERROR, "the value is nan"),
        (math.inf, Verdict.ERROR, "the value is inf"),
    ],
)
def test_a_smallest_acceptable_value(value: float, verdict: Verdict, reason: str) -> None:
    found = judge_threshold(measured(value), 0.8, "meV/Å", larger_is_better=True)
    assert (found.verdict, found.reason) == (verdict, reason)


@pytest.mark.parametrize("limit, off", [(0.05, "20.0% below"), (0.0, "below"), (-1.0, "below")])
def test_how_far_below_the_smallest_value_is_said_of_a_positive_one(limit: float, off: str) -> None:
    value = 0.04 if limit > 0.0 else limit - 0.5
    found = judge_threshold(measured(value), limit, "meV/Å", larger_is_better=True)
    assert found.verdict is Verdict.FAILED
    assert f" is {off} the threshold of {limit:g} " in found.reason
