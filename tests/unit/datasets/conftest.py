"""Shared pieces of the tests of datasets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_mlff.datasets.dataset import Dataset
from pytest_mlff.datasets.frames import Frames

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """Folder of published data; only where the environment names one."""
    named = os.environ.get("MLFF_REFERENCE_DATA")
    if not named:
        pytest.skip("MLFF_REFERENCE_DATA does not name a folder of published data")
    return Path(named)


class MemorySource:
    """A dataset source whose frames are made up; x of atom 0 is the frame number."""

    name = "memory"

    def __init__(self, sizes: Mapping[str, int], *, time_ordered: bool = True) -> None:
        self.molecules = tuple(sizes)
        self.datasets = {
            molecule: _made_up(molecule, size, time_ordered) for molecule, size in sizes.items()
        }

    def species(self, molecule: str) -> tuple[str, ...]:
        return self.datasets[molecule].frames.species

    def load(self, molecule: str) -> Dataset:
        return self.datasets[molecule]


def _made_up(molecule: str, size: int, time_ordered: bool) -> Dataset:
    positions = np.zeros((size, 2, 3))
    positions[:, 0, 0] = np.arange(size)
    positions[:, 1, 1] = 1.0
    frames = Frames.of_one_molecule(
        np.array([6, 1]),
        positions,
        energy=np.arange(size, dtype=float),
        forces=np.zeros((size, 2, 3)),
        time_index=np.arange(size) * 10 if time_ordered else None,
    )
    return Dataset("memory", molecule, frames, "none", 0.5, "none", "memory", frames.digest)


@pytest.fixture(scope="session")
def memory_source() -> type[MemorySource]:
    return MemorySource


@pytest.fixture(scope="session")
def rmd17_file() -> Callable[..., dict[str, np.ndarray[Any, Any]]]:
    """Write a small file of rMD17's layout and return what it holds."""

    def write(
        path: Path, n_frames: int = 7, numbers: tuple[int, ...] = (6, 6, 8, 1), **changes: Any
    ) -> dict[str, np.ndarray[Any, Any]]:
        rng = np.random.default_rng(3)
        n_atoms = len(numbers)
        arrays: dict[str, Any] = {
            "nuclear_charges": np.array(numbers, dtype=np.uint8),
            "coords": rng.normal(size=(n_frames, n_atoms, 3)),
            "energies": rng.normal(size=n_frames) - 97000.0,
            "forces": rng.normal(size=(n_frames, n_atoms, 3)),
            "old_indices": rng.permutation(np.arange(n_frames) * 7 + 3),
            "old_energies": np.full(n_frames, np.nan),
            "old_forces": np.full((n_frames, n_atoms, 3), np.nan),
        }
        arrays |= changes
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
        return arrays

    return write
