"""Reading npz files: rMD17, MD17/sGDML, NequIP, padded sets and plain arrays.

The layout is told by the keys, not by the file name. Only the arrays that are needed
are decoded, so extra keys of any type do no harm, and nothing is ever unpickled.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlff.datasets.conversion import EV_ANGSTROM, FileUnits, parse_units
from pytest_mlff.datasets.frames import Frames
from pytest_mlff.datasets.labels import (
    LabelKeys,
    LabelReport,
    check_one_level,
    force_sign,
    is_label,
    made_up_zeros,
    stress_matrix,
)
from pytest_mlff.datasets.readers.archive import Archive, opened
from pytest_mlff.datasets.readers.cells import read_cells
from pytest_mlff.datasets.readers.content import FileContent
from pytest_mlff.datasets.readers.layouts import LAYOUTS, Layout, recognise
from pytest_mlff.datasets.readers.npz_extras import extras_of_npz
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["NpzContent", "column_of", "read_npz", "read_npz_numbers"]


@dataclass(frozen=True, eq=False)
class NpzContent(FileContent):
    """What was read from an npz file.

    Attributes
    ----------
    layout : Layout
        The layout that was recognised.
    rank : ndarray of int64, shape (n_frames,)
        Position in ``frames`` of each position in the file.
    duplicates : ndarray of int64
        MD steps that occur more than once.
    """

    layout: Layout = LAYOUTS["arrays"]
    rank: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    duplicates: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    @property
    def notes(self) -> tuple[str, ...]:
        """What is odd about the file, one sentence each."""
        if not len(self.duplicates):
            return ()
        shown = ", ".join(str(step) for step in self.duplicates[:5])
        more = ", …" if len(self.duplicates) > 5 else ""
        return (f"{len(self.duplicates)} MD steps occur more than once: {shown}{more}",)


@dataclass(frozen=True, eq=False)
class _Atoms:
    """Which entries of arrays of shape (frames, places) are atoms."""

    numbers: NDArray[np.int64]
    counts: NDArray[np.int64]
    real: NDArray[np.bool_]
    key: str

    def rows(
        self, archive: Archive, key: str, what: str, width: tuple[int, ...] = (3,)
    ) -> NDArray[np.float64]:
        """Rows of an array (frames, places, 3) that belong to atoms; the rest is padding."""
        array = archive.numeric(key)
        shape = (*self.real.shape, *width)
        if array.shape != shape:
            raise MlffError(f"{archive.path}: {key!r} has shape {array.shape}, expected {shape}")
        rows = array[self.real].astype(np.float64)
        bad = ~np.isfinite(rows).reshape(len(rows), -1).all(axis=1)
        if bad.any():
            frames = np.unique(np.repeat(np.arange(len(self.counts)), self.counts)[bad])
            raise MlffError(
                f"{archive.path}: {key!r} ({what}) is not finite in {len(frames)} of "
                f"{len(self.counts)} frames, first in frame {frames[0]}"
            )
        return rows


def _numbers(archive: Archive, layout: Layout) -> NDArray[np.int64]:
    """Atomic numbers, shape (atoms,) or, of padded sets and mixtures, (frames, places)."""
    numbers = archive.numeric(layout.numbers, "iu").astype(np.int64)
    if numbers.ndim == 2 and len(numbers) and (numbers == numbers[0]).all():
        numbers = numbers[0]
    if numbers.ndim not in (1, 2) or not numbers.size:
        raise MlffError(
            f"{archive.path}: {layout.numbers!r} has shape {numbers.shape}; expected one atomic "
            "number per atom, for all frames or for each"
        )
    # Padding is 0 or -1, behind the atoms of a frame.
    padding = (numbers == 0) | (numbers == -1)
    if (numbers.ndim == 1 and padding.any()) or numbers.min() < -1 or numbers.max() > 118:
        raise MlffError(f"{archive.path}: {layout.numbers!r} holds values that are no elements")
    return numbers


def _atoms(archive: Archive, layout: Layout) -> _Atoms:
    numbers = _numbers(archive, layout)
    shape = archive.numeric(layout.positions).shape
    places = numbers.shape[-1]
    if len(shape) != 3 or shape[1:] != (places, 3):
        raise MlffError(
            f"{archive.path}: {layout.positions!r} has shape {shape}, expected "
            f"(frames, {places}, 3)"
        )
    if not shape[0]:
        raise MlffError(f"{archive.path}: holds no frames")
    if numbers.ndim == 2 and len(numbers) != shape[0]:
        raise MlffError(
            f"{archive.path}: {layout.numbers!r} has {len(numbers)} rows for {shape[0]} frames"
        )
    rows = np.broadcast_to(numbers, shape[:2])
    real = rows > 0
    if not real.any(axis=1).all():
        raise MlffError(f"{archive.path}: frame {int(np.argmin(real.any(axis=1)))} holds no atoms")
    return _Atoms(rows[real], real.sum(axis=1), real, layout.numbers)


def _units(archive: Archive, layout: Layout, told: FileUnits | None, published: bool) -> FileUnits:
    """Units told by the user, else by the file itself, else by the family."""
    energy, length = archive.text("e_unit"), archive.text("r_unit")
    stated = None
    if energy is not None:
        try:
            stated = parse_units(energy if length is None else f"{energy}, {length}", "")
        except MlffError:
            if told is None:
                text = energy if length is None else f"{energy}, {length}"
                raise MlffError(
                    f"{archive.path}: states its units as {text!r}, which is none that is known; "
                    "set `units` beside its path, e.g. units: kcal/mol"
                ) from None
    if told is not None and stated is not None and told.energy_and_length != stated:
        raise MlffError(f"{archive.path}: states its units as {stated}, but the spec says {told}")
    # Anybody may write files with MD17's short keys, in any units; those that the authors of
    # sGDML released before files stated units are known by what else they carry.
    released = {"name", "theory", "type", "md5"}.issubset(archive.keys)
    family = layout.units if published or released or layout.order is not None else None
    units = told or stated or family
    if units is None:
        raise MlffError(
            f"{archive.path}: the file does not say its units; set `units` beside its path, "
            "e.g. units: eV (MD17 and rMD17 as published: kcal/mol)"
        )
    return units


def _per_frame(archive: Archive, key: str, n_frames: int, what: str) -> NDArray[np.float64]:
    """One finite number a frame, of an array (frames,) or (frames, 1)."""
    array = archive.numeric(key)
    if array.shape not in ((n_frames,), (n_frames, 1)):
        raise MlffError(f"{archive.path}: {key!r} has shape {array.shape}, expected ({n_frames},)")
    array = array.astype(np.float64).reshape(-1)
    if not np.isfinite(array).all():
        bad = ~np.isfinite(array)
        raise MlffError(
            f"{archive.path}: {key!r} ({what}) is not finite in {int(bad.sum())} of {n_frames} "
            f"frames, first in frame {int(np.argmax(bad))}"
        )
    return array


def _stress(
    archive: Archive, keys: LabelKeys, units: FileUnits, cell: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Stress in eV/Å³ of a key, or of a virial; see :mod:`pytest_mlff.datasets.labels`."""
    if keys.stress is not None and keys.virial is not None:
        raise MlffError(f"{archive.path}: stress_key and virial_key both say the stress; name one")
    key = keys.virial or keys.stress or "stress"
    if key not in archive.keys:
        return None
    array = archive.numeric(key)
    n_frames = len(cell)
    if len(array) != n_frames:
        raise MlffError(f"{archive.path}: {key!r} has shape {array.shape} for {n_frames} frames")
    matrices = np.stack(
        [
            stress_matrix(one, f"{archive.path}: frame {index}: {key!r}")
            for index, one in enumerate(array)
        ]
    )
    if keys.virial is None:
        return matrices * units.stress_in_ev_per_cubic_angstrom()
    volume = np.abs(np.linalg.det(cell))
    if not volume.all():
        raise MlffError(
            f"{archive.path}: {key!r} is a virial, but frame {int(np.argmin(volume))} has no volume"
        )
    return np.asarray(-matrices * units.energy_in_ev() / volume[:, None, None])


_INDEX_SET = re.compile(r"^(train|test|validation|valid)_idx_(\d+)$")


def _time_index(archive: Archive, n_frames: int) -> NDArray[np.int64]:
    steps = archive.numeric("time_index", "iu").reshape(-1).astype(np.int64)
    if len(steps) != n_frames or (np.diff(steps) <= 0).any():
        raise MlffError(
            f"{archive.path}: 'time_index' must rise strictly and have one entry for each of "
            f"{n_frames} frames"
        )
    return steps


def _index_sets(archive: Archive, rank: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
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


def column_of(path: Path, key: str, rank: NDArray[np.int64]) -> NDArray[Any] | None:
    """One value per frame of an npz, in the order that its frames were read in; None without."""
    with opened(path) as archive:
        if key not in archive.keys:
            return None
        values = archive.numeric(key, "iuU")
    if values.shape != rank.shape:
        return None
    ordered = np.empty_like(values)
    ordered[rank] = values
    return ordered


def read_npz(
    path: Path,
    *,
    layout: str | None = None,
    units: FileUnits | None = None,
    keys: LabelKeys | None = None,
    labels: bool = True,
) -> NpzContent:
    """Read an npz file, also a compressed one (``.npz.gz``).

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
    keys : LabelKeys, optional
        Keys of the labels, where they are not those of the layout.
    labels : bool
        False for the structures alone, whose lengths are in Å unless the file says otherwise.

    Raises
    ------
    MlffError
        If the file is missing, damaged, lacks keys, or holds what does not fit together.
    """
    keys = keys or LabelKeys()
    with opened(path) as archive:
        family = recognise(archive, layout)
        check_one_level(
            LabelKeys(keys.energy or family.energy, keys.forces or family.forces),
            archive.keys,
            str(path),
        )
        rivals = sorted({"E", "energy", "energies"} & set(archive.keys))
        if labels and keys.energy is None and len(rivals) > 1:
            raise MlffError(
                f"{path}: {' and '.join(map(repr, rivals))} both read like the energy; set "
                "`energy_key` beside its path"
            )
        for key in sorted(keys.named - set(archive.keys)):
            raise MlffError(f"{path}: no key {key!r} (the file holds {', '.join(archive.keys)})")
        atoms = _atoms(archive, family)
        if not labels and units is None and archive.text("e_unit") is None:
            units = EV_ANGSTROM
        told = _units(archive, family, units, published=layout is not None)
        n_frames = len(atoms.counts)
        length = told.length_in_angstrom()
        cell, pbc = read_cells(archive, n_frames, length)
        per_frame, per_atom = extras_of_npz(
            archive, atoms.real, {*family.required, *keys.named, "time_index"}
        )
        frames = Frames(
            numbers=atoms.numbers,
            positions=atoms.rows(archive, family.positions, "positions") * length,
            counts=atoms.counts,
            cell=cell,
            pbc=pbc,
            per_frame=per_frame,
            per_atom=per_atom,
        )
        faults: dict[str, str] = {}
        energy_key, forces_key = keys.energy or family.energy, keys.forces or family.forces
        energy = forces = stress = None
        if labels and energy_key in archive.keys:
            energy = _per_frame(archive, energy_key, n_frames, "energies") * told.energy_in_ev()
            if keys.energy is None and len(energy) > 1 and not energy.any():
                faults["energy"] = made_up_zeros(energy_key)
                energy = None
        if labels and forces_key in archive.keys:
            forces = atoms.rows(archive, forces_key, "forces") * (
                force_sign(forces_key) * told.forces_in_ev_per_angstrom()
            )
        try:
            stress = _stress(archive, keys, told, cell) if labels else None
        except MlffError as error:
            if keys.stress is not None or keys.virial is not None:
                raise
            faults["stress"] = str(error)
        frames = replace(frames, energy=energy, forces=forces, stress=stress)

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
            frames = frames.select(order)
        elif family.name == "arrays" and "time_index" in archive.keys:
            time_index = _time_index(archive, n_frames)
        rank = np.empty(n_frames, dtype=np.int64)
        rank[order] = np.arange(n_frames)
        return NpzContent(
            frames=replace(frames, time_index=time_index),
            labels=LabelReport(tuple(key for key in archive.keys if is_label(key)), faults),
            layout=family,
            rank=rank,
            level_of_theory=archive.text("theory"),
            timestep_fs=0.5 if family.name == "rmd17" else None,
            index_sets=_index_sets(archive, rank),
            duplicates=duplicates,
        )


def read_npz_numbers(path: Path) -> NDArray[np.int64]:
    """Atomic numbers that occur in an npz file; no other array is decoded.

    Raises
    ------
    MlffError
        As :func:`read_npz`.
    """
    with opened(path) as archive:
        numbers = _numbers(archive, recognise(archive, None))
        return np.asarray(numbers[numbers > 0])
