"""Direction of forces."""

from __future__ import annotations

from typing import Final

from pytest_mlff.metrics.registry import Metric

METRICS: Final = (
    Metric(
        "force_cosine",
        "1",
        "mean cosine between predicted and reference forces of atoms",
        "pytest_mlff.metrics.force_cosine:force_cosine",
        larger_is_better=True,
        per_species=True,
        # Near one, what counts is the distance to one: a change relative to the cosine itself
        # hides it, so thresholds judge the cosine and baselines do not.
        evidence="none",
        labels="forces",
    ),
)
