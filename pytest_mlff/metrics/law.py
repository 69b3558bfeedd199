"""A physical law as a metric: its value is the excess."""

from __future__ import annotations

from typing import Any

from pytest_mlff.metrics.registry import Metric


def law_metric(name: str, title: str, law: Any) -> Metric:
    """The metric of a law; the law, or where it is, as ``"module:name"``."""
    return Metric(
        name,
        "1",
        f"law: {title}",
        "pytest_mlff.laws.measuring:measure_law",
        needs={"frames", "potential"},
        kind="law",
        subject=law,
    )
