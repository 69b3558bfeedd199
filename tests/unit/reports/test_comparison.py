"""What a reader is told of the comparison with a baseline, the same words in every report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.sample_reports import saibench_report

from pytest_mlff.cli.report import report_lines
from pytest_mlff.reports.comparison import Comparison, comparison_of
from pytest_mlff.reports.github import github_output, step_summary

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlff.reports.model import CaseRecord, Report

BASE = saibench_report()
CASE = next(case for case in BASE.cases if case.verdict == "passed")
WORSE = {"baseline": 40.0, "regressed": True, "verdict": "regressed"}
FINE = {"baseline": 40.0, "regressed": False}
OPEN = {"baseline": 40.0, "regressed": None}
BARE = {"baseline": None, "regressed": None}


def case(changes: dict[str, Any], seen: float | None = None) -> CaseRecord:
    evidence = {} if seen is None else {"minimum_detectable": seen}
    return CASE.model_copy(update={"evidence": evidence, **changes})


def report(*cases: CaseRecord, baselines: dict[str, str] | None = None) -> Report:
    run = BASE.run.model_copy(
        update={"baselines": baselines or {}, "exit_code": 0, "collected": len(cases)}
    )
    content = {"run": run, "cases": list(cases), "variants": [], "trainings": []}
    return BASE.model_copy(update=content)


FILE = {"demo": "baselines/demo.json"}
UNSEEN = "a regression would go unseen."


@pytest.mark.parametrize(
    "found, blind, words",
    [
        (report(case(FINE, 0.031), case(FINE, 0.1)), False,
         "baseline: 2 not worse. The smallest worsening that would have been seen with 80 % "
         "probability is 3.1 % in the best case and 10.0 % in the worst."),
        (report(case(WORSE), case(FINE), case(OPEN)), False,
         "1 worse, 1 undecided, 1 not worse."),
        (report(case(FINE, float("inf")), baselines=FILE), False,
         "Against the baseline (baselines/demo.json): 1 not worse."),
        # Green, and no word of comfort.
        (report(case(OPEN), case(OPEN)), True, UNSEEN),
        (report(case(BARE), baselines=FILE), True, f"(baselines/demo.json): {UNSEEN}"),
        (report(case(BARE, 0.1), baselines={"a": "x.json", "b": "x.json"}), True, "(x.json)"),
    ],
)  # fmt: skip
def test_what_is_said(found: Report, blind: bool, words: str, tmp_path: Path) -> None:
    said = comparison_of(found)
    assert said is not None
    assert said.blind == blind
    assert words in said.sentence
    assert (UNSEEN in said.sentence) == blind
    # Wherever the answer stands, this stands beside it.
    assert report_lines(found)[-1] == said.sentence
    assert ("⚠️ **" in step_summary(found)) == blind
    told = github_output(found, [], {"GITHUB_ACTIONS": "true"})
    assert [one for one in told if one.startswith("::warning")] == [
        f"::warning title=mlff::{said.sentence}".replace("%", "%25")
    ] * blind


def test_nothing_is_said_where_nothing_was_to_be_compared() -> None:
    found = report(case(BARE))
    assert comparison_of(found) is None
    assert "May this merge?" in report_lines(found)[-1]
    assert "aseline" not in step_summary(found).partition("<details>")[0]


def test_the_page_says_it() -> None:
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    from pytest_mlff.reports.html import render_html

    blind, seeing = report(case(BARE), baselines=FILE), report(case(FINE))
    for found in (blind, seeing):
        said = comparison_of(found)
        assert isinstance(said, Comparison)
        page = render_html(found)
        assert said.sentence in page
        assert ('class="compared compared--blind"' in page) == said.blind
    assert 'class="compared' not in render_html(report(case(BARE)))
