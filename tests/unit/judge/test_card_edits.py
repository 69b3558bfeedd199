"""What a model card excuses judges the model, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.branches import CARD

from pytest_mlff.judge.changes import Judge, changes

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "old, new, expected",
    [
        ("capabilities", "timeout: 5\nname: new\ncapabilities", []),
        ("known_violations:", "known_violations:\n  - {law: rotation, reason: none}",
         ["model card: card.yaml: known violation of rotation added: none"]),
        ("known_violations:\n  - {law: memory, reason: keeps what it saw}\n", "",
         ["stricter: card.yaml: known violation of memory removed"]),
        ("stress: false", "periodic: false",
         ["model card: card.yaml: capability periodic taken back",
          "stricter: card.yaml: capability stress added"]),
        ("capabilities", "level: B3LYP\ncapabilities",
         ["model card: card.yaml: level not stated → B3LYP"]),
    ],
)  # fmt: skip
def test_what_a_card_excuses_judges(
    branches: tuple[Path, Path], old: str, new: str, expected: list[str]
) -> None:
    base, head = branches
    judge = Judge(("quick",), models=("card.yaml",))
    (base / "card.yaml").write_text(CARD)
    (head / "card.yaml").write_text(CARD.replace(old, new))
    edits = changes(judge, base, head)
    assert [str(edit) for edit in edits] == expected
    assert [edit.grave for edit in edits] == ["model card" in one for one in expected]
    # A card that the base branch does not have brings excuses that nobody has accepted.
    (base / "card.yaml").unlink()
    (head / "card.yaml").write_text(CARD)
    assert all(edit.grave for edit in changes(judge, base, head))
    assert len(changes(judge, base, head)) == 2


@pytest.mark.parametrize("name", ["card.yml", "card.YAML"])
def test_a_card_is_one_by_any_of_its_suffixes(branches: tuple[Path, Path], name: str) -> None:
    base, head = branches
    (base / name).write_text("model: model.py:make\n")
    (head / name).write_text(CARD)
    edits = changes(Judge(("quick",), models=(name,)), base, head)
    assert sum(edit.grave for edit in edits) == 2
