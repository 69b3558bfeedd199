"""Direction of forces."""

from __future__ import annotations

from typing import Final

from pytest_mlff.metrics.registry import Metric

__all__ = ["METRICS"]

METRICS: Final = (
    Metric(
        "force_cosine",
        "1",
        "mean cosine between predicted and reference forces of atoms",
        "pytest_mlff.metrics.force_cosine:force_cosine",
        larger_is_better=True,
        per_species=True,
        evidence="frames",
        labels="forces",
    ),
)
