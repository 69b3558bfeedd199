"""Metrics: what is measured of a prediction, and how surely.

Each name is imported when it is asked for: specs read the registry, which is light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_mlff.metrics.errors import measure
    from pytest_mlff.metrics.inputs import Inputs
    from pytest_mlff.metrics.law import law_metric
    from pytest_mlff.metrics.measurement import Measurement, measurement_of
    from pytest_mlff.metrics.registry import Metric
    from pytest_mlff.metrics.stability import bond_deviation
    from pytest_mlff.metrics.structure import distance_distribution_mae, rdf_jsd, wright_factor
    from pytest_mlff.metrics.violations import energy_violation, force_violation
    from pytest_mlff.statistics.evidence import FrameSeries
    from pytest_mlff.statistics.interval import MeanInterval, mean_interval

__all__ = [
    "FrameSeries",
    "Inputs",
    "MeanInterval",
    "Measurement",
    "Metric",
    "bond_deviation",
    "distance_distribution_mae",
    "energy_violation",
    "force_violation",
    "law_metric",
    "mean_interval",
    "measure",
    "measurement_of",
    "rdf_jsd",
    "wright_factor",
]

_HOMES = {
    "FrameSeries": "pytest_mlff.statistics.evidence",
    "Inputs": "pytest_mlff.metrics.inputs",
    "MeanInterval": "pytest_mlff.statistics.interval",
    "Measurement": "pytest_mlff.metrics.measurement",
    "Metric": "pytest_mlff.metrics.registry",
    "bond_deviation": "pytest_mlff.metrics.stability",
    "distance_distribution_mae": "pytest_mlff.metrics.structure",
    "energy_violation": "pytest_mlff.metrics.violations",
    "force_violation": "pytest_mlff.metrics.violations",
    "law_metric": "pytest_mlff.metrics.law",
    "mean_interval": "pytest_mlff.statistics.interval",
    "measure": "pytest_mlff.metrics.errors",
    "measurement_of": "pytest_mlff.metrics.measurement",
    "rdf_jsd": "pytest_mlff.metrics.structure",
    "wright_factor": "pytest_mlff.metrics.structure",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
