"""HDF5 files with a group for each composition or molecule: the layouts of ANI-1x and SPICE.

A group is a system, at any depth; only the groups that are asked for are read. NaN, which
ANI-1x writes where a label was not computed, is no label.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_mlff.datasets.readers.arrays import numbers_of, read_arrays
from pytest_mlff.datasets.readers.content import FileContent
from pytest_mlff.datasets.readers.layouts import Layout
from pytest_mlff.datasets.readers.named_arrays import NamedArrays
from pytest_mlff.errors import MlffError, needing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.conversion import FileUnits
    from pytest_mlff.datasets.label_keys import LabelKeys

_NUMBERS: Final = ("atomic_numbers", "species")
_POSITIONS: Final = ("coordinates", "conformations", "positions")


class _Group(NamedArrays):
    """An open group; an array is read when it is asked for."""

    def __init__(self, where: str, group: Any) -> None:
        super().__init__(where, [key for key in group if hasattr(group[key], "shape")])
        self._group = group

    def _decoded(self, key: str) -> NDArray[Any]:
        import h5py

        held = self._group[key]
        text = h5py.check_string_dtype(held.dtype) is not None
        return np.asarray(held.asstr()[()], dtype=np.str_) if text else np.asarray(held)

    def shape_of(self, key: str) -> tuple[tuple[int, ...], str]:
        import h5py

        held = self._group[key]
        text = h5py.check_string_dtype(held.dtype) is not None
        return held.shape or (), "U" if text else held.dtype.kind


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    with needing("reading an HDF5 file", "h5py", "formats"):
        import h5py
    if not path.is_file():
        raise MlffError(f"{path}: no such file")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except MlffError:
        raise
    except Exception as error:  # h5py tells damaged files by many types of exception
        text = " ".join(str(error).split())[:120]
        raise MlffError(f"{path}: cannot be read as HDF5 ({text})") from error


def groups_of(path: Path) -> tuple[str, ...]:
    """Names of the groups that hold frames, at any depth; no array is read.

    Raises
    ------
    MlffError
        If the file cannot be read or holds no group.
    """
    names: list[str] = []

    def look(name: str, held: Any) -> None:
        if hasattr(held, "keys") and set(_POSITIONS) & set(held):
            names.append(name)

    with _opened(path) as file:
        look("/", file)
        file.visititems(look)
    if not names:
        raise MlffError(f"{path}: holds no groups of atomic_numbers and coordinates")
    return tuple(names)


def _layout(group: _Group) -> Layout:
    def one_of(keys: tuple[str, ...]) -> str:
        for key in keys:
            if key in group.keys:
                return key
        held = ", ".join(group.keys)
        raise MlffError(f"{group.where}: no {' or '.join(keys)} (it holds {held})")

    return Layout("hdf5", one_of(_NUMBERS), one_of(_POSITIONS), "energy", "forces")


def species_of(path: Path, group: str) -> NDArray[np.int64]:
    """Atomic numbers of a group."""
    with _opened(path) as file:
        held = _Group(f"{path}: group {group!r}", file[group])
        numbers = numbers_of(held, _layout(held))
        return np.asarray(numbers[numbers > 0])


def read_group(path: Path, group: str, units: FileUnits | None, keys: LabelKeys) -> FileContent:
    """Read one group; it needs units, since these files mix them.

    A key that says ``gradient`` holds minus the forces.

    Raises
    ------
    MlffError
        With file, group and key.
    """

    def told() -> FileUnits:
        if units is None:
            raise MlffError(
                f"{path}: the file does not say its units; set `units` beside its path, e.g. "
                "units: Hartree (ANI-1x), units: Hartree, Bohr (SPICE)"
            )
        return units

    with _opened(path) as file:
        held = _Group(f"{path}: group {group!r}", file[group])
        frames, report = read_arrays(held, _layout(held), keys, told, absent=True)
    return FileContent(frames, report)
