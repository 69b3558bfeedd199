"""``--lf``, ``-x`` and ``--maxfail`` on specs, builtin and own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.repos import CASES, model_repo, read_json, run_case

if TYPE_CHECKING:
    from pytest import Pytester


def test_last_failed_runs_failed_cases_and_own_tests(pytester: Pytester) -> None:
    model_repo(pytester)
    pytester.makepyfile("def test_own(): assert False\ndef test_fine(): pass")
    run_case(pytester, model="models.py:scaled").assert_outcomes(failed=5, passed=2)
    again = run_case(pytester, "--lf", model="models.py:scaled")
    again.assert_outcomes(failed=5)


def test_last_failed_on_a_spec_outside_of_the_root_folder(pytester: Pytester) -> None:
    root = model_repo(pytester)
    outside = root.parent / f"{root.name}-elsewhere"
    outside.mkdir()
    (root / "specs" / "small.yaml").rename(outside / "small.yaml")
    pytester.makepyfile("def test_own(): assert False\ndef test_fine(): pass")
    arguments = ("--mlff-model=models.py:scaled", f"--mlff-suite={outside / 'small.yaml'}")
    pytester.runpytest_inprocess(*arguments).assert_outcomes(failed=5, passed=2)
    pytester.runpytest_inprocess(*arguments, "--lf").assert_outcomes(failed=5)


def test_stopping_early_leaves_a_complete_report(pytester: Pytester) -> None:
    model_repo(pytester)
    result = run_case(pytester, "-x", model="models.py:scaled")
    assert result.ret == 1
    cases = read_json(pytester.path / "report.json")["cases"]
    verdicts = [case["verdict"] for case in cases]
    assert len(verdicts) == CASES
    assert verdicts.count("passed") == 1
    assert verdicts.count("failed") == 1
    assert verdicts.count("skipped") == CASES - 2
    assert {c["reason"] for c in cases if c["verdict"] == "skipped"} == {
        "not run: the run ended early"
    }
    assert {case["model"] for case in cases} == {"scaled"}
