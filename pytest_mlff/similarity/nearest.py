"""Each frame's most similar frames of another set: exact, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_mlff.errors import MlffError
from pytest_mlff.similarity.soap import CHUNK_BYTES, SoapSettings, soap_chunks, soap_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames

BLOCK_BYTES: Final = 256 * 2**20
"""Vectors of the test frames that are held at once take at most so many bytes."""


@dataclass(frozen=True, eq=False)
class Nearest:
    """The nearest training frames of each test frame.

    Attributes
    ----------
    similarity : ndarray of float64, shape (n_test, k)
        Cosines, descending within a row, at most 1.
    index : ndarray of int64, shape (n_test, k)
        The training frames they belong to; of equal ones the first.
    """

    similarity: NDArray[np.float64]
    index: NDArray[np.int64]

    @property
    def best(self) -> NDArray[np.float64]:
        """Cosine with the nearest training frame, shape (n_test,)."""
        best: NDArray[np.float64] = self.similarity[:, 0]
        return best


def _merge(
    found: Nearest, block: NDArray[np.float64], vectors: NDArray[np.float64], first: int
) -> Nearest:
    """What was found so far and the training frames from ``first`` on, the k largest of both."""
    k = found.similarity.shape[1]
    values = np.empty((len(block), k + len(vectors)))
    # What was found before stands first, so that it wins over equals.
    values[:, :k] = found.similarity
    values[:, k:] = block @ vectors.T
    rows = np.arange(len(block))
    top, which = np.empty_like(found.similarity), np.empty_like(found.index)
    for rank in range(k):
        place = values.argmax(axis=1)
        top[:, rank] = values[rows, place]
        which[:, rank] = np.where(
            place < k, found.index[rows, np.minimum(place, k - 1)], first + place - k
        )
        values[rows, place] = -np.inf
    return Nearest(top, which)


def nearest(
    test: Frames,
    train: Frames,
    settings: SoapSettings | None = None,
    *,
    k: int = 1,
    block_bytes: int = BLOCK_BYTES,
    chunk_bytes: int = CHUNK_BYTES,
    n_jobs: int = 1,
    progress: Callable[[int], object] | None = None,
) -> Nearest:
    """Find the k most similar training frames of each test frame.

    Test vectors are held block by block, training vectors stream past them, and each pair
    is looked at. As long as the test frames fill no more than one block (16,000 frames of
    three species), each vector is made once; beyond that the training vectors are made once
    per block.

    Parameters
    ----------
    test, train : Frames
        At least k training frames.
    settings : SoapSettings, optional
        Where it states no species, those of both sets are taken.
    k : int
        Neighbours.
    block_bytes, chunk_bytes : int
        Most bytes of test vectors held at once, and of training vectors beside them.
    n_jobs : int
        Processes.
    progress : callable, optional
        Called with the number of frames described after each block and chunk.

    Raises
    ------
    MlffError
        If k is not within 1 … n_train; further as
        :func:`~pytest_mlff.similarity.soap.soap_chunks`.
    """
    if not 1 <= k <= len(train):
        raise MlffError(f"{k} nearest frames asked for, the training set holds {len(train)}")
    settings = (settings or SoapSettings()).covering(test, train)
    step = max(1, block_bytes // (8 * settings.size))
    tops, labels = [np.zeros((0, k))], [np.zeros((0, k), dtype=np.int64)]
    for start in range(0, len(test), step):
        part = test.select(slice(start, min(start + step, len(test))))
        block = soap_vectors(part, settings, n_jobs=n_jobs)
        if progress is not None:
            progress(len(block))
        found = Nearest(
            np.full((len(block), k), -np.inf), np.zeros((len(block), k), dtype=np.int64)
        )
        done = 0
        for vectors in soap_chunks(train, settings, chunk_bytes=chunk_bytes, n_jobs=n_jobs):
            found = _merge(found, block, vectors, done)
            done += len(vectors)
            if progress is not None:
                progress(len(vectors))
        tops.append(found.similarity)
        labels.append(found.index)
    # A cosine may exceed 1 by rounding.
    return Nearest(np.minimum(np.concatenate(tops), 1.0), np.concatenate(labels))
