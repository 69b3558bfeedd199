"""What a pull request changes in its judge is found, named, and put in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.branches import JUDGE, told

from pytest_mlff.judge.changes import changes
from pytest_mlff.judge.edits import Edit, worst_first

if TYPE_CHECKING:
    from pathlib import Path


def test_a_request_that_leaves_its_judge_alone(branches: tuple[Path, Path]) -> None:
    (branches[1] / "model.py").write_text("STRENGTH = 2\n")
    (branches[1] / "README.md").write_text("A better model.")
    assert told(branches) == []


def test_a_spec_that_is_gone_or_broken_or_was_never_there(branches: tuple[Path, Path]) -> None:
    base, head = branches
    (head / "specs" / "first.yaml").write_text("- nothing\n")
    (one,) = changes(JUDGE, base, head)
    assert (one.kind, one.grave) == ("case removed", True)
    assert "can no longer be read" in one.what
    (head / "specs" / "first.yaml").unlink()
    assert [str(edit) for edit in changes(JUDGE, base, head)] == [
        "case removed: specs/first.yaml: the spec is gone"
    ]
    (base / "specs" / "first.yaml").unlink()
    assert changes(JUDGE, base, head)[0].kind == "no judge"


def test_the_workflow_and_the_environment(branches: tuple[Path, Path]) -> None:
    (branches[1] / ".github" / "workflows" / "mlff.yml").write_text("on: never\n")
    (branches[1] / "requirements.txt").write_text("torch\n")
    found = changes(JUDGE, *branches)
    assert [str(edit) for edit in found] == [
        "workflow: .github/workflows/mlff.yml: is changed",
        "environment: requirements.txt: is new",
    ]
    assert [edit.grave for edit in found] == [True, False]


def test_worst_first() -> None:
    edits = [
        Edit("environment", "requirements.txt", "is new"),
        Edit("conftest", "conftest.py", "is new"),
        Edit("threshold loosened", "a", "max 1 → 2", 2.0),
        Edit("threshold loosened", "b", "max 1 → 9", 9.0),
        Edit("addopts", "pytest.ini", "-k"),
        Edit("margin widened", "a", "0.01 → 0.2"),
    ]
    assert [edit.where for edit in worst_first(edits)] == [
        "b", "a", "a", "pytest.ini", "conftest.py", "requirements.txt"
    ]  # fmt: skip


def test_a_base_that_cannot_judge_is_no_judge(branches: tuple[Path, Path]) -> None:
    (branches[0] / "specs" / "first.yaml").write_text("[")
    (one,) = changes(JUDGE, *branches)
    assert (one.kind, one.grave) == ("no judge", True)
