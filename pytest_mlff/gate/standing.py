"""What the comparison with a baseline adds to the verdict of a threshold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_mlff.gate.threshold import Judgement, Verdict, gravest

if TYPE_CHECKING:
    from pytest_mlff.gate.baseline import Baseline, GateResult

BOUND = 0.2
"""Where nothing can be decided, a value that is worse by more than this is red all the same."""


@dataclass(frozen=True)
class Standing:
    """How a case stands to its baseline.

    Attributes
    ----------
    baseline : float or None
        The baseline's value, where the two can be compared.
    regressed : bool or None
        None where undecided or not compared.
    verdict : Verdict or None
        What the comparison makes of the case; None if it adds nothing to the threshold's.
    reason : str
        One line; empty where there is no baseline.
    evidence : mapping
        Plain facts behind it.
    """

    baseline: float | None = None
    regressed: bool | None = None
    verdict: Verdict | None = None
    reason: str = ""
    evidence: Mapping[str, float | int | str] = field(default_factory=dict)


def standing_of(
    name: str,
    result: GateResult,
    baseline: Baseline,
    tests: int,
    accepted: str | None = None,
    *,
    bound: float = BOUND,
    digest: str | None = None,
) -> Standing:
    """What a checked case's standing is.

    Parameters
    ----------
    name : str
        Id of the case.
    result : GateResult
        Of a check that the case was part of.
    baseline : Baseline
    tests : int
        Size of the family that the case was judged in.
    accepted : str, optional
        Why a worsening is accepted: it is then said, but is no verdict.
    bound : float
        An undecided case is red all the same where its value is worse by more than this.
    digest : str, optional
        Of the current model: one that equals the baseline's says so.
    """
    if name in result.refused:
        if accepted is not None:
            return Standing(reason=f"{result.refused[name]}; accepted: {accepted}")
        return Standing(verdict=Verdict.ERROR, reason=result.refused[name])
    if name in result.new:
        return Standing(reason="the baseline does not know this case")
    found = result.regressions[name]
    told: dict[str, float | int | str | None] = {
        "baseline_change": found.change,
        "baseline_change_low": found.lower,
        "baseline_change_high": found.upper,
        "baseline_p": found.p,
        "baseline_tests": tests,
        "minimum_detectable": found.minimum_detectable,
    }
    entry = baseline.cases[name]
    word, reason = found.word, found.reason
    if digest is not None and digest == entry.model_digest:
        same = found.change == 0.0
        word = "same" if same else word
        reason = "identical checkpoint" if same else f"identical checkpoint, yet {reason}"
    told["against_baseline"] = word
    verdict: Verdict | None = Verdict.PASSED
    far = word == "undecided" and found.worsening is not None and found.worsening > bound
    if word == "worse" or far:
        verdict = Verdict.REGRESSED if accepted is None else None
    elif word == "undecided":
        verdict = Verdict.UNDECIDED
    if far:
        reason += f"; red, since it is worse by more than {bound:.0%}"
    if accepted is not None and (word == "worse" or far):
        reason += f"; accepted: {accepted}"
    return Standing(
        baseline=entry.record.value,
        regressed=None if word == "undecided" else word == "worse",
        verdict=verdict,
        reason=reason,
        evidence={key: value for key, value in told.items() if value is not None},
    )


def judged(judgement: Judgement, standing: Standing) -> Judgement:
    """Threshold and baseline together: the graver verdict, and both reasons, its own first.

    Where no threshold is asked for, the baseline alone decides.
    """
    if not standing.reason:
        return judgement
    if judgement.verdict is Verdict.REPORTED and standing.verdict is not None:
        return Judgement(standing.verdict, f"{standing.reason}; {judgement.reason}")
    second = Judgement(standing.verdict or judgement.verdict, standing.reason)
    first = gravest(judgement, second)
    last = second if first is judgement else judgement
    return Judgement(first.verdict, f"{first.reason}; {last.reason}")
