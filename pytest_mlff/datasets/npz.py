"""Reading npz files of one composition: rMD17, MD17/sGDML and plain arrays.

The layout is told by the keys, not by the file name. Only the arrays that are needed
are decoded, so extra keys of any type do no harm, and nothing is ever unpickled.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlff.datasets.archive import array_of, open_archive
from pytest_mlff.datasets.conversion import (
    KCAL_MOL_ANGSTROM,
    FileUnits,
    parse_units,
)
from pytest_mlff.datasets.frames import Frames
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["LAYOUTS", "Layout", "NpzContent", "read_npz", "read_npz_numbers"]


@dataclass(frozen=True)
class Layout:
    """Keys of one family of npz files.

    Attributes
    ----------
    name : str
        What messages call it.
    numbers, positions, energy, forces : str
        Keys of the arrays that every such file has.
    order : str or None
        Key of the MD step of each frame, where frames are stored out of order.
    units : FileUnits or None
        Units that the family is published in; None where files differ.
    """

    name: str
    numbers: str
    positions: str
    energy: str
    forces: str
    order: str | None = None
    units: FileUnits | None = None

    @property
    def required(self) -> tuple[str, ...]:
        """Keys without which a file is not of this layout."""
        keys = (self.numbers, self.positions, self.energy, self.forces)
        return keys if self.order is None else (*keys, self.order)


LAYOUTS: Mapping[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout(
            "rmd17", "nuclear_charges", "coords", "energies", "forces",
            order="old_indices", units=KCAL_MOL_ANGSTROM,
        ),
        Layout("md17", "z", "R", "E", "F", units=KCAL_MOL_ANGSTROM),
        Layout("arrays", "numbers", "positions", "energy", "forces"),
        Layout("pyg", "z", "pos", "energy", "forces"),
    )
}  # fmt: skip
"""Known layouts: ``md17`` is also sGDML's, ``arrays`` is what ``mlff data export`` writes,
``pyg`` carries PyTorch Geometric's names."""


@dataclass(frozen=True, eq=False)
class NpzContent:
    """What was read from an npz file.

    Attributes
    ----------
    frames : Frames
        eV and Å. Sorted by the layout's order key, where it has one.
    layout : Layout
        The layout that was recognised.
    rank : ndarray of int64, shape (n_frames,)
        Position in ``frames`` of each position in the file.
    level_of_theory : str or None
        Where the file states it (``theory``).
    index_sets : mapping of str to ndarray of int64
        Published splits as positions in ``frames``.
    duplicates : ndarray of int64
        MD steps that occur more than once.
    """

    frames: Frames
    layout: Layout
    rank: NDArray[np.int64]
    level_of_theory: str | None = None
    index_sets: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    duplicates: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


class _Archive:
    """An open npz file whose faults are one-line errors naming the file."""

    def __init__(self, path: Path, archive: Any) -> None:
        self.path = path
        self.keys = tuple(archive.files)
        self._archive = archive

    def array(self, key: str) -> NDArray[Any]:
        try:
            return array_of(self._archive, key)
        except ValueError as error:
            raise MlffError(f"{self.path}: {error}") from error

    def numeric(self, key: str, kinds: str = "fiu") -> NDArray[Any]:
        array = self.array(key)
        if array.dtype.kind not in kinds:
            raise MlffError(f"{self.path}: {key!r} holds {array.dtype}, not numbers")
        return array

    def text(self, key: str) -> str | None:
        """A scalar string (str or bytes), or None."""
        if key not in self.keys:
            return None
        try:
            value = array_of(self._archive, key)
        except ValueError:  # an extra key of a strange type: as good as absent
            return None
        if value.dtype.kind not in "SU" or value.size != 1:
            return None
        scalar = value.reshape(-1)[0]
        return scalar.decode(errors="replace") if isinstance(scalar, bytes) else str(scalar)


@contextmanager
def _opened(path: Path) -> Iterator[_Archive]:
    if not path.is_file():
        kind = "a directory, not a file" if path.is_dir() else "no such file"
        raise MlffError(f"{path}: {kind}")
    try:
        archive = open_archive(path, path.stat().st_size)
    except (OSError, ValueError) as error:
        raise MlffError(f"{path}: {error}") from error
    with archive:
        yield _Archive(path, archive)


def _recognise(archive: _Archive, wanted: str | None) -> Layout:
    found = ", ".join(archive.keys) or "no arrays"
    if wanted is not None:
        layout = LAYOUTS[wanted]
        if all(key in archive.keys for key in layout.required):
            return layout
        raise MlffError(
            f"{archive.path}: expected the keys {', '.join(layout.required)}; found {found}"
        )
    for layout in LAYOUTS.values():
        if all(key in archive.keys for key in layout.required):
            return layout
    expected = "; or ".join(
        f"{', '.join(layout.required)} ({layout.name})" for layout in LAYOUTS.values()
    )
    raise MlffError(f"{archive.path}: expected the keys {expected}; found {found}")


def _numbers(archive: _Archive, layout: Layout) -> NDArray[np.int64]:
    numbers = archive.numeric(layout.numbers, "iu")
    if numbers.ndim == 2 and len(numbers) and (numbers == numbers[0]).all():
        numbers = numbers[0]
    if numbers.ndim != 1 or not len(numbers):
        raise MlffError(
            f"{archive.path}: {layout.numbers!r} has shape {numbers.shape}; expected one atomic "
            "number per atom, the same for all frames"
        )
    if numbers.min() < 1 or numbers.max() > 118:
        raise MlffError(f"{archive.path}: {layout.numbers!r} holds values that are no elements")
    return numbers.astype(np.int64)


def _shaped(
    archive: _Archive, key: str, shape: tuple[int | None, ...], what: str
) -> NDArray[np.float64]:
    array = archive.numeric(key)
    fits = array.ndim == len(shape) and all(
        want is None or want == have for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("frames" if want is None else str(want) for want in shape)
        raise MlffError(f"{archive.path}: {key!r} has shape {array.shape}, expected ({wanted})")
    array = array.astype(np.float64)
    if not len(array):
        raise MlffError(f"{archive.path}: holds no frames")
    bad = ~np.isfinite(array).reshape(len(array), -1).all(axis=1)
    if bad.any():
        raise MlffError(
            f"{archive.path}: {key!r} ({what}) is not finite in {int(bad.sum())} of {len(array)} "
            f"frames, first in frame {int(np.argmax(bad))}"
        )
    return array


def _units(archive: _Archive, layout: Layout, told: FileUnits | None) -> FileUnits:
    """Units told by the user, else by the file itself, else by the family."""
    stated = None
    energy, length = archive.text("e_unit"), archive.text("r_unit")
    if energy is not None:
        try:
            stated = parse_units(energy if length is None else f"{energy}, {length}", "")
        except MlffError:
            # Files carry free text here ("unknown"); it then says nothing.
            stated = None
    if told is not None and stated is not None and told != stated:
        raise MlffError(f"{archive.path}: states its units as {stated}, but the spec says {told}")
    units = told or stated or layout.units
    if units is None:
        raise MlffError(
            f"{archive.path}: the file does not say its units; set `units` beside its path, "
            "e.g. units: eV"
        )
    return units


def _energies(archive: _Archive, layout: Layout, n_frames: int) -> NDArray[np.float64]:
    if archive.numeric(layout.energy).shape == (n_frames, 1):
        return _shaped(archive, layout.energy, (n_frames, 1), "energies")[:, 0]
    return _shaped(archive, layout.energy, (n_frames,), "energies")


def _cells(archive: _Archive, frames: Frames, scale: float) -> Frames:
    """Add the cell of periodic files: key ``cell``, one for all frames or one per frame."""
    if "cell" not in archive.keys:
        return frames
    cell = archive.numeric("cell").astype(np.float64) * scale
    n_frames = len(frames)
    if cell.shape == (3, 3):
        cell = np.broadcast_to(cell, (n_frames, 3, 3))
    if cell.shape != (n_frames, 3, 3):
        raise MlffError(
            f"{archive.path}: 'cell' has shape {cell.shape}, expected (3, 3) or ({n_frames}, 3, 3)"
        )
    pbc = np.abs(cell).sum(axis=2) > 0
    if "pbc" in archive.keys:
        stated = archive.numeric("pbc", "biu").astype(bool)
        if stated.shape not in ((3,), (n_frames, 3)):
            raise MlffError(
                f"{archive.path}: 'pbc' has shape {stated.shape}, expected (3,) or ({n_frames}, 3)"
            )
        pbc = np.broadcast_to(stated, (n_frames, 3))
    return Frames(
        numbers=frames.numbers,
        positions=frames.positions,
        counts=frames.counts,
        cell=np.array(cell),
        pbc=np.array(pbc),
        energy=frames.energy,
        forces=frames.forces,
        time_index=frames.time_index,
    )


_INDEX_SET = re.compile(r"^(train|test|validation|valid)_idx_(\d+)$")


def _time_index(archive: _Archive, n_frames: int) -> NDArray[np.int64]:
    steps = archive.numeric("time_index", "iu").reshape(-1).astype(np.int64)
    if len(steps) != n_frames or (np.diff(steps) <= 0).any():
        raise MlffError(
            f"{archive.path}: 'time_index' must rise strictly and have one entry for each of "
            f"{n_frames} frames"
        )
    return steps


def _index_sets(archive: _Archive, rank: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Published splits, mapped from positions in the file to positions in the sorted frames."""
    sets: dict[str, NDArray[np.int64]] = {}
    for key in archive.keys:
        match = _INDEX_SET.match(key)
        if match is None:
            continue
        positions = archive.numeric(key, "iu").reshape(-1).astype(np.int64)
        if positions.size and (positions.min() < 0 or positions.max() >= len(rank)):
            raise MlffError(
                f"{archive.path}: index set {key!r} reaches from {positions.min()} to "
                f"{positions.max()}, the file holds frames 0 to {len(rank) - 1}"
            )
        sets[f"{match[1]}_{match[2]}"] = rank[positions]
    return sets


def read_npz(
    path: Path, *, layout: str | None = None, units: FileUnits | None = None
) -> NpzContent:
    """Read an npz file of one composition.

    Frames come in time order where the file gives one (``old_indices`` of rMD17,
    ``time_index`` of the layout ``arrays``; then ``time_index`` is set), otherwise in the
    order of the file with ``time_index`` None.

    Parameters
    ----------
    path : Path
        The file.
    layout : str, optional
        Name in :data:`LAYOUTS` that the file must have; told by its keys otherwise.
    units : FileUnits, optional
        Units of the file; needed where neither the file nor its layout says them.

    Raises
    ------
    MlffError
        If the file is missing, damaged, lacks keys, or holds what does not fit together.
    """
    with _opened(path) as archive:
        family = _recognise(archive, layout)
        numbers = _numbers(archive, family)
        told = _units(archive, family, units)
        positions = _shaped(archive, family.positions, (None, len(numbers), 3), "positions")
        n_frames = len(positions)
        energy = _energies(archive, family, n_frames) * told.energy_in_ev()
        forces = _shaped(archive, family.forces, positions.shape, "forces")
        forces *= told.forces_in_ev_per_angstrom()
        positions *= told.length_in_angstrom()

        order = np.arange(n_frames)
        time_index, duplicates = None, np.zeros(0, dtype=np.int64)
        if family.order is not None:
            steps = archive.numeric(family.order, "iu").reshape(-1).astype(np.int64)
            if len(steps) != n_frames:
                raise MlffError(
                    f"{path}: {family.order!r} has {len(steps)} entries for {n_frames} frames"
                )
            # Stable, so that frames of one step keep the order of the file.
            order = np.argsort(steps, kind="stable")
            time_index = steps[order]
            duplicates = np.unique(time_index[1:][np.diff(time_index) == 0])
        elif family.name == "arrays" and "time_index" in archive.keys:
            time_index = _time_index(archive, n_frames)
        rank = np.empty(n_frames, dtype=np.int64)
        rank[order] = np.arange(n_frames)

        frames = Frames.of_one_molecule(
            numbers,
            positions if family.order is None else positions[order],
            energy=energy[order],
            forces=forces if family.order is None else forces[order],
            time_index=time_index,
        )
        if family.order is None:
            frames = _cells(archive, frames, told.length_in_angstrom())
        return NpzContent(
            frames=frames,
            layout=family,
            rank=rank,
            level_of_theory=archive.text("theory"),
            index_sets=_index_sets(archive, rank),
            duplicates=duplicates,
        )


def read_npz_numbers(path: Path) -> NDArray[np.int64]:
    """Atomic numbers of an npz file, shape (n_atoms,); no other array is decoded.

    Raises
    ------
    MlffError
        As :func:`read_npz`.
    """
    with _opened(path) as archive:
        return _numbers(archive, _recognise(archive, None))
