"""What a pull request changes in a stored baseline."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.branches import FIRST, JUDGE, baseline, entry, series, told

from pytest_mlff.judge.changes import changes
from pytest_mlff.statistics.evidence import Pooled

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


def of_metric(metric: str, values: list[float]) -> dict[str, BaselineCase]:
    case = entry(CASE, values)
    return {CASE: replace(case, record=replace(case.record, metric=metric))}


@pytest.mark.parametrize(
    "metric, grave_if_lower, grave_if_higher",
    [("force_mae", False, True), ("force_gain", True, False), ("of_elsewhere", True, True)],
)
def test_the_worse_value_is_the_grave_one(
    branches: tuple[Path, Path], metric: str, grave_if_lower: bool, grave_if_higher: bool
) -> None:
    """Where larger is better a lower baseline asks for less; so may any of an unknown metric."""
    middle = [2.0, 3.0, 4.0, 3.0]
    for values, grave in (
        ([one - 1.0 for one in middle], grave_if_lower),
        ([one + 1.0 for one in middle], grave_if_higher),
    ):
        baseline(branches[0], of_metric(metric, middle))
        baseline(branches[1], of_metric(metric, values))
        (one,) = changes(JUDGE, *branches)
        assert one.grave == grave
        assert one.what.startswith(f"3 → {sum(values) / 4:g} ")
        if grave:
            assert one.size == pytest.approx(max(sum(values) / 12, 12 / sum(values)))


def test_one_system_of_several_with_other_values_is_an_edit(branches: tuple[Path, Path]) -> None:
    first, second = series([1.0, 2.0, 3.0, 2.0]), series([2.0, 4.0, 6.0, 4.0])
    for root, parts in zip(
        branches, ((first, second), (first, series([4.0, 2.0, 4.0, 6.0]))), strict=True
    ):
        case = entry(CASE, [3.0])
        baseline(root, {CASE: replace(case, record=replace(case.record, series=Pooled(parts)))})
    (one,) = changes(JUDGE, *branches)
    assert (one.what, one.grave) == ("per-frame values are others", True)


def test_an_entry_more_asks_for_more(branches: tuple[Path, Path]) -> None:
    more = "a/b/c/energy_mae"
    baseline(branches[1], {**FIRST, more: entry(more, [1.0, 2.0])})
    assert told(branches) == [f"stricter: baselines/model.json: {more}: is new"]


def test_frames_that_become_replicas_are_an_edit(branches: tuple[Path, Path]) -> None:
    """Beside a harmless edit, which would else be all that is told."""
    more = "a/b/c/energy_mae"
    case = FIRST[CASE]
    counted = replace(case.record.series, segments=(2, 2), independent=True)
    other = replace(case, record=replace(case.record, series=counted))
    baseline(branches[1], {CASE: other, more: entry(more, [1.0, 2.0])})
    assert told(branches) == [
        f"baseline: baselines/model.json: {CASE}: per-frame values are others",
        f"stricter: baselines/model.json: {more}: is new",
    ]
