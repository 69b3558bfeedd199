"""What the comparison with a baseline adds to the verdict of a threshold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_mlff.gate.threshold import Judgement, Verdict, gravest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_mlff.gate.baseline import Baseline, GateResult

__all__ = ["Standing", "judged", "standing_of"]


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
    name: str, result: GateResult, baseline: Baseline, tests: int, accepted: str | None = None
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
    verdict, reason = None, found.reason
    if found.regressed is None:
        told["baseline_undecided"] = found.reason
        told["baseline_frames_needed"] = found.frames_needed
        reason = f"against the baseline {found.reason}"
    elif found.regressed and accepted is not None:
        reason = f"{found.reason}; accepted: {accepted}"
    elif found.regressed:
        verdict = Verdict.REGRESSED
    return Standing(
        baseline=baseline.cases[name].record.value,
        regressed=found.regressed,
        verdict=verdict,
        reason=reason,
        evidence={key: value for key, value in told.items() if value is not None},
    )


def judged(judgement: Judgement, standing: Standing) -> Judgement:
    """Threshold and baseline together: the graver verdict, and both reasons, its own first."""
    if not standing.reason:
        return judgement
    second = Judgement(standing.verdict or judgement.verdict, standing.reason)
    first = gravest(judgement, second)
    last = second if first is judgement else judgement
    return Judgement(first.verdict, f"{first.reason}; {last.reason}")
