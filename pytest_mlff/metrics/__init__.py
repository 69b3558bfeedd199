"""Metrics: what is measured of a prediction, and how surely."""

from __future__ import annotations

from pytest_mlff.metrics.errors import ERROR_METRICS, measure
from pytest_mlff.metrics.measurement import Measurement, measurement_of
from pytest_mlff.metrics.stability import bond_deviation
from pytest_mlff.metrics.structure import distance_distribution_mae, rdf_jsd, wright_factor
from pytest_mlff.metrics.violations import energy_violation, force_violation
from pytest_mlff.statistics.evidence import FrameSeries
from pytest_mlff.statistics.interval import MeanInterval, mean_interval

__all__ = [
    "ERROR_METRICS",
    "FrameSeries",
    "MeanInterval",
    "Measurement",
    "bond_deviation",
    "distance_distribution_mae",
    "energy_violation",
    "force_violation",
    "mean_interval",
    "measure",
    "measurement_of",
    "rdf_jsd",
    "wright_factor",
]
