"""Errors outside of what was trained on, against those inside."""

from __future__ import annotations

from typing import Final

from pytest_mlff.metrics.registry import Metric

METRICS: Final = (
    Metric(
        "ood_ratio",
        "1",
        "error outside of the distribution trained on, over that inside",
        "pytest_mlff.metrics.ood:ood_ratio",
        needs={"frames", "predictions", "in_distribution"},
        label="error out over in",
    ),
)
