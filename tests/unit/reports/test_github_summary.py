"""The summary of a run on GitHub: the answer, what is red, and what is folded away."""

from __future__ import annotations

import re
from typing import Any

import pytest
from support.github_reports import failed, many, record, red_rows, rendered, report, tables

from pytest_mlff.reports.github import annotation_lines, step_summary
from pytest_mlff.reports.model import Report, VariantRecord


@pytest.mark.parametrize(
    "made, word, said",
    [
        (report(record()), "Yes", "The one case passed"),
        (report(record(), failed()), "No", "2 cases: 1 failed and 1 passed"),
        (report(record(), record(verdict="unsupported", value=None)), "Yes", "1 is not supported"),
        (report(record(verdict="unsupported", value=None), exit_code=1), "No", "says nothing"),
        (report(record(verdict="skipped", value=None), exit_code=1), "No", "says nothing"),
        (report(exit_code=5), "No", "No case was run"),
        (report(record(), exit_code=2), "Not decided", "ended early (exit code 2)"),
        (report(record(), exit_code=1), "No", "something outside these cases"),
        (report(record(), collected=3), "No", "2 were lost"),
        # Whatever the exit code says, a red case is red.
        (report(failed(), exit_code=0), "No", "1 failed"),
        (report(failed(), exit_code=2), "No", "1 failed"),
    ],
)
def test_the_answer_stands_first(made: Report, word: str, said: str) -> None:
    first, second = rendered(step_summary(made))[:2]
    assert first.text_content() == f"May this force field be merged? {word}."
    assert said in second.text_content()


def test_no_answer_but_yes_is_green() -> None:
    for exit_code in (0, 1, 2, 5):
        for verdict in ("passed", "failed", "regressed", "unsupported", "error", "skipped"):
            made = report(record(verdict=verdict), exit_code=exit_code)
            says_yes = "? Yes." in step_summary(made)
            green = verdict == "passed" and exit_code == 0
            assert says_yes == green, (exit_code, verdict)
            assert bool(annotation_lines(made, lambda _: None)) == (not green)


def test_worst_first_with_everything_that_counts() -> None:
    cases = [
        record(case_id="s/p/v/regressed", verdict="regressed", value=44.0, baseline=40.0,
               regressed=True, reason="worse"),
        failed(1, case_id="s/p/v/near"),
        failed(40, case_id="s/p/v/far", baseline=60.0, regressed=None),
        record(case_id="s/p/v/broken", verdict="error", value=None, ci_low=None, ci_high=None),
        record(case_id="s/p/v/green"),
    ]  # fmt: skip
    rows = red_rows(step_summary(report(*cases)))
    assert [row[0] for row in rows] == [
        "s/p/v/broken", "s/p/v/far", "s/p/v/near", "s/p/v/regressed"
    ]  # fmt: skip
    assert rows[0][1:6] == ["error", "–", "–", "≤ 45", "meV/Å"]
    assert rows[1][1:7] == ["failed", "90", "40 – 42.5", "≤ 45", "meV/Å", "+50.0 % ❔ undecided"]
    assert rows[3][6:] == ["+10.0 % 🔺 worse", "worse"]


def test_a_law_has_no_unit_and_no_interval() -> None:
    law = failed(0, metric="rotation", unit="1", ci_low=None, ci_high=None, threshold=1.0)
    (row,) = red_rows(step_summary(report(law)))
    assert row[3:6] == ["–", "≤ 1", ""]


def test_too_few_frames_are_not_the_same_as_no_interval() -> None:
    undecided = failed(ci_low=None, ci_high=None, evidence={"undecided": "too few"})
    assert red_rows(step_summary(report(undecided)))[0][3] == "?"


def test_several_models_are_told_apart() -> None:
    rows = red_rows(step_summary(report(failed(model="one"), failed(model="two"))))
    assert [row[0] for row in rows] == ["one: s/p/v0/force_mae", "two: s/p/v0/force_mae"]


def test_nothing_red_makes_no_table() -> None:
    text = step_summary(report(record()))
    assert "What is red" not in text
    assert not tables(rendered(text.partition("<details>")[0]))


def test_the_baseline_in_two_sentences() -> None:
    compared = [
        record(baseline=40.0, regressed=True, verdict="regressed"),
        record(baseline=40.0, regressed=False, evidence={"minimum_detectable": 0.031}),
        record(baseline=40.0, regressed=False, evidence={"minimum_detectable": 0.1}),
        record(baseline=40.0, regressed=None),
        record(),
    ]
    shown = rendered(step_summary(report(*compared))).text_content()
    assert "1 worse, 1 undecided, 2 not worse" in shown
    assert "is 3.1 % in the best case and 10.0 % in the worst" in shown
    assert "Against" not in step_summary(report(record()))


def test_everything_is_in_it() -> None:
    unsupported = VariantRecord(
        suite="s", spec="p", variant="n50000", dataset="embedded", axes={}, train_molecules=[],
        test_molecules=["aspirin"], train_window=None, test_window=[90, 100], n_train=None,
        n_test=None, unsupported="only 4,000 frames",
    )  # fmt: skip
    law = failed(
        0, case_id="s/p/v/rotation", metric="rotation", unit="1", detail="turned by 90°\n  E = -1"
    )
    text = step_summary(
        report(
            record(),
            law,
            record(verdict="unsupported", value=None, reason="no N", variant="uracil"),
            record(verdict="unsupported", value=None, reason="no N", variant="uracil"),
            variants=[unsupported],
        )
    )
    page = rendered(text)
    titles = [one.text_content() for one in page.iter("summary")]
    assert titles == [
        "All cases with an error metric (3)", "Physical laws (1)",
        "Unsupported, so not tested (2)", "The run",
    ]  # fmt: skip
    assert [one.text for one in page.iter("pre")] == ["turned by 90°\n  E = -1"]
    shown = tables(page)
    assert ["s/p/n50000", "the data", "all", "only 4,000 frames"] in shown[3]
    assert ["s/p/uracil", "m", "2", "no N"] in shown[3]
    assert ["spec s/p", "sha256 aaaaaaaaaaaa"] in shown[4]


@pytest.fixture(scope="module")
def uncut() -> list[Any]:
    """Tables of 1,500 cases without a limit."""
    return tables(rendered(step_summary(many(1500), 10**9)))


@pytest.mark.parametrize("limit", [700_000, 200_000, 13_000])
def test_what_does_not_fit_is_left_out_and_counted(uncut: list[Any], limit: int) -> None:
    whole, made = uncut, many(1500)
    text = step_summary(made, limit)
    assert limit // 2 < len(text.encode()) <= limit
    assert text.count("<details>") == text.count("</details>") == 4
    cut = tables(rendered(text))
    told = re.findall(r"\*\*([0-9]+) of ([0-9]+) rows (?:is|are) left out\*\*", text)
    sizes = [(len(a) - 1, len(b) - 1) for a, b in zip(cut, whole, strict=True)]
    assert [(str(b - a), str(b)) for a, b in sizes if a < b] == told
    assert told
    # The worst are those that are left.
    assert cut[0][1][0] == whole[0][1][0]


def test_what_fits_is_left_alone() -> None:
    assert "left out" not in step_summary(many(300))


@pytest.mark.parametrize("limit", [-5, 0, 10, 120, 500, 11_999])
def test_a_tiny_limit_still_holds(limit: int) -> None:
    text = step_summary(many(50), limit)
    assert len(text.encode()) <= max(limit, 0)
    if limit >= 500:
        assert "? No." in text
        assert "left out" in text
