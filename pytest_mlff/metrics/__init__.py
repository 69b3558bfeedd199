"""Metrics: what is measured of a prediction, and how surely."""

from __future__ import annotations

from pytest_mlff.metrics.errors import ERROR_METRICS, measure
from pytest_mlff.metrics.interval import MeanInterval, mean_interval
from pytest_mlff.metrics.measurement import FrameSeries, Measurement, measurement_of

__all__ = [
    "ERROR_METRICS",
    "FrameSeries",
    "MeanInterval",
    "Measurement",
    "mean_interval",
    "measure",
    "measurement_of",
]
