"""What a report says of its run: commit, branch, uncommitted changes, command line."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from support.repos import CASES, model_repo, read_json, run_case

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
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


def test_failure_lines_keep_their_reason(
    pytester: Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CI", "BUILD_NUMBER"):
        # There pytest itself cuts no line: this is about a terminal.
        monkeypatch.delenv(name, raising=False)
    model_repo(pytester)
    result = run_case(pytester, model="models.py:scaled")
    result.stdout.fnmatch_lines(
        ["*_ specs/small/ethanol/force_mae _*", "failed: * meV/Å is * times the threshold*"]
    )
    short = [line for line in result.outlines if line.startswith("FAILED specs/small.yaml")]
    assert len(short) == CASES - 1
    assert all(len(line) <= 80 and "] - " in line for line in short)
    result = run_case(pytester, model="models.py:not_a_number")
    row = max(n for n, line in enumerate(result.outlines) if line.endswith("meV/Å     error"))
    reason = result.outlines[row + 1]
    assert reason.startswith("  predicted forces are not finite in 40 of 40 frames")
    assert len(reason) <= 80
