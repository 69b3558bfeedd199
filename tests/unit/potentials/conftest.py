"""Fixtures: one tiny real NequIP model, trained once per run."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest
from support.tiny_nequip import (
    TYPE_NAMES,
    TinyNequip,
    embedded_frames,
    once_for_all_workers,
    package,
    tiny_checkpoint,
)

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.potentials import ModelOpensCodeWarning

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def tiny_nequip(request: pytest.FixtureRequest) -> TinyNequip:
    pytest.importorskip("nequip")
    checkpoint = tiny_checkpoint(request)
    name = "tiny.nequip.zip"

    def make(folder: Path) -> None:
        folder.mkdir()
        package(checkpoint, folder / name)

    return TinyNequip(
        checkpoint, once_for_all_workers(request, "tiny_package", make) / name, TYPE_NAMES, 4.0
    )


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
