"""``--mlff-strictness``: how many examples a law gets, and that the run says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.repos import SUPPORT, read_json

if TYPE_CHECKING:
    from pytest import Pytester, RunResult

EXAMPLES = {"fast": 10, "ci": 40, "thorough": 200}


def run(pytester: Pytester, *arguments: str) -> RunResult:
    text = (SUPPORT / "law_models.py").read_text(encoding="utf-8")
    (pytester.path / "law_models.py").write_text(text, encoding="utf-8")
    return pytester.runpytest_inprocess(
        "--mlff-model=law_models.py:sound", "--mlff-suite=laws/net_force",
        "--mlff-report=report.json", *arguments,
    )  # fmt: skip


def examples(pytester: Pytester) -> int:
    (case,) = read_json(pytester.path / "report.json")["cases"]
    return int(case["evidence"]["examples"])


@pytest.mark.parametrize("strictness", EXAMPLES)
def test_examples_of_each_strictness(pytester: Pytester, strictness: str) -> None:
    result = run(pytester, f"--mlff-strictness={strictness}")
    result.stdout.fnmatch_lines([f"mlff: laws: seed 0, strictness {strictness}"])
    assert examples(pytester) == EXAMPLES[strictness]


def test_without_it_a_spec_has_its_say(pytester: Pytester) -> None:
    result = run(pytester)
    result.stdout.fnmatch_lines(["mlff: laws: seed 0, strictness ci unless a spec says otherwise"])
    assert examples(pytester) == EXAMPLES["ci"]


def test_ini_twin(pytester: Pytester) -> None:
    pytester.makeini("[pytest]\nmlff_strictness = fast\n")
    run(pytester)
    assert examples(pytester) == EXAMPLES["fast"]


def test_unknown_strictness_ends_the_run(pytester: Pytester) -> None:
    pytester.makeini("[pytest]\nmlff_strictness = hard\n")
    result = run_only(pytester)
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: mlff_strictness: 'hard' is none of fast, ci, thorough"])


def run_only(pytester: Pytester) -> RunResult:
    return pytester.runpytest_inprocess("--mlff-model=law_models.py:sound")


def test_run_without_laws_says_nothing_of_them(pytester: Pytester) -> None:
    from support.repos import model_repo, run_case

    model_repo(pytester)
    assert "mlff: laws:" not in run_case(pytester).stdout.str()
