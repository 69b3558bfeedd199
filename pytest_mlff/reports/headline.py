"""The verdict of a run in words: may this merge, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from pytest_mlff.gate.threshold import RED

if TYPE_CHECKING:
    from pytest_mlff.reports.model import CaseRecord, Report

UNKNOWN = "unknown"
"""Level in the evidence of a case whose model does not say its own."""

ANOTHER_LEVEL: Final = (
    "Accuracy was not judged, since the labels are of another level of theory: gate on data of "
    "your own, with a spec whose dataset has a `path`, or name the model's level by --mlff-level."
)
"""What a reader is to do about it."""

ORDER: Final = (
    "error", "failed", "regressed", "unsupported", "skipped", "undecided", "reported", "passed",
)  # fmt: skip
"""Verdicts in the order of the page: what blocks a merge first."""

_UNJUDGED: Final = "measured, but not judged"
_WORDS: Final = {
    "error": ("could not be measured", "could not be measured"),
    _UNJUDGED: ("was measured, but could not be judged", "were measured, but could not be judged"),
    "failed": ("failed", "failed"),
    "regressed": ("got worse than the baseline", "got worse than the baseline"),
    "unsupported": ("is not supported", "are not supported"),
    "skipped": ("was skipped", "were skipped"),
    "undecided": ("cannot be told from the baseline", "cannot be told from the baseline"),
    "reported": ("was reported without a judgement", "were reported without a judgement"),
    "passed": ("passed", "passed"),
}


@dataclass(frozen=True)
class Headline:
    """What stands at the top of the page: the answer to "may this merge?", its tone and why."""

    tone: Literal["good", "bad", "unknown"]
    answer: str
    sentence: str


@dataclass(frozen=True)
class Tallied:
    """How many cases of a model came to which verdict; ``model`` is None for data cases."""

    model: str | None
    counts: dict[str, int]


def severity(case: CaseRecord) -> tuple[int, float]:
    """Sort key that puts the worst first: by verdict, then by value over threshold.

    Of what passed, the checks of data come last: a reader asks for the model.
    """
    if case.verdict == "passed" and case.model is None:
        return ORDER.index(case.verdict), 1.0
    return ORDER.index(case.verdict), -case.load


def tally_by_model(report: Report) -> list[Tallied]:
    """Counts of verdicts per model in the report's order; data cases come last."""
    names: dict[str | None, Counter[str]] = {model.name: Counter() for model in report.models}
    for case in report.cases:
        names.setdefault(case.model, Counter())[case.verdict] += 1
    ordered = sorted(names, key=lambda name: name is None)
    return [Tallied(name, dict(names[name])) for name in ordered]


def headline_of(report: Report) -> Headline:
    """Say whether the model may be merged.

    A run is green only if it ended with exit code 0, lost, skipped and deselected no case,
    measured at least one and has no case in the red: each is asked for by itself, whatever the
    others say.
    """
    counts: Counter[str] = Counter(case.verdict for case in report.cases)
    lost = max(0, report.run.collected - len(report.cases))
    code, unseen = report.run.exit_code, report.run.deselected
    parts = _counted(report.cases)
    if lost:
        how = "still to come" if code is None else "lost"
        parts.append(f"{lost:,} {'was' if lost == 1 else 'were'} {how}")
    if unseen:
        parts.append(f"{unseen:,} {'was' if unseen == 1 else 'were'} deselected")
    sentence = f"{_cases(report.cases)}: {_listed(parts)}." if parts else "No case was run."
    red = any(counts[name] for name in RED)
    bad = None if red or lost else _objection(report, counts)
    left_open = None if red else _left_open(report, lost)
    if left_open is not None:
        return Headline("unknown", "Not decided", f"{sentence} {left_open}")
    if red or lost or bad is not None:
        return Headline("bad", "No", sentence if bad is None else f"{sentence} {bad}")
    if set(counts) == {"passed"}:
        sentence = f"{_all(counts['passed'])} passed."
    if counts["skipped"]:
        sentence += " Only a pass is a pass."
    if any(map(is_of_another_level, report.cases)):
        sentence += f" {ANOTHER_LEVEL}"
    excused = known_violations(report.cases)
    if excused is not None:
        sentence += f" {excused}"
    if counts["skipped"] or _open_questions(report.cases):
        return Headline("unknown", "Not decided", sentence)
    if report.run.sources and all(case.model is None for case in report.cases):
        sentence += " Only data were checked: that says nothing of a model."
        return Headline("unknown", "Not decided", sentence)
    return Headline("good", "Yes", sentence)


def unjudged_models(verdicts: Iterable[tuple[str | None, str]]) -> list[str]:
    """Models of which no case came to a judgement, whatever the checks of data say.

    Of model and verdict of each case; what was skipped is left to others.
    """
    told: dict[str, set[str]] = {}
    for model, verdict in verdicts:
        if model is not None and verdict != "skipped":
            told.setdefault(model, set()).add(verdict)
    judged = {"passed", "undecided", *RED}
    return sorted(name for name, found in told.items() if judged.isdisjoint(found))


def _left_open(report: Report, lost: int) -> str | None:
    """Why a run without a red case decides nothing, if it ended early or left cases out."""
    code = report.run.exit_code
    if code not in (0, 1, 5):
        early = "had not ended" if code is None else f"ended early (exit code {code})"
        return f"The run {early}."
    if not lost and report.run.deselected and code in (0, 5):
        return "A part of a spec decides nothing."
    return None


def _objection(report: Report, counts: Counter[str]) -> str | None:
    """Why a run without a red or lost case is a no all the same; None if it is not."""
    if counts["undecided"] and report.run.undecided_blocks:
        return "What is undecided blocks this run."
    # A case that could not even be cut has no more of its model than what was typed.
    names = {model.name for model in report.models}
    unjudged = unjudged_models((c.model, c.verdict) for c in report.cases if c.model in names)
    if unjudged or not (counts["passed"] or counts["undecided"]):
        says = "asks" if counts["reported"] else "says"
        several = 0 < len(unjudged) < len(names)
        return f"So this run {says} nothing of {_listed(unjudged) if several else 'the model'}."
    code = report.run.exit_code
    if code == 1 and any(map(is_of_another_level, report.cases)):
        return None  # The accuracy that was left open is why.
    if code != 0:
        return f"Yet the run ended with exit code {code}: something outside these cases failed."
    return None


def is_of_another_level(case: CaseRecord) -> bool:
    """Whether accuracy was not judged because the labels are of another level of theory."""
    return case.verdict == "reported" and "level" in case.evidence


def known_violations(cases: Sequence[CaseRecord]) -> str | None:
    """How many broken laws model cards excuse, in a sentence with their names; None for none."""
    found = [case for case in cases if "known_violation" in case.evidence]
    if not found:
        return None
    names = ", ".join(sorted({f"{case.model}: {case.metric}" for case in found}))
    if len(found) == 1:
        return f"1 broken law is a known violation of its model card and not counted ({names})."
    many = f"{len(found):,} broken laws"
    return f"{many} are known violations of their model cards and not counted ({names})."


def _open_questions(cases: Sequence[CaseRecord]) -> bool:
    """Whether something is undecided that no pooled test of the same metric has decided."""
    pooled = {
        (case.model, case.suite, case.spec, case.metric)
        for case in cases
        if case.variant == "pooled" and case.verdict == "passed"
    }
    return any(map(is_of_another_level, cases)) or any(
        # The pooled test is over systems, and says nothing of a group of frames.
        case.group is not None or (case.model, case.suite, case.spec, case.metric) not in pooled
        for case in cases
        if case.verdict == "undecided"
    )


def _counted(cases: Sequence[CaseRecord]) -> list[str]:
    """How many came to what; an error after the measurement is no want of one."""
    counts = Counter(
        _UNJUDGED if case.verdict == "error" and case.value is not None else case.verdict
        for case in cases
    )
    return [
        f"{n:,} {one if n == 1 else many}"
        for name, (one, many) in _WORDS.items()
        if (n := counts[name])
    ]


def _cases(cases: Sequence[CaseRecord]) -> str:
    return f"{len(cases):,} case{'' if len(cases) == 1 else 's'}"


def _all(count: int) -> str:
    return "The one case" if count == 1 else f"All {count:,} cases"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
