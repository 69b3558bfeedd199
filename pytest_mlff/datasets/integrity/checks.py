"""All checks by id."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pytest_mlff.datasets.integrity.energy_force import energy_force_consistency
from pytest_mlff.datasets.integrity.overlap import (
    duplicate_frames,
    train_test_overlap,
    validation_test_overlap,
)
from pytest_mlff.datasets.integrity.species import known_species
from pytest_mlff.datasets.integrity.time_order import time_order
from pytest_mlff.datasets.integrity.unit_scale import unit_scale
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_mlff.datasets.integrity.result import IntegrityResult
    from pytest_mlff.datasets.splits import FrameSets

__all__ = ["CHECKS", "check_integrity"]

CHECKS: Final[Mapping[str, Callable[[FrameSets], IntegrityResult]]] = MappingProxyType(
    {
        "train_test_overlap": train_test_overlap,
        "validation_test_overlap": validation_test_overlap,
        "duplicate_frames": duplicate_frames,
        "time_order": time_order,
        "energy_force_consistency": energy_force_consistency,
        "unit_scale": unit_scale,
        "known_species": known_species,
    }
)
"""Id to check. Overlaps, duplicates, order and species count frames (0 is sound); the other
two have an excess (at most 1 is sound)."""


def check_integrity(name: str, sets: FrameSets) -> IntegrityResult:
    """Run one check on the frames of a fixture variant.

    Parameters
    ----------
    name : str
        Id in :data:`CHECKS`.
    sets : FrameSets
        From :func:`pytest_mlff.datasets.cut`.

    Raises
    ------
    MlffError
        If there is no such check.
    NotSupportedError
        If the data cannot tell; the message says why, with numbers.
    """
    check = CHECKS.get(name)
    if check is None:
        raise MlffError(f"unknown data check {name!r}; choose one of {', '.join(CHECKS)}")
    return check(sets)
