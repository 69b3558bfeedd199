"""What a run of pytest came to: only a fresh, complete and decided report is a pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_mlff.errors import MlffError
from pytest_mlff.reports.headline import headline_of
from pytest_mlff.reports.json_report import load_report

if TYPE_CHECKING:
    from pytest_mlff.reports.model import Report

_WORDS: Final = {1: "failed", 4: "bad-input", 5: "nothing-run"}


@dataclass(frozen=True)
class RunOutcome:
    """What a run came to.

    Attributes
    ----------
    verdict : str
        ``passed``, ``failed``, ``undecided``, ``no-report``, ``bad-input``, ``nothing-run`` or
        ``interrupted``.
    reason : str
        Why, where the report cannot say it; one line.
    report : Report or None
        None where there is none of this run.
    exit_code : int
        0 for ``passed``, and for ``undecided`` where every case was measured.
    """

    verdict: str
    reason: str
    report: Report | None
    exit_code: int


def outcome_of(
    path: Path, status: int, *, started: datetime, models: Sequence[str], decided: bool = True
) -> RunOutcome:
    """Judge a run by its exit code and its report, each of which may lie.

    Parameters
    ----------
    path : Path
        Where the JSON report should be.
    status : int
        pytest's exit code.
    started : datetime
        When pytest was called.
    models : sequence of str
        What ``--mlff-model`` named.
    decided : bool
        Whether a green run has to answer "Yes"; else a complete report is enough.
    """
    report, problem = _own_report(path, status, started, models)
    if status not in (0, 1):
        return RunOutcome(_WORDS.get(status, "interrupted"), problem, report, status)
    if report is None:
        return RunOutcome("no-report", problem, None, status or 1)
    headline = headline_of(report)
    if status == 1 or not decided:
        return RunOutcome(_WORDS.get(status, "passed"), "", report, status)
    verdict = {"Yes": "passed", "No": "failed"}.get(headline.answer, "undecided")
    # Cases that were measured and leave open whether they got worse are --mlff-undecided's to
    # judge; a case that was not measured is nobody's, nor is a model of which there is none.
    whole = (
        not report.run.deselected
        and all(case.verdict != "skipped" for case in report.cases)
        and any(case.model is not None for case in report.cases)
    )
    green = verdict == "passed" or (verdict == "undecided" and whole)
    return RunOutcome(verdict, headline.sentence, report, 0 if green else 1)


def _own_report(
    path: Path, status: int, started: datetime, models: Sequence[str]
) -> tuple[Report | None, str]:
    """The report if it is that of the run, else what is wrong with it."""
    if not path.is_file():
        return None, "the run wrote no report, so nothing is known of the model"
    try:
        report = load_report(path)
        began = datetime.fromisoformat(report.run.started)
    except (MlffError, ValueError) as error:
        return None, f"the report cannot be read: {error}"
    run = report.run
    problem = ""
    if run.exit_code is None:
        problem = "the report is that of a run that did not end"
    elif run.exit_code != status:
        problem = f"the report says exit code {run.exit_code}, but pytest ended with {status}"
    elif began.tzinfo is None or began < started.replace(microsecond=0):
        problem = f"the report is of an earlier run ({run.started})"
    elif list(models) != run.sources:
        problem = f"the report is of another model ({', '.join(run.sources) or 'none'})"
    elif run.collected != len(report.cases):
        problem = f"the report holds {len(report.cases)} of {run.collected} cases"
    return (None, problem) if problem else (report, "")
