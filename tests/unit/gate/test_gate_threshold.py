"""Verdict of a threshold: only a finite value at or below it passes."""

from __future__ import annotations

import math

import pytest

from pytest_mlff.errors import MlffError
from pytest_mlff.gate.threshold import (
    Judgement,
    Verdict,
    gravest,
    judge_reported,
    judge_threshold,
    limit_on_value,
)
from pytest_mlff.metrics.measurement import Measurement
from pytest_mlff.specs.cases import Threshold
from pytest_mlff.specs.threshold_plan import Provenance


def measured(value: float, **evidence: float | int | str) -> Measurement:
    return Measurement(value, "meV/Å", 100, 2100, evidence=evidence)


def limit_of(limit: float, unit: str = "meV/Å", **asked: bool) -> Threshold:
    return Threshold(limit, unit, Provenance(source="paper", reference="a table"), **asked)


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
    assert judge_threshold(measured(value), limit_of(45.0, "meV/Å")).verdict == verdict


def test_reason_says_value_threshold_and_what_was_not_finite() -> None:
    failed = judge_threshold(measured(50.0), limit_of(40.0, "meV/Å"))
    assert failed.reason == "50 meV/Å is 25.0% above the threshold of 40 meV/Å"
    broken = measured(math.nan, nonfinite="predicted forces are not finite in 2 of 9 frames")
    for judged in (judge_threshold(broken, limit_of(40.0, "meV/Å")), judge_reported(broken)):
        assert (judged.verdict, "2 of 9 frames" in judged.reason) == (Verdict.ERROR, True)
    assert judge_threshold(measured(1.0), limit_of(0.0, "meV/Å")).verdict == "failed"
    assert judge_reported(measured(50.0)) == Judgement(
        Verdict.REPORTED, "50, reported without a threshold"
    )


def test_unusable_thresholds() -> None:
    for maximum in (math.nan, math.inf, -1.0):
        with pytest.raises(MlffError, match="finite number of at least 0"):
            judge_threshold(measured(1.0), limit_of(maximum, "meV/Å"))
    with pytest.raises(MlffError, match="threshold is in eV/Å, but the value is in meV/Å"):
        judge_threshold(measured(1.0), limit_of(1.0, "eV/Å"))


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
    found = judge_threshold(measured(value), limit_of(0.8, "meV/Å", larger_is_better=True))
    assert (found.verdict, found.reason) == (verdict, reason)


@pytest.mark.parametrize("limit, off", [(0.05, "20.0% below"), (0.0, "below"), (-1.0, "below")])
def test_how_far_below_the_smallest_value_is_said_of_a_positive_one(limit: float, off: str) -> None:
    value = 0.04 if limit > 0.0 else limit - 0.5
    found = judge_threshold(measured(value), limit_of(limit, "meV/Å", larger_is_better=True))
    assert found.verdict is Verdict.FAILED
    assert f" is {off} the threshold of {limit:g} " in found.reason


@pytest.mark.parametrize(
    "value, floor, verdict, said",
    [
        (0.9, 0.4, Verdict.PASSED, "0.9 meV/Å ≤ 0.9 meV/Å, 0.5 meV/Å above the noise floor of 0.4"),
        (0.1, 0.4, Verdict.PASSED, "0.1 meV/Å ≤ 0.9 meV/Å"),
        (0.91, 0.4, Verdict.FAILED, "above the threshold of 0.9 meV/Å, 0.5 meV/Å above the noise"),
        (0.1, 0.5, Verdict.PASSED, "0.1 meV/Å ≤ 1 meV/Å, 0.5 meV/Å above the noise floor of 0.5"),
        # A reference that differs from itself by more than is allowed would let anything pass.
        (0.1, 0.51, Verdict.ERROR, "noise floor of 0.51 meV/Å is above the threshold of 0.5"),
        (math.nan, None, Verdict.ERROR, "2 of 3 replicas exploded"),
    ],
)
def test_above_the_noise_floor(
    value: float, floor: float | None, verdict: Verdict, said: str
) -> None:
    evidence = (
        {"nonfinite": "2 of 3 replicas exploded"} if floor is None else {"noise_floor": floor}
    )
    found = measured(value, **evidence)
    asked = limit_of(0.5, above_floor=True)
    judgement = judge_threshold(found, asked)
    assert judgement.verdict is verdict
    assert said in judgement.reason
    # What a report says is what the value was held against.
    assert limit_on_value(asked, found) == 0.5 + (floor or 0.0)
    assert limit_on_value(limit_of(0.5), found) == 0.5


def test_a_floor_that_is_not_told_is_no_floor_of_nought() -> None:
    with pytest.raises(MlffError, match="threshold nan"):
        judge_threshold(measured(0.1), limit_of(0.5, above_floor=True))
