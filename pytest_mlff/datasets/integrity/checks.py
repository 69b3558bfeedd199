"""A check of data by its id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlff.errors import MlffError
from pytest_mlff.metrics.registry import metrics

if TYPE_CHECKING:
    from pytest_mlff.datasets.integrity.result import IntegrityResult
    from pytest_mlff.datasets.splits import FrameSets


def check_integrity(name: str, sets: FrameSets) -> IntegrityResult:
    """Run one check on the frames of a fixture variant.

    Parameters
    ----------
    name : str
        Id of a metric of kind ``data``.
    sets : FrameSets
        From :func:`pytest_mlff.datasets.cut`.

    Raises
    ------
    MlffError
        If there is no such check.
    NotSupportedError
        If the data cannot tell; the message says why, with numbers.
    """
    checks = metrics("data")
    if name not in checks:
        raise MlffError(f"unknown data check {name!r}; choose one of {', '.join(checks)}")
    found: IntegrityResult = checks[name].resolved()(sets)
    return found
