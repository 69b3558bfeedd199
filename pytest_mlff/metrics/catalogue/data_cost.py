"""What cheap data save: errors held against those of a model of accurate data alone, and costs."""

from __future__ import annotations

from typing import Final

from pytest_mlff.metrics.registry import Metric

_PLACE: Final = "pytest_mlff.metrics.data_cost"

METRICS: Final = (
    Metric(
        "force_gain",
        "%",
        "how much smaller the force MAE is than that of accurate data alone",
        f"{_PLACE}:force_gain",
        needs=("predictions",),
        larger_is_better=True,
        evidence="replicates",
    ),
    Metric(
        "frames_saved",
        "1",
        "accurate frames that accurate data alone need more for the same force MAE",
        f"{_PLACE}:frames_saved",
        needs=("predictions",),
        larger_is_better=True,
        evidence="replicates",
    ),
    Metric(
        "training_cost",
        "core-s",
        "processor time of the training, all stages before it and their labels",
        f"{_PLACE}:training_cost",
        needs=("predictions",),
    ),
)
