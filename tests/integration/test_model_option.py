"""``--mlff-model``: nothing without it, cases with it, several side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.repos import CASES, model_repo, read_json, run_case, verdicts

if TYPE_CHECKING:
    from pytest import Pytester


def test_without_a_model_nothing_happens(pytester: Pytester) -> None:
    model_repo(pytester)
    pytester.makepyfile("def test_own(): pass")
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*mlff:*")
    assert not (pytester.path / ".mlff-store").exists()


def test_cases_are_items_with_ids_of_the_contract(pytester: Pytester) -> None:
    model_repo(pytester)
    result = run_case(pytester, "-v")
    result.assert_outcomes(passed=CASES)
    result.stdout.fnmatch_lines(
        [
            "mlff: model exact (ase, sha256 *, cpu, unknown)",
            "mlff: spec specs/small on embedded: 1 variant, 5 cases",
            "specs/small.yaml::test_accuracy[[]specs/small/ethanol/force_mae[[]H[]][]] PASSED*",
            "5 cases: 5 passed",
        ]
    )
    assert set(verdicts(pytester.path / "report.json")) == {
        "specs/small/ethanol/energy_mae",
        "specs/small/ethanol/force_mae",
        "specs/small/ethanol/force_mae[C]",
        "specs/small/ethanol/force_mae[H]",
        "specs/small/ethanol/force_mae[O]",
    }


def test_several_models_are_kept_apart(pytester: Pytester) -> None:
    model_repo(pytester)
    result = run_case(pytester, "--mlff-model=models.py:scaled")
    result.assert_outcomes(passed=CASES + 1, failed=CASES - 1)
    report = read_json(pytester.path / "report.json")
    assert {model["name"] for model in report["models"]} == {"exact", "scaled"}
    failed = {(c["model"], c["metric"]) for c in report["cases"] if c["verdict"] == "failed"}
    assert failed == {("scaled", "force_mae")}


def test_ini_twin(pytester: Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    model_repo(pytester)
    pytester.makeini(
        "[pytest]\nmlff_model = models.py:exact\nmlff_suite = specs/small.yaml\nmlff_only = true\n"
    )
    inner = pytester.mkdir("inner")
    (inner / "test_own.py").write_text("def test_own(): pass")
    monkeypatch.chdir(inner)
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(passed=CASES)


@pytest.mark.parametrize(
    "selection, chosen",
    [
        (["-k", "force_mae and ethanol"], CASES - 1),
        (["-k", "specs/small/ethanol/force_mae[O]"], 1),  # an id of the reports
        (["-m", "mlff"], CASES),
    ],
)
def test_usual_selection_works(pytester: Pytester, selection: list[str], chosen: int) -> None:
    model_repo(pytester)
    pytester.makepyfile("def test_own(): assert False")
    result = run_case(pytester, *selection)
    assert result.ret == 0
    result.assert_outcomes(passed=chosen, deselected=CASES + 1 - chosen)


def test_an_id_can_be_pasted(pytester: Pytester) -> None:
    model_repo(pytester)
    result = pytester.runpytest_inprocess(
        "--mlff-model=models.py:exact",
        "specs/small.yaml::test_accuracy[specs/small/ethanol/force_mae[O]]",
    )
    result.assert_outcomes(passed=1)
    builtin = "benchmark_specs/quick.yaml::test_accuracy[quick/quick/ethanol/force_mae[O]]"
    result = pytester.runpytest_inprocess("--mlff-model=models.py:exact", builtin)
    result.assert_outcomes(passed=1)
