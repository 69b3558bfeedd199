"""Own tests picked by name, and shards, with a model in the ini file: no benchmark, no red."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.repos import CASES, model_repo

if TYPE_CHECKING:
    from pathlib import Path

    from pytest import Pytester, RunResult

INI = "[pytest]\nmlff_model = models.py:exact\nmlff_suite = specs/small.yaml\n"
OWN = "def test_one():\n    pass\n\ndef test_two():\n    pass\n"
NOT_RUN = "mlff: specs not run: *"


@pytest.fixture
def repo(pytester: Pytester) -> Path:
    root = model_repo(pytester)
    pytester.makeini(INI)
    (root / "tests").mkdir()
    (root / "tests" / "test_mine.py").write_text(OWN)
    # A spec in a folder of own tests is found by walking it, too.
    (root / "tests" / "other.yaml").write_text((root / "specs" / "small.yaml").read_text())
    return root


def run(pytester: Pytester, *words: str) -> RunResult:
    return pytester.runpytest_inprocess(*words)


@pytest.mark.parametrize(
    "words, passed, deselected",
    [
        (["tests/test_mine.py::test_one"], 1, 0),
        (["tests/test_mine.py"], 2, 0),
        (["tests"], 2, 0),
        (["."], 2, 0),
        (["-k", "test_two"], 1, CASES + 1),
        (["-ktest_two", "tests"], 1, 1),
        (["--deselect", "specs/small.yaml"], 2, CASES),
        (["-m", "not mlff"], 2, CASES),
        (["--ignore=specs"], 2, 0),
        (["--ignore-glob=*/small.y*ml"], 2, 0),
        (["--mlff-model=models.py:exact", "tests/test_mine.py"], 2, 0),
        (["--mlff-model=models.py:exact", "-k", "test_two"], 1, CASES + 1),
        (["-n2", "tests/test_mine.py"], 2, 0),
    ],
)
def test_own_tests_give_the_exit_code(
    pytester: Pytester, repo: Path, words: list[str], passed: int, deselected: int
) -> None:
    result = run(pytester, "-q", *words)
    result.assert_outcomes(passed=passed, deselected=deselected)
    assert result.ret == 0
    result.stdout.fnmatch_lines([NOT_RUN])
    (repo / "tests" / "test_mine.py").write_text(OWN.replace("pass", "assert False"))
    assert run(pytester, *words).ret == 1


def test_a_shard_of_another_plugin(pytester: Pytester, repo: Path) -> None:
    pytester.makeconftest(
        "import os\n"
        "def pytest_collection_modifyitems(config, items):\n"
        "    out = [i for i in items if ('.yaml' in i.nodeid) == (os.environ['SHARD'] == '1')]\n"
        "    config.hook.pytest_deselected(items=out)\n"
        "    items[:] = [i for i in items if i not in out]\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHARD", "1")
        own = run(pytester)
        assert own.ret == 0
        own.assert_outcomes(passed=2, deselected=CASES)
        # Whoever types the model asks about it.
        assert run(pytester, "--mlff-model=models.py:exact").ret == 5
        patch.setenv("SHARD", "2")
        cases = run(pytester)
        assert cases.ret == 0
        cases.assert_outcomes(passed=CASES, deselected=2)


@pytest.mark.parametrize(
    "words, passed",
    [
        ([], 2 + CASES),
        (["--mlff-suite=specs/small.yaml", "tests"], 2 + CASES),
        (["--mlff-only", "tests"], CASES),
        (["specs/small.yaml"], CASES),
        (["tests", "specs/small.yaml::test_accuracy[specs/small/ethanol/energy_mae]"], 3),
        (["-n2", "--mlff-suite=specs/small.yaml", "tests"], 2 + CASES),
        (["-k", "test_two or energy"], 2),
    ],
)
def test_the_specs_join(pytester: Pytester, repo: Path, words: list[str], passed: int) -> None:
    result = run(pytester, *words)
    assert result.parseoutcomes()["passed"] == passed
    assert result.ret == 0
    result.stdout.no_fnmatch_line(NOT_RUN)


@pytest.mark.parametrize(
    "words, code",
    [
        # A line of a CI file that names a folder and the model asks about the model.
        (["--mlff-model=models.py:exact", "tests"], 5),
        (["--mlff-suite=specs/small.yaml", "-k", "test_two"], 5),
        (["--mlff-only", "-k", "test_two"], 5),
        (["specs/small.yaml", "tests", "-k", "test_two"], 5),
        (["-k", "no_such_thing"], 5),
        (["tests", "-k", "no_such_thing"], 5),
        (["--mlff-report=report.json", "tests"], 4),
        (["--mlff-update-baseline", "tests/test_mine.py"], 4),
    ],
)
def test_no_false_green(pytester: Pytester, repo: Path, words: list[str], code: int) -> None:
    result = run(pytester, *words)
    assert result.ret == code
    if code == 5:
        result.stdout.fnmatch_lines(["mlff: no case was run*"])
    else:
        result.stderr.fnmatch_lines([f"ERROR: {words[0].partition('=')[0]}: paths of own tests*"])


def test_an_expression_that_the_ini_file_keeps_is_nobodys_choice(
    pytester: Pytester, repo: Path
) -> None:
    pytester.makeini(INI + "addopts = -k test_two\n")
    assert run(pytester).ret == 5
    assert run(pytester, "tests").ret == 0


def test_last_failed_of_both_kinds(pytester: Pytester, repo: Path) -> None:
    (repo / "tests" / "test_mine.py").write_text(OWN.replace("pass", "assert False", 1))
    assert run(pytester).ret == 1
    own = run(pytester, "--lf")
    own.assert_outcomes(failed=1, deselected=CASES)
    assert own.ret == 1
    (repo / "tests" / "test_mine.py").write_text(OWN)
    assert run(pytester, "--lf").ret == 0
    assert run(pytester, "--mlff-model=models.py:shifted").ret == 1
    case = run(pytester, "--mlff-model=models.py:shifted", "--lf")
    assert case.parseoutcomes()["failed"] == 1
    assert case.ret == 1


def test_own_tests_need_neither_model_nor_report(pytester: Pytester, repo: Path) -> None:
    pytester.makeini(INI.replace("models.py:exact", "gone.ckpt") + "mlff_report = report.json\n")
    (repo / "report.json").write_text("of an earlier run")
    (repo / "specs" / "small.yaml").write_text("broken")
    assert run(pytester, "tests/test_mine.py::test_one").ret == 0
    assert (repo / "report.json").read_text() == "of an earlier run"
    assert run(pytester).ret == 4


def test_own_tests_still_get_cases(pytester: Pytester, repo: Path) -> None:
    (repo / "tests" / "test_forces.py").write_text(
        "def test_finite(mlff_predictions):\n    assert len(mlff_predictions.frames)\n"
    )
    result = run(pytester, "tests/test_forces.py")
    result.assert_outcomes(passed=1)  # one set of frames, whatever the number of cases
    assert result.ret == 0
    (repo / "specs" / "small.yaml").write_text("broken")
    broken = run(pytester, "tests/test_forces.py")
    assert broken.ret == 2
    broken.stdout.fnmatch_lines(["*specs/small.yaml:1: must be a mapping*"])
    broken.stdout.no_fnmatch_line("*Traceback*")


@pytest.mark.parametrize(
    "word", ["--fixtures", "--fixtures-per-test", "--setup-plan", "--collect-only", "--cache-show"]
)
def test_what_only_shows_judges_nothing(pytester: Pytester, repo: Path, word: str) -> None:
    pytester.makeini(INI.replace("models.py:exact", "gone.ckpt") + "mlff_report = report.json\n")
    result = run(pytester, word)
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*no case was run, so*")
    result.stdout.no_fnmatch_line("*lost*")
    assert not (repo / "report.json").exists()
    if word == "--fixtures":
        result.stdout.no_fnmatch_line("*conclude*")
        result.stdout.fnmatch_lines(["mlff_predictions*", "*shared pass.*"])
