"""Exit codes 0, 1, 4, 5, and verdicts that never turn a skip into a pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.repos import CASES, SPEC, model_repo, read_json, run_case, verdicts

if TYPE_CHECKING:
    from pytest import Pytester


def test_0_when_every_case_passed(pytester: Pytester) -> None:
    model_repo(pytester)
    assert run_case(pytester).ret == 0


def test_1_when_a_case_failed(pytester: Pytester) -> None:
    model_repo(pytester)
    assert run_case(pytester, model="models.py:scaled").ret == 1


def test_4_when_the_usage_is_wrong(pytester: Pytester) -> None:
    model_repo(pytester)
    assert run_case(pytester, model="nowhere.ckpt").ret == 4


def test_5_when_no_case_was_run(pytester: Pytester) -> None:
    model_repo(pytester)
    pytester.makepyfile("def test_own(): pass")
    result = run_case(pytester, "-k", "test_own")
    result.assert_outcomes(passed=1, deselected=CASES)
    assert result.ret == 5
    result.stdout.fnmatch_lines(["*no case was run*"])


def test_nan_is_an_error(pytester: Pytester) -> None:
    model_repo(pytester)
    result = run_case(pytester, model="models.py:not_a_number")
    assert result.ret == 1
    found = verdicts(pytester.path / "report.json")
    assert found.pop("specs/small/ethanol/energy_mae") == "passed"
    assert set(found.values()) == {"error"}
    case = read_json(pytester.path / "report.json")["cases"][1]
    assert case["value"] is None
    assert "40 of 40 frames" in case["reason"]


NO_NITROGEN = "models.py:without_nitrogen"


def test_missing_species_are_unsupported_and_alone_no_green_run(pytester: Pytester) -> None:
    uracil = SPEC.replace("[ethanol]", "[uracil]")
    model_repo(pytester, uracil)
    result = run_case(pytester, model=NO_NITROGEN)
    found = verdicts(pytester.path / "report.json")
    assert set(found.values()) == {"unsupported"}
    assert len(found) == CASES + 1
    case = read_json(pytester.path / "report.json")["cases"][0]
    assert "does not know N" in case["reason"]
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*no case could be measured*"])


def test_unsupported_beside_measured_cases_is_green(pytester: Pytester) -> None:
    model_repo(pytester, SPEC.replace("[ethanol]", "[ethanol, uracil]"))
    result = run_case(pytester, model=NO_NITROGEN)
    assert result.ret == 0
    result.assert_outcomes(passed=CASES, skipped=CASES + 1)


def test_collect_only_judges_nothing(pytester: Pytester) -> None:
    model_repo(pytester)
    result = run_case(pytester, "--collect-only", "-q", model="nowhere.ckpt")
    assert result.ret == 0
    assert not (pytester.path / "report.json").exists()


def test_a_case_that_is_never_reported_is_lost_and_red(pytester: Pytester) -> None:
    model_repo(pytester)
    pytester.makeconftest(
        "def pytest_runtest_protocol(item):\n"
        "    return True if 'force_mae[H]' in item.name else None\n"
    )
    result = run_case(pytester)
    assert result.ret == 1
    found = verdicts(pytester.path / "report.json")
    assert found.pop("specs/small/ethanol/force_mae[H]") == "error"
    assert set(found.values()) == {"passed"}
    result.stdout.fnmatch_lines(["*1 collected cases were never reported*"])


def test_a_report_turned_into_a_pass_does_not_make_the_run_green(pytester: Pytester) -> None:
    model_repo(pytester)
    pytester.makeconftest(
        "import pytest\n"
        "@pytest.hookimpl(wrapper=True)\n"
        "def pytest_runtest_makereport(item, call):\n"
        "    report = yield\n"
        "    report.outcome = 'passed'\n"
        "    return report\n"
    )
    result = run_case(pytester, model="models.py:shifted")
    assert verdicts(pytester.path / "report.json")["specs/small/ethanol/energy_mae"] == "failed"
    assert result.ret == 1
