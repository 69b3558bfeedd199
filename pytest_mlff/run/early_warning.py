"""Whether similarity to the training frames foretells a model's error, frame by frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlff.errors import MissingExtraError
from pytest_mlff.products import ARRAYS, Product, once

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.statistics.evidence import FrameSeries
    from pytest_mlff.store import Store

_KIND = "soap-nearest"


def _best(test: Frames, train: Frames, store: Store) -> NDArray[np.float64]:
    from pytest_mlff.similarity import SoapSettings, nearest

    settings = SoapSettings().covering(test, train)
    key = {
        "test": test.structure_digest,
        "train": train.structure_digest,
        "settings": settings.key,
    }
    form = ARRAYS.of(lambda best: {"best": best}, lambda arrays: _of_length(arrays["best"], test))
    return once(store, Product(_KIND, key, form, make=lambda: nearest(test, train, settings).best))


def _of_length(best: NDArray[np.float64], frames: Frames) -> NDArray[np.float64]:
    if best.shape != (len(frames),):
        raise ValueError(f"{len(best)} values for {len(frames)} frames")
    return best


def foresight(
    test: Frames, train: Frames, series: FrameSeries, store: Store
) -> dict[str, float | int | str]:
    """Evidence for a case: does a frame unlike the training frames have a larger error?

    Parameters
    ----------
    test, train : Frames
        Frames of the variant.
    series : FrameSeries
        Errors of the test frames.
    store : Store
        Where similarities are kept.

    Returns
    -------
    dict
        Spearman's correlation of dissimilarity (1 - SOAP cosine with the nearest training
        frame) and error, and the area under the ROC curve for the worst tenth of the frames
        (SAIBench-MLFF proposes similarity as the early warning), each with a 95 % interval where
        there are enough frames. Empty where dscribe is not installed.
    """
    from pytest_mlff.similarity import warning_quality

    try:
        best = _best(test, train, store)
    except MissingExtraError:
        return {}
    quality = warning_quality(best[series.order], series.per_frame, segments=series.segments)
    found = {
        "warning_correlation": quality.correlation,
        "warning_correlation_low": quality.correlation_low,
        "warning_correlation_high": quality.correlation_high,
        "warning_auc": quality.auc,
        "warning_auc_low": quality.auc_low,
        "warning_auc_high": quality.auc_high,
    }
    return {name: value for name, value in found.items() if value is not None}
