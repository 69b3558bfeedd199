"""Nearest frames, against the full matrix of cosines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_mlff.errors import MlffError
from pytest_mlff.similarity import SoapSettings, nearest, soap_vectors

if TYPE_CHECKING:
    from pytest_mlff.datasets import Frames

pytest.importorskip("dscribe")

SMALL = SoapSettings(r_cut=4.0, n_max=3, l_max=2)


@pytest.mark.parametrize("k", [1, 3, 31])
@pytest.mark.parametrize("block, chunk", [(10**9, 10**9), (7, 5), (1, 1)])
def test_is_exact_whatever_the_blocks(aspirin: Frames, k: int, block: int, chunk: int) -> None:
    test, train = aspirin.select(slice(3600, 3620)), aspirin.select(slice(0, 310, 10))
    settings = SMALL.covering(aspirin)
    row = 8 * settings.size
    found = nearest(test, train, SMALL, k=k, block_bytes=block * row, chunk_bytes=chunk * row)
    cosines = soap_vectors(test, settings) @ soap_vectors(train, settings).T
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    np.testing.assert_allclose(
        found.similarity, np.take_along_axis(cosines, order, axis=1), atol=1e-14
    )
    picked = np.take_along_axis(cosines, found.index, axis=1)
    np.testing.assert_allclose(picked, found.similarity, atol=1e-14)
    assert all(len(set(row)) == k for row in found.index.tolist())
    assert np.array_equal(found.best, found.similarity[:, 0])


def test_a_frame_that_is_there_is_found(aspirin: Frames) -> None:
    train = aspirin.select(slice(0, 40))
    found = nearest(train.select([31, 5]), train, SMALL)
    assert found.index[:, 0].tolist() == [31, 5]
    np.testing.assert_allclose(found.best, 1.0, atol=1e-14)
    assert (found.best <= 1.0).all()


def test_of_equals_the_first(ethanol: Frames) -> None:
    train = ethanol.select([3, 8, 3, 3])
    settings = SMALL.covering(ethanol)
    # One training frame at a time, so that no product is rounded differently.
    found = nearest(ethanol.select([3]), train, settings, k=3, chunk_bytes=1)
    assert found.index.tolist() == [[0, 2, 3]]


def test_more_neighbours_than_frames_is_one_line(ethanol: Frames) -> None:
    with pytest.raises(MlffError, match="3 nearest frames asked for, the training set holds 2"):
        nearest(ethanol.select([0]), ethanol.select([0, 1]), SMALL, k=3)
