"""How like the test frames are to the training frames."""

from __future__ import annotations

from typing import Any, Final

from pytest_mlff.errors import NotSupportedError
from pytest_mlff.metrics.registry import Metric


def _similarity(inputs: Any) -> Any:
    from pytest_mlff.metrics.measurement import Measurement
    from pytest_mlff.similarity.windows import similarity

    train, test = inputs.training_frames, inputs.frames
    if train is None:
        raise NotSupportedError("the spec cuts no training frames to compare with")
    return Measurement(
        similarity(train, test, store=inputs.store), "1", len(test), len(test.numbers)
    )


METRICS: Final = (
    Metric(
        "soap_similarity",
        "1",
        "mean cosine of SOAP vectors of test and training frames",
        _similarity,
        needs={"frames", "training_frames"},
        larger_is_better=True,
        label="SOAP similarity",
        foretells="force_mae",
    ),
)
