"""What a report says of its run: commit, branch, uncommitted changes, command line."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from support.repos import CASES, SPEC, model_repo, read_json, run_case

if TYPE_CHECKING:
    from pathlib import Path

    from pytest import Pytester


def git(root: Path, *words: str) -> str:
    author = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    done = subprocess.run(
        ["git", *author, *words], cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_commit_branch_changes_and_command(pytester: Pytester) -> None:
    root = model_repo(pytester)
    run_case(pytester)
    assert read_json(root / "report.json")["run"]["git"] is None
    git(root, "init", "-q", "-b", "trunk")
    git(root, "add", "models.py", "specs")
    git(root, "commit", "-qm", "first")
    commit = git(root, "rev-parse", "HEAD")
    run_case(pytester, "-k", "energy or H")
    run = read_json(root / "report.json")["run"]
    assert run["git"] == {"commit": commit, "branch": "trunk", "dirty": False}
    assert run["command"].startswith("pytest ")
    assert run["command"].endswith("--mlff-report=report.json -k 'energy or H'")
    (root / "models.py").write_text((root / "models.py").read_text() + "\n# changed\n")
    git(root, "checkout", "-q", "--detach")
    run_case(pytester)
    assert read_json(root / "report.json")["run"]["git"] == {
        "commit": commit, "branch": None, "dirty": True
    }  # fmt: skip


def test_values_in_the_default_junit_file(pytester: Pytester) -> None:
    root = model_repo(pytester)
    run_case(pytester, "--junitxml=junit.xml", model="models.py:scaled")
    suite = next(ElementTree.parse(root / "junit.xml").getroot().iter("testsuite"))
    told = {p.get("name"): str(p.get("value")) for p in suite.iterfind("properties/property")}
    cases = read_json(root / "report.json")["cases"]
    assert len(told) == len(cases) == CASES
    for case in cases:
        verdict, value, _unit = told[f"mlff.scaled:{case['case_id']}"].split()
        assert (verdict, float(value)) == (case["verdict"], case["value"])


@pytest.fixture
def _at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """80 columns wide; where CI is set pytest itself cuts no line."""
    for name in ("CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.usefixtures("_at_a_terminal")
@pytest.mark.parametrize("workers", [[], ["-n1"]])
def test_a_case_has_one_name_and_its_failure_line_a_reason(
    pytester: Pytester, workers: list[str]
) -> None:
    if workers:
        pytest.importorskip("xdist")
    root = model_repo(pytester)
    # The id of the item alone is wider than the terminal.
    spec = root / "specs" / "of_frames_that_are_at_the_end_of_a_trajectory.yaml"
    spec.write_text(SPEC.replace("species: [all, each]", "species: [all, C]"))
    pytester.makepyfile(test_a="def test_own(): assert 1 == 2")
    result = run_case(
        pytester, f"--mlff-suite={spec.relative_to(root)}", "--junitxml=junit.xml", *workers,
        model="models.py:scaled",
    )  # fmt: skip
    cases = read_json(root / "report.json")["cases"]
    red = {case["case_id"]: case["reason"] for case in cases if case["verdict"] == "failed"}
    assert len(red) == CASES - 1 + 2
    first = next(n for n, line in enumerate(result.outlines) if "info (mlff)" in line)
    own, _, *lines = result.outlines[first - 1 : -1]
    assert own == "FAILED test_a.py::test_own - assert 1 == 2"
    assert all(len(line) <= 80 for line in lines)
    told = " ".join(line.strip() for line in lines)
    for name, reason in red.items():
        result.stdout.fnmatch_lines([f"*_ {name.replace('[', '[[]')} _*"])
        assert f"FAILED {name} {reason}" in told
    entries = ElementTree.parse(root / "junit.xml").getroot().iter("testcase")
    names = {case["case_id"] for case in cases}
    assert {one.get("name") for one in entries} == names | {"test_own"}
    assert all(case["nodeid"].endswith(f"[{case['case_id']}]") for case in cases)


@pytest.mark.usefixtures("_at_a_terminal")
def test_an_error_has_its_reason_below_its_row(pytester: Pytester) -> None:
    model_repo(pytester)
    result = run_case(pytester, model="models.py:not_a_number")
    row = max(n for n, line in enumerate(result.outlines) if line.endswith("meV/Å     error"))
    reason = result.outlines[row + 1]
    assert reason.startswith("  predicted forces are not finite in 40 of 40 frames")
    assert len(reason) <= 80
