"""HDF5 files with a group for each composition or molecule: the layouts of ANI-1x and SPICE.

A group is a system; only the groups that are asked for are read. NaN, which ANI-1x writes where
a label was not computed, is no label.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.datasets.labels import (
    LabelKeys,
    LabelReport,
    check_one_level,
    force_sign,
    is_label,
)
from pytest_mlff.datasets.readers.content import FileContent
from pytest_mlff.errors import MissingExtraError, MlffError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_mlff.datasets.conversion import FileUnits

__all__ = ["groups_of", "read_group", "species_of"]

_NUMBERS: Final = ("atomic_numbers", "species")
_POSITIONS: Final = ("coordinates", "conformations", "positions")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError("reading an HDF5 file", "h5py", "formats") from error
    if not path.is_file():
        raise MlffError(f"{path}: no such file")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        text = " ".join(str(error).split())[:120]
        raise MlffError(f"{path}: cannot be read as HDF5 ({text})") from error


def groups_of(path: Path) -> tuple[str, ...]:
    """Names of the groups; no array is read.

    Raises
    ------
    MlffError
        If the file cannot be read or holds no group.
    """
    with _opened(path) as file:
        names = tuple(name for name in file if hasattr(file[name], "keys"))
    if not names:
        raise MlffError(f"{path}: holds no groups of atomic_numbers and coordinates")
    return names


def species_of(path: Path, group: str) -> NDArray[np.int64]:
    """Atomic numbers of a group."""
    with _opened(path) as file:
        return _numbers(file[group], f"{path}: group {group!r}")


def _numbers(group: Any, where: str) -> NDArray[np.int64]:
    key = _one_of(group, _NUMBERS, where)
    numbers = np.asarray(group[key])
    if numbers.dtype.kind not in "iu" or numbers.ndim != 1 or not numbers.size:
        raise MlffError(f"{where}: {key!r} holds no atomic numbers")
    if numbers.min() < 1 or numbers.max() > 118:
        raise MlffError(f"{where}: {key!r} holds values that are no elements")
    return numbers.astype(np.int64)


def _one_of(group: Any, keys: tuple[str, ...], where: str) -> str:
    for key in keys:
        if key in group:
            return key
    raise MlffError(f"{where}: no {' or '.join(keys)} (it holds {', '.join(group)})")


def read_group(path: Path, group: str, units: FileUnits | None, keys: LabelKeys) -> FileContent:
    """Read one group.

    Parameters
    ----------
    path : Path
    group : str
    units : FileUnits or None
        Of energies and lengths; needed, since these files mix them.
    keys : LabelKeys
        Which energies and forces; a key that says ``gradient`` holds minus the forces.

    Raises
    ------
    MlffError
        With file, group and key.
    """
    where = f"{path}: group {group!r}"
    if units is None:
        raise MlffError(
            f"{path}: the file does not say its units; set `units` beside its path, e.g. "
            "units: Hartree (ANI-1x), units: Hartree, Bohr (SPICE)"
        )
    with _opened(path) as file:
        held = file[group]
        numbers = _numbers(held, where)
        place = _one_of(held, _POSITIONS, where)
        present = tuple(held)
        check_one_level(keys, present, where)
        for key in sorted(keys.named - set(present)):
            raise MlffError(f"{where}: no key {key!r} (it holds {', '.join(present)})")
        positions = _array(held, place, (-1, len(numbers), 3), where)
        if not np.isfinite(positions).all():
            raise MlffError(f"{where}: {place!r} is not finite")
        n_frames = len(positions)
        energy = forces = None
        key = keys.energy or "energy"
        if key in present:
            energy = _array(held, key, (n_frames,), where) * units.energy_in_ev()
        key = keys.forces or "forces"
        if key in present:
            forces = _array(held, key, positions.shape, where)
            forces *= force_sign(key) * units.forces_in_ev_per_angstrom()
    if keys.stress is not None or keys.virial is not None or {"cell", "pbc"} & set(present):
        raise MlffError(f"{where}: cells and stress are not read from HDF5; convert the file")
    frames = Frames.of_one_molecule(
        numbers, positions * units.length_in_angstrom(), energy=energy, forces=forces
    )
    return FileContent(frames, LabelReport(tuple(key for key in present if is_label(key))))


def _array(group: Any, key: str, shape: tuple[int, ...], where: str) -> NDArray[np.float64]:
    array = np.asarray(group[key])
    if array.dtype.kind not in "fiu":
        raise MlffError(f"{where}: {key!r} holds {array.dtype}, not numbers")
    if array.shape == (*shape, 1):
        array = array[..., 0]
    fits = array.ndim == len(shape) and all(
        want in (-1, have) for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits or not len(array):
        raise MlffError(f"{where}: {key!r} has shape {array.shape}, expected {shape}")
    if np.isinf(array).any():
        raise MlffError(f"{where}: {key!r} is infinite in some frame")
    return array.astype(np.float64)
