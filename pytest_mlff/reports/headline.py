"""The verdict of a run in words: may this merge, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlff.reports.model import CaseRecord, Report

__all__ = ["ORDER", "Headline", "Tallied", "headline_of", "severity", "tally_by_model"]

ORDER: Final = ("error", "failed", "regressed", "unsupported", "skipped", "passed")
"""Verdicts in the order of the page: what blocks a merge first."""

_RED: Final = ("error", "failed", "regressed")
_WORDS: Final = {
    "error": ("could not be measured", "could not be measured"),
    "failed": ("failed", "failed"),
    "regressed": ("got worse than the baseline", "got worse than the baseline"),
    "unsupported": ("is not supported", "are not supported"),
    "skipped": ("was skipped", "were skipped"),
    "passed": ("passed", "passed"),
}


@dataclass(frozen=True)
class Headline:
    """What stands at the top of the page.

    Attributes
    ----------
    tone : str
        ``good``, ``bad`` or ``unknown``.
    answer : str
        To "may this merge?".
    sentence : str
        Why.
    """

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
    ratio = case.value / case.threshold if case.value is not None and case.threshold else 0.0
    return ORDER.index(case.verdict), -ratio


def tally_by_model(report: Report) -> list[Tallied]:
    """Counts of verdicts per model in the report's order; data cases come last."""
    names: dict[str | None, Counter[str]] = {model.name: Counter() for model in report.models}
    for case in report.cases:
        names.setdefault(case.model, Counter())[case.verdict] += 1
    ordered = [name for name in names if name is not None]
    if None in names:
        return [Tallied(name, dict(names[name])) for name in [*ordered, None]]
    return [Tallied(name, dict(names[name])) for name in ordered]


def headline_of(report: Report) -> Headline:
    """Say whether the model may be merged.

    A run is green only if it ended with exit code 0, lost, skipped and deselected no case,
    measured at least one and has no case in the red: each is asked for by itself, whatever the
    others say.

    Parameters
    ----------
    report : Report

    Returns
    -------
    Headline
    """
    counts: Counter[str] = Counter(case.verdict for case in report.cases)
    lost = max(0, report.run.collected - len(report.cases))
    code = report.run.exit_code
    parts = _counted(counts)
    if lost and code is None:
        parts.append(f"{lost:,} {'was' if lost == 1 else 'were'} still to come")
    elif lost:
        parts.append(f"{lost:,} {'was' if lost == 1 else 'were'} lost")
    unseen = report.run.deselected
    if unseen:
        parts.append(f"{unseen:,} {'was' if unseen == 1 else 'were'} deselected")
    sentence = f"{_cases(report.cases)}: {_listed(parts)}." if parts else "No case was run."
    red = any(counts[name] for name in _RED)
    left_open = ""
    if not red and code not in (0, 1, 5):
        early = "had not ended" if code is None else f"ended early (exit code {code})"
        left_open = f"The run {early}."
    elif not red and not lost and unseen and code in (0, 5):
        left_open = "A part of a spec decides nothing."
    if left_open:
        return Headline("unknown", "Not decided", f"{sentence} {left_open}")
    if red or lost:
        return Headline("bad", "No", sentence)
    if not counts["passed"]:
        return Headline("bad", "No", f"{sentence} So this run says nothing of the model.")
    if code != 0:
        outside = "something outside these cases failed"
        return Headline(
            "bad", "No", f"{sentence} Yet the run ended with exit code {code}: {outside}."
        )
    if set(counts) == {"passed"}:
        sentence = f"{_all(counts['passed'])} passed."
    if counts["skipped"]:
        return Headline("unknown", "Not decided", f"{sentence} Only a pass is a pass.")
    return Headline("good", "Yes", sentence)


def _counted(counts: Counter[str]) -> list[str]:
    return [f"{counts[name]:,} {_WORDS[name][counts[name] != 1]}" for name in ORDER if counts[name]]


def _cases(cases: Sequence[CaseRecord]) -> str:
    return f"{len(cases):,} case{'' if len(cases) == 1 else 's'}"


def _all(count: int) -> str:
    return "The one case" if count == 1 else f"All {count:,} cases"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
