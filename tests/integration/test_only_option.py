"""``--mlff-only``, and runs beside a repository's own tests in its many shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.repos import CASES, model_repo, run_case, verdicts

if TYPE_CHECKING:
    from pytest import Pytester


def test_an_empty_folder(pytester: Pytester) -> None:
    model_repo(pytester)
    run_case(pytester).assert_outcomes(passed=CASES)


def test_own_tests_run_too(pytester: Pytester) -> None:
    model_repo(pytester)
    pytester.makepyfile("def test_own(): pass")
    run_case(pytester).assert_outcomes(passed=CASES + 1)


def test_only_leaves_own_tests_out(pytester: Pytester) -> None:
    model_repo(pytester)
    pytester.makepyfile("def test_own(): assert False")
    result = run_case(pytester, "--mlff-only")
    result.assert_outcomes(passed=CASES)
    assert result.ret == 0


def test_a_failing_own_test_and_a_failing_case_are_both_seen(pytester: Pytester) -> None:
    model_repo(pytester)
    pytester.makepyfile("def test_own(): assert 1 == 2")
    result = run_case(pytester, model="models.py:shifted")
    result.assert_outcomes(passed=CASES - 1, failed=2)
    assert result.ret == 1
    result.stdout.fnmatch_lines_random(
        ["*FAILED*::test_own*", "FAILED specs/small/ethanol/energy_mae*"]
    )
    assert verdicts(pytester.path / "report.json")["specs/small/ethanol/energy_mae"] == "failed"


def test_a_failing_own_test_does_not_touch_the_cases(pytester: Pytester) -> None:
    model_repo(pytester)
    pytester.makepyfile("def test_own(): assert 1 == 2")
    result = run_case(pytester)
    result.assert_outcomes(passed=CASES, failed=1)
    assert result.ret == 1


def test_testpaths_and_a_conftest(pytester: Pytester) -> None:
    model_repo(pytester)
    pytester.makeini("[pytest]\ntestpaths = checks\n")
    pytester.mkdir("checks").joinpath("test_in.py").write_text("def test_in(answer): assert answer")
    pytester.makeconftest("import pytest\n\n@pytest.fixture\ndef answer():\n    return 42\n")
    pytester.makepyfile(test_out="def test_out(): assert False")
    run_case(pytester).assert_outcomes(passed=CASES + 1)


def test_a_virtual_environment_inside_the_repository(pytester: Pytester) -> None:
    # Builtin specs may lie below .venv, which pytest does not search by itself.
    root = model_repo(pytester)
    hidden = root / ".venv" / "lib" / "specs"
    hidden.mkdir(parents=True)
    (root / ".venv" / "pyvenv.cfg").write_text("")
    (root / "specs" / "small.yaml").rename(hidden / "small.yaml")
    result = pytester.runpytest_inprocess(
        "--mlff-model=models.py:exact", "--mlff-suite=.venv/lib/specs/small.yaml"
    )
    result.assert_outcomes(passed=CASES)
