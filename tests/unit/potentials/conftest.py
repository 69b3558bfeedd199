"""Fixtures: one tiny real NequIP model, trained once per session."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest
from support.tiny_nequip import TYPE_NAMES, TinyNequip, embedded_frames, package, train

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.potentials import ModelOpensCodeWarning

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def tiny_nequip(tmp_path_factory: pytest.TempPathFactory) -> TinyNequip:
    pytest.importorskip("nequip")
    folder = tmp_path_factory.mktemp("tiny_nequip")
    frames = Frames.concatenate(
        [embedded_frames("ethanol", 30), embedded_frames("malonaldehyde", 30)]
    )
    checkpoint = train(folder / "run", frames)
    packaged = package(checkpoint, folder / "tiny.nequip.zip")
    return TinyNequip(checkpoint, packaged, TYPE_NAMES, 4.0)


@pytest.fixture(scope="session")
def molecules() -> Frames:
    """A few frames of two molecules, sizes interleaved."""
    frames = Frames.concatenate(
        [embedded_frames("ethanol", 6, start=7), embedded_frames("malonaldehyde", 6, start=11)]
    )
    order = [0, 6, 1, 7, 8, 2, 3, 9, 10, 4, 11, 5]
    return frames.select(order).without_labels()


@pytest.fixture
def quiet() -> Iterator[None]:
    """For tests that open trusted files and are not about the warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ModelOpensCodeWarning)
        yield
