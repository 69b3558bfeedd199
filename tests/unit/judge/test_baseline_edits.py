"""What a pull request changes in a stored baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.branches import JUDGE, baseline, entry, told

from pytest_mlff.judge.changes import changes

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlff.gate.baseline import BaselineCase


CASE = "a/b/c/force_mae"


@pytest.mark.parametrize(
    "cases, expected, grave",
    [
        ({CASE: entry(CASE, [2.0, 4.0, 6.0, 4.0])}, "2 → 4 meV/Å", True),
        ({CASE: entry(CASE, [1.0, 1.5, 2.0, 1.5])}, "2 → 1.5 meV/Å", False),
        # Lower, and so noisy that no worsening would be seen.
        ({CASE: entry(CASE, [0.0, 0.0, 0.0, 7.6])}, "with a larger spread", True),
        ({CASE: entry(CASE, [2.0, 1.0, 2.0, 3.0])}, "per-frame values are others", True),
        ({CASE: entry(CASE, [1.0, 1.5, 2.0, 1.5], data="other")}, "2 → 1.5 meV/Å, ", True),
        ({}, "is gone", True),
    ],
)  # fmt: skip
def test_edits_of_the_baseline(
    branches: tuple[Path, Path], cases: dict[str, BaselineCase], expected: str, grave: bool
) -> None:
    baseline(branches[1], cases)
    (one,) = changes(JUDGE, *branches)
    assert one.grave == grave
    assert expected in one.what
    assert one.where == f"baselines/model.json: {CASE}"


def test_a_baseline_that_is_gone_broken_or_new(branches: tuple[Path, Path]) -> None:
    base, head = branches
    path = head / "baselines" / "model.json"
    path.write_text("{}")
    assert "can no longer be read" in told(branches)[0]
    path.unlink()
    assert told(branches) == ["baseline: baselines/model.json: is gone"]
    assert [edit.grave for edit in changes(JUDGE, head, base)] == [False]
