"""Frames sorted into stacks of one composition, each frame with its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.dataset import Dataset
    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.datasets.integrity.result import FrameName
    from pytest_mlff.datasets.splits import FrameSets, IndexSet


@dataclass(frozen=True, eq=False)
class SystemFrames:
    """Frames with the same sequence of species and the same periodic directions.

    Attributes
    ----------
    numbers : ndarray of int64, shape (n_atoms,)
        Atomic numbers.
    pbc : ndarray of bool, shape (3,)
        Periodic directions.
    positions : ndarray, shape (n_frames, n_atoms, 3)
        Å.
    cell : ndarray, shape (n_frames, 3, 3)
        Å.
    molecules : tuple of str
        Molecule of each frame.
    numbering : ndarray of int64, shape (n_frames,)
        Position of each frame in its molecule's dataset.
    energy : ndarray, shape (n_frames,), optional
        eV.
    forces : ndarray, shape (n_frames, n_atoms, 3), optional
        eV/Å.
    """

    numbers: NDArray[np.int64]
    pbc: NDArray[np.bool_]
    positions: NDArray[np.float64]
    cell: NDArray[np.float64]
    molecules: tuple[str, ...]
    numbering: NDArray[np.int64]
    energy: NDArray[np.float64] | None = None
    forces: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.positions)

    @cached_property
    def key(self) -> tuple[bytes, bytes]:
        """Equal for groups whose frames can be compared."""
        return self.numbers.tobytes(), self.pbc.tobytes()

    @property
    def periodic(self) -> bool:
        """Whether any direction is periodic."""
        return bool(self.pbc.any())

    def name(self, index: int) -> FrameName:
        """Molecule and number of one frame."""
        return self.molecules[index], int(self.numbering[index])


def _groups(frames: Frames, molecule: str, numbering: NDArray[np.int64]) -> Iterator[SystemFrames]:
    for n_atoms in np.unique(frames.counts):
        alike = np.flatnonzero(frames.counts == n_atoms)
        part = frames.select(alike)
        # Frames without a label make groups of their own, which label checks pass by.
        labelled = np.stack([part.labelled("energy"), part.labelled("forces")], axis=1)
        rows = np.concatenate(
            [part.numbers.reshape(len(part), n_atoms), part.pbc, labelled], axis=1
        )
        kinds, kind_of = np.unique(rows, axis=0, return_inverse=True)
        for kind in range(len(kinds)):
            chosen = np.flatnonzero(kind_of.reshape(-1) == kind)
            one = part if len(kinds) == 1 else part.select(chosen)
            shape = (len(one), int(n_atoms), 3)
            yield SystemFrames(
                numbers=one.numbers[:n_atoms],
                pbc=one.pbc[0],
                positions=one.positions.reshape(shape),
                cell=one.cell,
                molecules=(molecule,) * len(one),
                numbering=numbering[alike[chosen]],
                energy=one.energy if labelled[chosen[0], 0] else None,
                forces=(
                    one.forces.reshape(shape)
                    if one.forces is not None and labelled[chosen[0], 1]
                    else None
                ),
            )


def _joined(first: SystemFrames, second: SystemFrames) -> SystemFrames:
    def both(one: NDArray[Any] | None, other: NDArray[Any] | None) -> Any:
        return None if one is None or other is None else np.concatenate([one, other])

    return SystemFrames(
        numbers=first.numbers,
        pbc=first.pbc,
        positions=both(first.positions, second.positions),
        cell=both(first.cell, second.cell),
        molecules=first.molecules + second.molecules,
        numbering=both(first.numbering, second.numbering),
        energy=both(first.energy, second.energy),
        forces=both(first.forces, second.forces),
    )


def group_set(chosen: IndexSet) -> dict[tuple[bytes, bytes], SystemFrames]:
    """Frames of a set by composition; molecules of one composition share a group."""
    found: dict[tuple[bytes, bytes], SystemFrames] = {}
    for molecule, positions in chosen.indices.items():
        frames = chosen.datasets[molecule].frames.select(positions)
        for group in _groups(frames, molecule, np.asarray(positions, dtype=np.int64)):
            known = found.get(group.key)
            found[group.key] = group if known is None else _joined(known, group)
    return found


def group_dataset(molecule: str, dataset: Dataset) -> list[SystemFrames]:
    """All frames of a dataset by composition, in the order of the dataset."""
    return list(_groups(dataset.frames, molecule, np.arange(len(dataset.frames))))


def present_sets(sets: FrameSets) -> dict[str, IndexSet]:
    """The sets that exist, by the name that messages give them."""
    return {("training" if name == "train" else name): one for name, one in sets.named.items()}


def datasets_of(sets: FrameSets) -> Mapping[str, Dataset]:
    """Every dataset that some set takes frames from, by molecule, and dataset where two differ."""
    found: dict[str, Dataset] = {}
    for part in sets.named.values():
        for molecule in part.indices:
            dataset = part.datasets[molecule]
            known = found.setdefault(molecule, dataset)
            if known.digest != dataset.digest:
                found[f"{dataset.name}/{molecule}"] = dataset
    return found
