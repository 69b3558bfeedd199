"""Errors of predictions against reference labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_mlff.metrics.registry import Metric
from pytest_mlff.units import REPORT_UNITS

if TYPE_CHECKING:
    from pytest_mlff.metrics.registry import Label


def _error(name: str, quantity: Label, title: str, per_species: bool, *, label: str = "") -> Metric:
    return Metric(
        name,
        REPORT_UNITS[quantity],
        title,
        f"pytest_mlff.metrics.errors:{name}",
        per_species=per_species,
        evidence="frames",
        labels=quantity,
        label=label,
    )


METRICS: Final = (
    _error(
        "energy_mae",
        "energy",
        "mean absolute error of the energy per atom",
        False,
        label="Energy MAE",
    ),
    _error("energy_rmse", "energy", "root mean square error of the energy per atom", False),
    _error(
        "force_mae", "forces", "mean absolute error of force components", True, label="Force MAE"
    ),
    _error("force_rmse", "forces", "root mean square error of force components", True),
    _error("stress_mae", "stress", "mean absolute error of stress components", False),
    _error("stress_rmse", "stress", "root mean square error of stress components", False),
)
"""Each is an `~pytest_mlff.metrics.errors.ErrorMetric` of the same name."""
