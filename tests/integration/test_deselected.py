"""Cases that are left out are counted everywhere, and decide nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.gated import gate_run, gated_repo, only_line
from support.repos import CASES, SPEC, model_repo, read_json, run_case

if TYPE_CHECKING:
    from pytest import Pytester

ENERGY = "specs/small.yaml::test_accuracy[specs/small/ethanol/energy_mae]"


def told(pytester: Pytester, *arguments: str, left: int = CASES - 1) -> None:
    """Run, and look wherever the number is to be said."""
    summary = pytester.path / "summary.md"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GITHUB_ACTIONS", "true")
        patch.setenv("GITHUB_STEP_SUMMARY", str(summary))
        result = run_case(pytester, "--mlff-html=report.html", *arguments)
    assert result.ret == 0
    result.stdout.fnmatch_lines([f"*mlff: {left} of {CASES} cases were deselected*"])
    result.stdout.fnmatch_lines([f"::warning title=mlff::*{left} * deselected*"])
    assert read_json(pytester.path / "report.json")["run"]["deselected"] == left
    for text in (
        summary.read_text(encoding="utf-8"),
        (pytester.path / "report.html").read_text(encoding="utf-8"),
    ):
        assert "Not decided" in text
        assert "? Yes" not in text
        assert f"{left} were deselected" in text


@pytest.mark.parametrize(
    "arguments",
    [("-k", "energy"), ("-m", "mlff", "-k", "energy"), ("-n2", "-k", "energy")],
    ids=" ".join,
)
def test_on_the_command_line(pytester: Pytester, arguments: tuple[str, ...]) -> None:
    model_repo(pytester)
    told(pytester, *arguments)


def test_one_case_by_its_id(pytester: Pytester) -> None:
    model_repo(pytester)
    told(pytester, "--mlff-only", ENERGY)


def test_deselect(pytester: Pytester) -> None:
    model_repo(pytester)
    one = f"--deselect={ENERGY}"
    result = run_case(pytester, one)
    result.stdout.fnmatch_lines([f"*mlff: 1 of {CASES} cases were deselected*"])


def test_a_spec_that_is_ignored(pytester: Pytester) -> None:
    folder = model_repo(pytester) / "specs"
    (folder / "more.yaml").write_text((folder / "small.yaml").read_text())
    arguments = ("--mlff-suite=specs/more.yaml", "--ignore=specs/more.yaml")
    result = run_case(pytester, *arguments)
    result.stdout.fnmatch_lines([f"*mlff: {CASES} of {2 * CASES} cases were deselected*"])


def test_in_the_ini_file(pytester: Pytester) -> None:
    model_repo(pytester)
    pytester.makeini("[pytest]\naddopts = -k energy\n")
    told(pytester)


def test_by_a_conftest(pytester: Pytester) -> None:
    model_repo(pytester)
    pytester.makeconftest("def pytest_collection_modifyitems(items): del items[1:]")
    told(pytester)


def test_a_case_that_a_conftest_skips_is_no_yes(pytester: Pytester) -> None:
    model_repo(pytester)
    pytester.makeconftest(
        "import pytest\n"
        "def pytest_collection_modifyitems(items):\n"
        "    items[0].add_marker(pytest.mark.skip(reason='today'))\n"
    )
    summary = pytester.path / "summary.md"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GITHUB_ACTIONS", "true")
        patch.setenv("GITHUB_STEP_SUMMARY", str(summary))
        assert run_case(pytester).ret == 0
    assert "? Not decided." in summary.read_text(encoding="utf-8")


def test_all_cases_are_all(pytester: Pytester) -> None:
    model_repo(pytester)
    result = run_case(pytester)
    result.stdout.no_fnmatch_line("*deselected*")
    assert read_json(pytester.path / "report.json")["run"]["deselected"] == 0


def test_collect_only_says_that_nothing_was_run(pytester: Pytester) -> None:
    model_repo(pytester)
    pytester.makeini("[pytest]\naddopts = --collect-only\n")
    result = run_case(pytester)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["mlff: no case was run (--collect-only)*"])
    assert not (pytester.path / "report.json").exists()


@pytest.mark.parametrize(
    "line",
    [
        "mlff_accept_regression = it is faster",
        "mlff_update_baseline = true",
        "addopts = --mlff-update-baseline",
        "addopts = --mlff-update-baseline --mlff-accept-regression=faster",
    ],
)
def test_a_file_accepts_nothing(pytester: Pytester, line: str) -> None:
    gated_repo(pytester)
    base = "--mlff-baseline=baselines/demo.json"
    assert gate_run(pytester, "base", base, "--mlff-update-baseline").ret == 0
    kept = json.loads((pytester.path / "baselines" / "demo.json").read_text())
    pytester.makeini(f"[pytest]\n{line}\n")
    said = only_line(gate_run(pytester, "worse", base))
    assert "tox.ini: mlff_" in said
    assert "counts on the command line only" in said
    assert json.loads((pytester.path / "baselines" / "demo.json").read_text()) == kept


def test_a_margin_that_tolerates_everything_is_refused(pytester: Pytester) -> None:
    model_repo(pytester, SPEC.replace("cases:", "margin: 1e6\ncases:"))
    said = only_line(run_case(pytester))
    assert "specs/small.yaml:" in said
    assert "margin: must be at most 0.2, is 1000000.0" in said
