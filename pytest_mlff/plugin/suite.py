"""The generic test functions that every spec is collected as."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_mlff.run.planned_case import PlannedCase


def test_data(mlff_case: PlannedCase, _mlff_conclude: Callable[[PlannedCase], None]) -> None:
    """The frames of a variant are what the spec takes them for, before any model runs."""
    _mlff_conclude(mlff_case)


def test_accuracy(mlff_case: PlannedCase, _mlff_conclude: Callable[[PlannedCase], None]) -> None:
    """An error of the model on the test frames is finite and within its threshold."""
    _mlff_conclude(mlff_case)


def test_law(mlff_case: PlannedCase, _mlff_conclude: Callable[[PlannedCase], None]) -> None:
    """The model keeps a physical law within what rounding accounts for."""
    _mlff_conclude(mlff_case)
