"""Similarity of two sets of frames: the mean of the cosines of all pairs.

With unit vectors p of the n frames of A and q of the m frames of B

    1/(n m) Σ_i Σ_j p_i·q_j = (1/n Σ_i p_i) · (1/m Σ_j q_j)

so the mean over all n·m pairs costs n + m vectors, exactly (Li et al., SAIBench-MLFF,
Fig. 4, plot this mean against the training window).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_mlff.errors import MlffError
from pytest_mlff.products import ARRAYS, Product, once
from pytest_mlff.similarity.soap import SoapSettings, soap_chunks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.store import Store

STORE_KIND: Final = "soap-mean"


def mean_vector(
    frames: Frames,
    settings: SoapSettings,
    *,
    store: Store | None = None,
    n_jobs: int = 1,
) -> NDArray[np.float64]:
    """Mean of the unit SOAP vectors of a set of frames; no unit vector itself.

    Memory is bounded by one chunk of vectors, whatever the number of frames.

    Parameters
    ----------
    frames : Frames
        At least one.
    settings : SoapSettings
        Must state its species if the mean is to be compared with another.
    store : Store, optional
        Where means are kept, under the digest of the structures, the settings and dscribe's
        version.
    n_jobs : int
        Processes.

    Returns
    -------
    ndarray of float64, shape (d,)

    Raises
    ------
    MlffError
        If there are no frames; further as :func:`~pytest_mlff.similarity.soap.soap_chunks`.
    """
    if len(frames) == 0:
        raise MlffError("a similarity needs at least one frame on either side")
    settings = settings.covering(frames)
    key = {**settings.key, "structures": frames.structure_digest, "layout": 1}

    def make() -> NDArray[np.float64]:
        total = np.zeros(settings.size)
        for vectors in soap_chunks(frames, settings, n_jobs=n_jobs):
            total += vectors.sum(axis=0)
        return total / len(frames)

    def back(arrays: Mapping[str, Any]) -> NDArray[np.float64]:
        if arrays["mean"].shape != (settings.size,):
            raise ValueError(f"the mean has {arrays['mean'].shape} instead of {settings.size}")
        return np.asarray(arrays["mean"], dtype=np.float64)

    if store is None:
        return make()
    form = ARRAYS.of(lambda mean: {"mean": mean}, back)
    return once(store, Product(STORE_KIND, key, form, make=make))


def similarity(
    a: Frames,
    b: Frames,
    settings: SoapSettings | None = None,
    store: Store | None = None,
    *,
    n_jobs: int = 1,
) -> float:
    """Mean cosine over all pairs of a frame of ``a`` and a frame of ``b``.

    Parameters
    ----------
    a, b : Frames
        At least one frame each.
    settings : SoapSettings, optional
        Where it states no species, those of both sets are taken; the result does not depend
        on further ones.
    store : Store, optional
        Where mean vectors are kept.
    n_jobs : int
        Processes.

    Returns
    -------
    float
        Dimensionless, at most 1.

    Raises
    ------
    MlffError
        As :func:`mean_vector`.
    """
    settings = (settings or SoapSettings()).covering(a, b)
    means = [mean_vector(frames, settings, store=store, n_jobs=n_jobs) for frames in (a, b)]
    return float(means[0] @ means[1])
