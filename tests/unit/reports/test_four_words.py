"""The four words and the two verdicts that are no pass: in the page, the table and the summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.sample_reports import saibench_report

from pytest_mlff.reports.github import step_summary
from pytest_mlff.reports.headline import headline_of
from pytest_mlff.reports.html import render_html
from pytest_mlff.reports.terminal import summary_line, table

if TYPE_CHECKING:
    from pytest_mlff.reports.model import CaseRecord, Report

BASE = saibench_report()
CASE = next(case for case in BASE.cases if case.verdict == "passed")


def case(word: str, verdict: str, metric: str = "force_mae", variant: str = "v") -> CaseRecord:
    regressed = {"worse": True, "undecided": None}.get(word, False)
    return CASE.model_copy(
        update={
            "case_id": f"s/p/{variant}/{metric}", "suite": "s", "spec": "p", "variant": variant,
            "metric": metric, "baseline": 40.0, "regressed": regressed, "verdict": verdict,
            "reason": word, "evidence": {"against_baseline": word},
        }
    )  # fmt: skip


def report(*cases: CaseRecord, **run: Any) -> Report:
    facts = {"exit_code": 0, "collected": len(cases), "deselected": 0, **run}
    content = {"cases": list(cases), "variants": [], "trainings": []}
    return BASE.model_copy(update={"run": BASE.run.model_copy(update=facts), **content})


WORSE, BETTER = case("worse", "regressed", variant="w"), case("better", "passed", variant="b")
SAME, OPEN = case("same", "passed", variant="s"), case("undecided", "undecided", variant="u")
REPORTED = case("same", "reported", variant="r").model_copy(
    update={"baseline": None, "regressed": None, "evidence": {"level": "PBE"}}
)


def test_each_word_is_told_apart_wherever_it_stands() -> None:
    found = report(WORSE, BETTER, SAME, OPEN, REPORTED, exit_code=1)
    lines = {line.split()[0]: (line, verdict) for line, verdict in table(found.cases, None)}
    for variant, end, verdict in (
        ("w", "worse  regressed", "regressed"),
        ("b", "better  passed", "passed"),
        ("s", "=  passed", "passed"),
        ("u", "?  undecided", "undecided"),
        ("r", "–  reported", "reported"),
    ):
        line, said = lines[f"s/p/{variant}/force_mae"]
        assert " ".join(line.split()).endswith(" ".join(end.split()))
        assert said == verdict
    assert summary_line(found.cases, 5) == "5 cases: 1 regressed, 1 undecided, 1 reported, 2 passed"
    summary = step_summary(found)
    for words in ("🔺 worse", "🔽 better", "= same", "❔ undecided"):
        assert words in summary
    page = render_html(found)
    for verdict in ("undecided", "reported"):
        assert f"badge--{verdict}" in page
        assert f"tone--{verdict}" in page


@pytest.mark.parametrize(
    "cases, run, answer",
    [
        ((SAME, BETTER), {}, "Yes"),
        ((SAME, OPEN), {}, "Not decided"),
        ((OPEN,), {}, "Not decided"),
        ((SAME, OPEN), {"undecided_blocks": True, "exit_code": 1}, "No"),
        # A pooled test that has decided stands for the single cases of its metric, and no other.
        ((case("same", "passed", variant="pooled"), OPEN), {}, "Yes"),
        ((case("same", "passed", "energy_mae", "pooled"), OPEN), {}, "Not decided"),
        ((case("undecided", "undecided", variant="pooled"), SAME), {}, "Not decided"),
        ((SAME, REPORTED), {}, "Not decided"),
        ((REPORTED,), {}, "No"),
        ((SAME, WORSE), {"exit_code": 1}, "No"),
    ],
)  # fmt: skip
def test_only_what_is_decided_is_a_yes(
    cases: tuple[CaseRecord, ...], run: dict[str, Any], answer: str
) -> None:
    assert headline_of(report(*cases, **run)).answer == answer
