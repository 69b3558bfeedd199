"""Only a fresh, complete and decided report of the same run is a pass."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.sample_reports import saibench_report

from pytest_mlff.judge.verdict import RunOutcome, outcome_of
from pytest_mlff.reports.json_report import write_report

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 1, 2, 3, 4, 5, 600000, tzinfo=UTC)
BASE = saibench_report()
GOOD = [case for case in BASE.cases if case.verdict == "passed"][:3]


def judged(
    path: Path, status: int = 0, *, cases: int = 3, decided: bool = True, **run: Any
) -> RunOutcome:
    """The outcome of a run whose report says what is given, and else that all is well."""
    told = {"exit_code": status, "started": "2026-01-02T03:04:05+00:00", "sources": ["a", "b"],
            "collected": 3, "deselected": 0, **run}  # fmt: skip
    report = BASE.model_copy(
        update={"run": BASE.run.model_copy(update=told), "cases": GOOD[:cases]}
    )
    write_report(path, report, None)
    return outcome_of(path, status, started=NOW, models=["a", "b"], decided=decided)


def test_a_sound_run_passes(tmp_path: Path) -> None:
    outcome = judged(tmp_path / "r.json")
    assert (outcome.verdict, outcome.exit_code) == ("passed", 0)
    assert outcome.report is not None


@pytest.mark.parametrize(
    "run, verdict, said",
    [
        ({"exit_code": None}, "no-report", "did not end"),
        ({"exit_code": 1}, "no-report", "says exit code 1, but pytest ended with 0"),
        ({"started": "2026-01-02T03:04:04+00:00"}, "no-report", "an earlier run"),
        ({"started": "2026-01-02T03:04:05"}, "no-report", "an earlier run"),
        ({"started": "yesterday"}, "no-report", "cannot be read"),
        ({"sources": ["a"]}, "no-report", "another model (a)"),
        ({"sources": ["b", "a"]}, "no-report", "another model"),
        ({"cases": 2}, "no-report", "2 of 3 cases"),
        ({"deselected": 2}, "undecided", "2 were deselected"),
        ({"collected": 0, "cases": 0}, "failed", "No case was run"),
    ],
)
def test_a_green_exit_code_alone_is_no_pass(
    tmp_path: Path, run: dict[str, Any], verdict: str, said: str
) -> None:
    outcome = judged(tmp_path / "r.json", **run)
    assert (outcome.verdict, outcome.exit_code) == (verdict, 1)
    assert said in outcome.reason
    assert "\n" not in outcome.reason


@pytest.mark.parametrize("verdict, code", [("undecided", 0), ("skipped", 1)])
def test_a_case_that_leaves_it_open(tmp_path: Path, verdict: str, code: int) -> None:
    """What was measured may stay open; what was not measured may not."""
    path = tmp_path / "r.json"
    told = {"exit_code": 0, "started": "2026-01-02T03:04:05+00:00", "sources": ["a"],
            "collected": 2, "deselected": 0}  # fmt: skip
    cases = [GOOD[0], GOOD[1].model_copy(update={"verdict": verdict})]
    run = BASE.run.model_copy(update=told)
    write_report(path, BASE.model_copy(update={"run": run, "cases": cases}), None)
    outcome = outcome_of(path, 0, started=NOW, models=["a"])
    assert (outcome.verdict, outcome.exit_code) == ("undecided", code)


def test_data_alone_are_no_model_that_was_measured(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    told = {"exit_code": 0, "started": "2026-01-02T03:04:05+00:00", "sources": ["a"],
            "collected": 1, "deselected": 0}  # fmt: skip
    cases = [GOOD[0].model_copy(update={"model": None, "metric": "test_in_train"})]
    run = BASE.run.model_copy(update=told)
    write_report(path, BASE.model_copy(update={"run": run, "cases": cases}), None)
    outcome = outcome_of(path, 0, started=NOW, models=["a"])
    assert (outcome.verdict, outcome.exit_code) == ("undecided", 1)
    assert "says nothing of a model" in outcome.reason


@pytest.mark.parametrize(
    "status, verdict",
    [(1, "failed"), (2, "interrupted"), (3, "interrupted"), (4, "bad-input"), (5, "nothing-run"),
     (-9, "interrupted")],
)  # fmt: skip
def test_a_green_report_alone_is_no_pass(tmp_path: Path, status: int, verdict: str) -> None:
    outcome = judged(tmp_path / "r.json", status)
    assert (outcome.verdict, outcome.exit_code) == (verdict, status)


@pytest.mark.parametrize("content", [None, "", "{}", "[" * 100_000, '{"schema_version": 1'])
@pytest.mark.parametrize("status", [0, 1])
def test_no_report_is_no_pass(tmp_path: Path, content: str | None, status: int) -> None:
    path = tmp_path / "r.json"
    if content is not None:
        path.write_text(content)
    outcome = outcome_of(path, status, started=NOW, models=["a"])
    assert (outcome.verdict, outcome.report, outcome.exit_code) == ("no-report", None, 1)
    assert ("wrote no report" in outcome.reason) == (content is None)


def test_the_base_branch_needs_a_report_but_no_yes(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    assert judged(path, decided=False, deselected=2).exit_code == 0
    assert judged(path, decided=False, started=str(NOW - timedelta(days=1))).exit_code == 1
