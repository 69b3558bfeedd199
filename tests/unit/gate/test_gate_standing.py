"""What a comparison adds to a verdict, and the shortcuts that must not be taken."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.baselines import CARBON, CASES, ENERGY, FORCE, record, written

from pytest_mlff.gate.baseline import Baseline, GateResult, check, load_baseline
from pytest_mlff.gate.standing import Standing, judged, standing_of
from pytest_mlff.gate.threshold import Judgement, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_mlff.gate.records import KeptCase

PASSED = Judgement(Verdict.PASSED, "40 ≤ 45")
FAILED = Judgement(Verdict.FAILED, "50 is above 45")
UNSUPPORTED = Judgement(Verdict.UNSUPPORTED, "does not know N")
REPORTED = Judgement(Verdict.REPORTED, "40, reported without a threshold")

StandingOf = "Callable[[str, GateResult, Baseline, int], Standing]"


@pytest.fixture
def baseline(tmp_path: Path) -> Baseline:
    return written(tmp_path / "b.json", *(record(name) for name in CASES))


def of(baseline: Baseline, one: KeptCase, accepted: str | None = None) -> Standing:
    tests = {"quick/time": len(CASES)}
    return standing_of(
        one.case_id, check(baseline, [one], tests=tests), baseline, len(CASES), accepted
    )


def test_each_way_to_stand(baseline: Baseline) -> None:
    worse = of(baseline, record(FORCE, 1.2))
    assert (worse.regressed, worse.verdict) == (True, Verdict.REGRESSED)
    assert worse.baseline == record(FORCE).value
    assert worse.evidence["baseline_change"] == pytest.approx(0.2, abs=1e-3)
    same = of(baseline, record(FORCE))
    assert (same.regressed, same.verdict) == (False, Verdict.PASSED)
    assert same.evidence["minimum_detectable"] > 0.0
    new = of(baseline, record("quick/time/uracil/force_mae"))
    assert (new.regressed, new.verdict, new.baseline) == (None, None, None)
    other = of(baseline, record(FORCE, data="x" * 64))
    assert (other.regressed, other.verdict, other.baseline) == (None, Verdict.ERROR, None)
    short = written(baseline.path.with_name("short.json"), record(FORCE, n=12))
    undecided = of(short, record(FORCE, 1.1, n=12))
    assert (undecided.regressed, undecided.verdict) == (None, Verdict.UNDECIDED)
    assert undecided.evidence["against_baseline"] == "undecided"
    # Beyond the bound it blocks, and still claims no regression.
    far = of(short, record(FORCE, 1.3, n=12))
    assert (far.regressed, far.verdict) == (None, Verdict.REGRESSED)
    assert far.reason.endswith("red, since it is worse by more than 20%")


def test_an_identical_checkpoint_says_so_first(baseline: Baseline) -> None:
    baseline = load_baseline(baseline.path)
    one = record(FORCE)
    result = check(baseline, [one], tests={"quick/time": len(CASES)})
    found = standing_of(FORCE, result, baseline, len(CASES), digest="m" * 64)
    assert (found.reason, found.verdict) == ("identical checkpoint", Verdict.PASSED)
    other = record(FORCE, 1.2)
    result = check(baseline, [other], tests={"quick/time": len(CASES)})
    found = standing_of(FORCE, result, baseline, len(CASES), digest="m" * 64)
    assert found.verdict is Verdict.REGRESSED
    assert found.reason.startswith("identical checkpoint, yet worse than the baseline")
    found = standing_of(FORCE, result, baseline, len(CASES), digest="n" * 64)
    assert found.reason.startswith("worse than the baseline")


def test_two_unknown_checkpoints_are_not_identical(baseline: Baseline) -> None:
    unknown = replace(
        baseline, cases={k: replace(v, model_digest=None) for k, v in baseline.cases.items()}
    )
    found = of(unknown, record(FORCE))
    assert (found.evidence["against_baseline"], found.regressed) == ("same", False)
    assert "identical" not in found.reason


def test_the_graver_verdict_stands_with_both_reasons() -> None:
    worse = Standing(40.0, True, Verdict.REGRESSED, "worse by 20 %")
    assert judged(PASSED, worse) == Judgement(Verdict.REGRESSED, "worse by 20 %; 40 ≤ 45")
    assert judged(FAILED, worse) == Judgement(Verdict.FAILED, "50 is above 45; worse by 20 %")
    refused = Standing(verdict=Verdict.ERROR, reason="other data")
    assert judged(FAILED, refused).verdict is Verdict.ERROR
    assert judged(UNSUPPORTED, refused).verdict is Verdict.ERROR
    assert judged(UNSUPPORTED, worse).verdict is Verdict.UNSUPPORTED
    assert judged(PASSED, Standing()) is PASSED
    fine = Standing(40.0, False, Verdict.PASSED, "+0.1 % against the baseline")
    assert judged(REPORTED, fine).verdict is Verdict.PASSED
    assert judged(REPORTED, replace(fine, verdict=None)).verdict is Verdict.REPORTED
    assert judged(REPORTED, worse).verdict is Verdict.REGRESSED
    assert judged(FAILED, fine).verdict is Verdict.FAILED
    assert judged(PASSED, fine) == Judgement(Verdict.PASSED, "40 ≤ 45; +0.1 % against the baseline")


def test_an_accepted_worsening_is_said_and_is_no_verdict(baseline: Baseline) -> None:
    worse = of(baseline, record(FORCE, 1.2), accepted="faster")
    assert (worse.regressed, worse.verdict) == (True, None)
    assert worse.reason.endswith("accepted: faster")
    other = of(baseline, record(FORCE, data="x" * 64), accepted="faster")
    assert other.verdict is None
    assert judged(FAILED, worse).verdict is Verdict.FAILED


def contract(baseline: Baseline, standing: Callable[..., Standing]) -> None:
    """What any gate must do; the mutants below each break one line."""

    def stands(one: KeptCase, against: Baseline = baseline) -> tuple[Verdict, bool | None]:
        result = check(against, [one], tests={"quick/time": len(CASES)})
        found = standing(one.case_id, result, against, len(CASES))
        return judged(PASSED, found).verdict, found.regressed

    assert stands(record(FORCE, 1.2)) == (Verdict.REGRESSED, True)
    assert stands(record(FORCE)) == (Verdict.PASSED, False)
    assert stands(record(CARBON, dtype="float64")) == (Verdict.ERROR, None)
    assert stands(record(ENERGY, unit="eV")) == (Verdict.ERROR, None)
    short = written(baseline.path.with_name("short.json"), record(FORCE, n=12))
    assert stands(record(FORCE, 1.1, n=12), short) == (Verdict.UNDECIDED, None)
    assert stands(record(FORCE, 1.3, n=12), short) == (Verdict.REGRESSED, None)


def _ignores_refused(name: str, result: GateResult, *rest: object) -> Standing:
    if name in result.refused:
        return Standing()
    return standing_of(name, result, *rest)  # type: ignore[arg-type]


def _undecided_is_green(name: str, result: GateResult, *rest: object) -> Standing:
    found = standing_of(name, result, *rest)  # type: ignore[arg-type]
    return replace(found, verdict=None) if found.regressed is None else found


def _undecided_is_red(name: str, result: GateResult, *rest: object) -> Standing:
    found = standing_of(name, result, *rest)  # type: ignore[arg-type]
    if name in result.regressions and found.regressed is None:
        return replace(found, verdict=Verdict.REGRESSED)
    return found


def _looks_at_the_value_alone(name: str, result: GateResult, *rest: object) -> Standing:
    found = standing_of(name, result, *rest)  # type: ignore[arg-type]
    regression = result.regressions.get(name)
    if regression is None or regression.change is None:
        return found
    worse = regression.change > 0.05
    return replace(found, regressed=worse, verdict=Verdict.REGRESSED if worse else None)


def _never_red(name: str, result: GateResult, *rest: object) -> Standing:
    return replace(standing_of(name, result, *rest), verdict=None)  # type: ignore[arg-type]


def test_the_gate_keeps_its_contract(baseline: Baseline) -> None:
    contract(baseline, standing_of)


@pytest.mark.parametrize(
    "mutant",
    [
        _ignores_refused,
        _undecided_is_green,
        _undecided_is_red,
        _looks_at_the_value_alone,
        _never_red,
    ],
)
def test_mutants_break_the_contract(baseline: Baseline, mutant: Callable[..., Standing]) -> None:
    with pytest.raises(AssertionError):
        contract(baseline, mutant)
