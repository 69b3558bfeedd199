"""Reading npz files: rMD17, MD17/sGDML, NequIP, padded sets and plain arrays.

The layout is told by the keys, not by the file name. Only the arrays that are needed
are decoded, so extra keys of any type do no harm, and nothing is ever unpickled.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlff.datasets.conversion import EV_ANGSTROM, FileUnits, parse_units
from pytest_mlff.datasets.label_keys import LabelKeys
from pytest_mlff.datasets.readers.archive import Archive, opened
from pytest_mlff.datasets.readers.arrays import numbers_of, read_arrays
from pytest_mlff.datasets.readers.content import FileContent
from pytest_mlff.datasets.readers.layouts import LAYOUTS, Layout, recognise
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class NpzContent(FileContent):
    """What was read from an npz file of a layout.

    ``rank``, shape (n_frames,), is the position in ``frames`` of each position in the file;
    ``duplicates`` are MD steps that occur more than once.
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


def _units(archive: Archive, layout: Layout, told: FileUnits | None, published: bool) -> FileUnits:
    """Units told by the user, else by the file itself, else by the family."""
    energy, length = archive.text("e_unit"), archive.text("r_unit")
    for key, text in (("e_unit", energy), ("r_unit", length)):
        if key in archive.keys and text is None and told is None:
            raise MlffError(f"{archive.where}: {key!r} is no text that names a unit")
    stated = None
    if energy is not None:
        try:
            stated = parse_units(energy if length is None else f"{energy}, {length}", "")
        except MlffError:
            if told is None:
                text = energy if length is None else f"{energy}, {length}"
                raise MlffError(
                    f"{archive.where}: states its units as {text!r}, which is none that is known; "
                    "set `units` beside its path, e.g. units: kcal/mol"
                ) from None
    if told is not None and stated is not None and told.energy_and_length != stated:
        raise MlffError(f"{archive.where}: states its units as {stated}, but the spec says {told}")
    # Anybody may write files with MD17's short keys, in any units; those that the authors of
    # sGDML released before files stated units are known by what else they carry.
    released = {"name", "theory", "type", "md5"}.issubset(archive.keys)
    family = layout.units if published or released or layout.order is not None else None
    units = told or stated or family
    if units is None:
        raise MlffError(
            f"{archive.where}: the file does not say its units; set `units` beside its path, "
            "e.g. units: eV (MD17 and rMD17 as published: kcal/mol)"
        )
    return units


_INDEX_SET = re.compile(r"^(train|test|validation|valid)_idx_(\d+)$")


def _time_index(archive: Archive, n_frames: int) -> NDArray[np.int64]:
    steps = archive.whole("time_index").reshape(-1)
    if len(steps) != n_frames or (np.diff(steps) <= 0).any():
        raise MlffError(
            f"{archive.where}: 'time_index' must rise strictly and have one entry for each of "
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
        positions = archive.whole(key).reshape(-1)
        if positions.size and (positions.min() < 0 or positions.max() >= len(rank)):
            raise MlffError(
                f"{archive.where}: index set {key!r} reaches from {positions.min()} to "
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
    with opened(path) as archive:
        family = recognise(archive, layout)
        if not labels and units is None and archive.text("e_unit") is None:
            units = EV_ANGSTROM
        frames, report = read_arrays(
            archive,
            family,
            keys or LabelKeys(),
            lambda: _units(archive, family, units, published=layout is not None),
            labels=labels,
        )
        n_frames = len(frames)
        order = np.arange(n_frames)
        time_index, duplicates = None, np.zeros(0, dtype=np.int64)
        if family.order is not None:
            steps = archive.whole(family.order).reshape(-1)
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
            labels=report,
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
        numbers = numbers_of(archive, recognise(archive, None))
        return np.asarray(numbers[numbers > 0])
