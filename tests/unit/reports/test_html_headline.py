"""The verdict of a run in words: only a run in which everything is in order is a yes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.sample_reports import saibench_report

from pytest_mlff.reports.headline import headline_of, severity, tally_by_model
from pytest_mlff.reports.html.wording import breakable, duration, instant, percent_window

if TYPE_CHECKING:
    from pytest_mlff.reports.model import CaseRecord, Report

BASE = saibench_report()
CASE = next(case for case in BASE.cases if case.verdict == "passed")


def case(verdict: str, **changes: Any) -> CaseRecord:
    return CASE.model_copy(update={"verdict": verdict, **changes})


def report(
    *verdicts: str, exit_code: int | None = 0, collected: int | None = None, deselected: int = 0
) -> Report:
    run = BASE.run.model_copy(
        update={
            "exit_code": exit_code,
            "collected": len(verdicts) if collected is None else collected,
            "deselected": deselected,
        }
    )
    return BASE.model_copy(update={"run": run, "cases": [case(name) for name in verdicts]})


@pytest.mark.parametrize(
    "found, answer, words",
    [
        (report("passed"), "Yes", "The one case passed."),
        (report("passed", "passed"), "Yes", "All 2 cases passed."),
        (report("passed", "unsupported"), "Yes", "2 cases: 1 is not supported and 1 passed."),
        (report("passed", "failed", exit_code=1), "No", "1 failed"),
        (report("passed", "regressed", exit_code=1), "No", "1 got worse than the baseline"),
        (report("passed", "error", exit_code=1), "No", "1 was measured, but could not be judged"),
        (report("passed", "skipped"), "Not decided", "1 was skipped"),
        (report("passed", deselected=3), "Not decided", "3 were deselected"),
        (report("failed", deselected=3, exit_code=1), "No", "3 were deselected"),
        (report(deselected=3, exit_code=5), "Not decided", "3 were deselected"),
        # What is red stays red, whatever the exit code was made to be.
        (report("passed", "failed"), "No", "1 failed"),
        (report("passed", "failed", exit_code=2), "No", "1 failed"),
        (report("unsupported", exit_code=1), "No", "says nothing of the model"),
        (report("unsupported"), "No", "says nothing of the model"),
        (report("skipped"), "No", "says nothing of the model"),
        (report(exit_code=5), "No", "No case was run."),
        (report(), "No", "No case was run."),
        (report("passed", collected=3), "No", "2 were lost"),
        (report("passed", exit_code=1), "No", "something outside these cases failed"),
        (report("passed", exit_code=2), "Not decided", "ended early (exit code 2)"),
        (report("passed", exit_code=-9, collected=7), "Not decided", "ended early"),
        # The unfinished report of a run that was killed.
        (report("passed", exit_code=None, collected=4), "Not decided", "3 were still to come"),
        (report("passed", exit_code=None), "Not decided", "had not ended"),
        (report("failed", exit_code=None, collected=4), "No", "1 failed"),
    ],
)
def test_may_this_merge(found: Report, answer: str, words: str) -> None:
    said = headline_of(found)
    assert said.answer == answer
    assert words in said.sentence
    assert said.tone == {"Yes": "good", "No": "bad", "Not decided": "unknown"}[answer]


def test_an_error_says_whether_anything_was_measured() -> None:
    """A case whose baseline is of other frames has a value, and says so above it."""
    lost = case("error", value=None)
    run = report(exit_code=1, collected=4).run
    said = headline_of(
        BASE.model_copy(update={"run": run, "cases": [case("error"), lost, case("error"), lost]})
    )
    assert said.sentence == (
        "4 cases: 2 could not be measured and 2 were measured, but could not be judged."
    )


def test_counts_per_model_add_up() -> None:
    found = saibench_report(("one", "two"))
    tallied = tally_by_model(found)
    assert [one.model for one in tallied] == ["one", "two", None]
    for one in tallied:
        own = [c.verdict for c in found.cases if c.model == one.model]
        assert one.counts == {name: own.count(name) for name in set(own)}
    assert sum(sum(one.counts.values()) for one in tallied) == len(found.cases)


def test_the_worst_stand_first() -> None:
    cases = [
        case("passed", model="one", value=1.0, threshold=2.0, case_id="half"),
        case("unsupported", value=None, case_id="unsupported"),
        case("passed", model="one", value=1.9, threshold=2.0, case_id="close"),
        case("failed", value=5.0, threshold=2.0, case_id="bad"),
        case("failed", value=9.0, threshold=2.0, case_id="worse"),
        case("passed", model=None, value=0.9, threshold=1.0, case_id="data"),
        case("error", value=None, case_id="error"),
        case("regressed", value=1.0, threshold=2.0, case_id="regressed"),
        case("passed", model="one", value=0.0, threshold=0.0, case_id="no ratio"),
        case("passed", model="one", value=0.9, threshold=None, case_id="report only"),
    ]
    assert [one.case_id for one in sorted(cases, key=severity)] == [
        "error", "worse", "bad", "regressed", "unsupported", "close", "half", "no ratio",
        "report only", "data",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0.042, "0.042 s"), (9.9, "9.9 s"), (59.4, "59 s"), (59.6, "1 min"), (300, "5 min"),
        (1834.2, "30 min 34 s"), (3599.7, "1 h 00 min"), (7500, "2 h 05 min"),
    ],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_instants_and_windows() -> None:
    assert instant("2026-03-01T09:30:00+00:00") == "2026-03-01 09:30 UTC"
    assert instant("<b>yesterday</b>") == "<b>yesterday</b>"
    assert percent_window([0.0, 90.0]) == "0–90 %"
    assert percent_window(None) == percent_window([]) == "–"


def test_names_break_between_words_and_stay_text() -> None:
    assert breakable("a_b/c-d.e") == "a_<wbr>b/<wbr>c-<wbr>d.<wbr>e"
    assert breakable("_a__b_") == "_<wbr>a__<wbr>b_"
    assert breakable("") == ""
    assert breakable("<b>_&") == "&lt;b&gt;_<wbr>&amp;"
