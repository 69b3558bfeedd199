"""From named arrays, of npz or HDF5, to frames: padded sets, cells, labels and the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.datasets.label_keys import (
    LabelKeys,
    check_one_level,
    check_units_of_keys,
    force_sign,
    is_label,
)
from pytest_mlff.datasets.labels import LabelReport, made_up_zeros, stress_matrix
from pytest_mlff.datasets.readers.array_extras import extras_of
from pytest_mlff.datasets.readers.cells import read_cells
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.conversion import FileUnits
    from pytest_mlff.datasets.readers.layouts import Layout
    from pytest_mlff.datasets.readers.named_arrays import NamedArrays


@dataclass(frozen=True, eq=False)
class _Atoms:
    """Which entries of arrays of shape (frames, places) are atoms."""

    numbers: NDArray[np.int64]
    counts: NDArray[np.int64]
    real: NDArray[np.bool_]
    key: str

    def rows(
        self, arrays: NamedArrays, key: str, what: str, absent: bool = False
    ) -> NDArray[np.float64]:
        """Rows of an array (frames, places, 3) that belong to atoms; the rest is padding."""
        array = arrays.numeric(key)
        shape = (*self.real.shape, 3)
        if array.shape != shape:
            raise MlffError(f"{arrays.where}: {key!r} has shape {array.shape}, expected {shape}")
        rows = array[self.real].astype(np.float64)
        bad = ~_sound(rows, absent).all(axis=1)
        if bad.any():
            frames = np.unique(np.repeat(np.arange(len(self.counts)), self.counts)[bad])
            raise MlffError(
                f"{arrays.where}: {key!r} ({what}) is not finite in {len(frames)} of "
                f"{len(self.counts)} frames, first in frame {frames[0]}"
            )
        return rows


def numbers_of(arrays: NamedArrays, layout: Layout) -> NDArray[np.int64]:
    """Atomic numbers, shape (atoms,) or, of padded sets and mixtures, (frames, places)."""
    numbers = _elements(arrays, layout.numbers)
    if numbers.ndim == 2 and len(numbers) and (numbers == numbers[0]).all():
        numbers = numbers[0]
    if numbers.ndim not in (1, 2) or not numbers.size:
        raise MlffError(
            f"{arrays.where}: {layout.numbers!r} has shape {numbers.shape}; expected one atomic "
            "number per atom, for all frames or for each"
        )
    # Padding is 0 or -1, behind the atoms of a frame.
    padding = (numbers == 0) | (numbers == -1)
    if (numbers.ndim == 1 and padding.any()) or numbers.min() < -1 or numbers.max() > 118:
        raise MlffError(f"{arrays.where}: {layout.numbers!r} holds values that are no elements")
    return numbers


def _atoms(arrays: NamedArrays, layout: Layout) -> _Atoms:
    numbers = numbers_of(arrays, layout)
    shape = arrays.numeric(layout.positions).shape
    places = numbers.shape[-1]
    if len(shape) != 3 or shape[1:] != (places, 3):
        raise MlffError(
            f"{arrays.where}: {layout.positions!r} has shape {shape}, expected "
            f"(frames, {places}, 3)"
        )
    if not shape[0]:
        raise MlffError(f"{arrays.where}: holds no frames")
    if numbers.ndim == 2 and len(numbers) != shape[0]:
        raise MlffError(
            f"{arrays.where}: {layout.numbers!r} has {len(numbers)} rows for {shape[0]} frames"
        )
    rows = np.broadcast_to(numbers, shape[:2])
    real = rows > 0
    if not real.any(axis=1).all():
        raise MlffError(f"{arrays.where}: frame {int(np.argmin(real.any(axis=1)))} holds no atoms")
    return _Atoms(rows[real], real.sum(axis=1), real, layout.numbers)


def _per_frame(arrays: NamedArrays, key: str, n_frames: int, absent: bool) -> NDArray[np.float64]:
    """One finite number a frame, of an array (frames,) or (frames, 1)."""
    array = arrays.numeric(key)
    if array.shape not in ((n_frames,), (n_frames, 1)):
        raise MlffError(f"{arrays.where}: {key!r} has shape {array.shape}, expected ({n_frames},)")
    array = array.astype(np.float64).reshape(-1)
    bad = ~_sound(array, absent)
    if bad.any():
        raise MlffError(
            f"{arrays.where}: {key!r} (energies) is not finite in {int(bad.sum())} of {n_frames} "
            f"frames, first in frame {int(np.argmax(bad))}"
        )
    return array


def _stress(
    arrays: NamedArrays, keys: LabelKeys, units: FileUnits, cell: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Stress in eV/Å³ of a key, or of a virial; see :mod:`pytest_mlff.datasets.labels`."""
    if keys.stress is not None and keys.virial is not None:
        raise MlffError(f"{arrays.where}: stress_key and virial_key both say the stress; name one")
    key = keys.virial or keys.stress or "stress"
    if key not in arrays.keys:
        return None
    array = arrays.numeric(key)
    n_frames = len(cell)
    if array.shape[:1] != (n_frames,):
        raise MlffError(f"{arrays.where}: {key!r} has shape {array.shape} for {n_frames} frames")
    matrices = np.stack(
        [
            stress_matrix(one, f"{arrays.where}: frame {index}: {key!r}")
            for index, one in enumerate(array)
        ]
    )
    if keys.virial is None:
        return matrices * units.stress_in_ev_per_cubic_angstrom()
    volume = np.abs(np.linalg.det(cell))
    if not volume.all():
        raise MlffError(
            f"{arrays.where}: {key!r} is a virial, but frame {int(np.argmin(volume))} has no volume"
        )
    return np.asarray(-matrices * units.energy_in_ev() / volume[:, None, None])


def _sound(array: NDArray[np.float64], absent: bool) -> NDArray[np.bool_]:
    """What is a number; where labels may be absent, NaN stands for none."""
    return ~np.isinf(array) if absent else np.isfinite(array)


def _elements(arrays: NamedArrays, key: str) -> NDArray[np.int64]:
    """Atomic numbers, or what chemical symbols stand for."""
    from ase.data import atomic_numbers

    if arrays.shape_of(key)[1] not in ("U", "S"):
        return arrays.whole(key)
    symbols = arrays.array(key)
    unknown = sorted(set(symbols.reshape(-1).tolist()) - atomic_numbers.keys() - {""})
    if unknown:
        raise MlffError(f"{arrays.where}: {key!r}: {unknown[0]!r} is no chemical symbol")
    numbers = [atomic_numbers.get(one, 0) for one in symbols.reshape(-1).tolist()]
    return np.array(numbers, dtype=np.int64).reshape(symbols.shape)


def read_arrays(
    arrays: NamedArrays,
    layout: Layout,
    keys: LabelKeys,
    units: Callable[[], FileUnits],
    *,
    labels: bool = True,
    absent: bool = False,
) -> tuple[Frames, LabelReport]:
    """Frames of named arrays, in their order.

    Parameters
    ----------
    arrays : NamedArrays
        The open file.
    layout : Layout
        Which arrays are meant.
    keys : LabelKeys
        Keys of labels, where they are not those of the layout.
    units : callable
        Gives the units, once structure and keys are known to be in order.
    labels : bool
        False for the structures alone.
    absent : bool
        Whether NaN stands for a label that was not computed.

    Raises
    ------
    MlffError
        If the arrays lack keys, or hold what does not fit together.
    """
    where = arrays.where
    energy_key, forces_key = keys.energy or layout.energy, keys.forces or layout.forces
    check_one_level(keys, arrays.keys, where, (layout.energy, layout.forces))
    rivals = sorted({"E", "energy", "energies"} & set(arrays.keys))
    if labels and keys.energy is None and len(rivals) > 1:
        raise MlffError(
            f"{where}: {' and '.join(map(repr, rivals))} both read like the energy; set "
            "`energy_key` beside its path"
        )
    for key in sorted(keys.named - set(arrays.keys)):
        raise MlffError(f"{where}: no key {key!r} (the file holds {', '.join(arrays.keys)})")
    atoms = _atoms(arrays, layout)
    told = units()
    check_units_of_keys(keys, told, where)
    n_frames = len(atoms.counts)
    length = told.length_in_angstrom()
    cell, pbc = read_cells(arrays, n_frames, length)
    known = {*layout.required, *keys.named, "time_index"}
    per_frame, per_atom = extras_of(arrays, atoms.real, known, has_cell=bool(cell.any()))
    frames = Frames(
        numbers=atoms.numbers,
        positions=atoms.rows(arrays, layout.positions, "positions") * length,
        counts=atoms.counts,
        cell=cell,
        pbc=pbc,
        per_frame=per_frame,
        per_atom=per_atom,
    )
    report = LabelReport(tuple(key for key in arrays.keys if is_label(key)))
    if not labels:
        return frames, report
    faults: dict[str, str] = {}
    energy = forces = stress = None
    if energy_key in arrays.keys:
        energy = _per_frame(arrays, energy_key, n_frames, absent) * told.energy_in_ev()
        fault = made_up_zeros(energy, atoms.counts, energy_key) if keys.energy is None else None
        if fault is not None:
            energy, faults["energy"] = None, fault
    if forces_key in arrays.keys:
        forces = atoms.rows(arrays, forces_key, "forces", absent) * (
            force_sign(forces_key) * told.forces_in_ev_per_angstrom()
        )
    try:
        stress = _stress(arrays, keys, told, cell)
    except MlffError as error:
        if keys.stress is not None or keys.virial is not None:
            raise
        faults["stress"] = str(error)
    frames = replace(frames, energy=energy, forces=forces, stress=stress)
    return frames, replace(report, faults=faults)
