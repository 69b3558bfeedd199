"""Reading structure files through ASE: extended XYZ, traj, databases, VASP, CP2K, LAMMPS …"""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlff.datasets.archive import brief
from pytest_mlff.datasets.conversion import EV_ANGSTROM, FileUnits
from pytest_mlff.datasets.frames import Frames
from pytest_mlff.datasets.label_keys import LabelKeys, is_label
from pytest_mlff.datasets.labels import labels_of
from pytest_mlff.datasets.readers.cells import unread_cell
from pytest_mlff.datasets.readers.content import FileContent
from pytest_mlff.datasets.readers.database import database_structures, database_units
from pytest_mlff.datasets.readers.extxyz import MARK, check_whole, comment_parser, tidied
from pytest_mlff.datasets.readers.lammps import data_options, dump_options, is_data, is_dump
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from ase import Atoms

_COMPRESSED: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.GzipFile,
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}


@contextmanager
def decompressed(path: Path) -> Iterator[tuple[Path, Path]]:
    """The file itself or what a compressed one holds, and a folder for scratch files.

    ASE seeks back and forth in a compressed file, which takes seconds for a thousand frames.
    """
    opener = _COMPRESSED.get(path.suffix)
    with tempfile.TemporaryDirectory() as folder:
        if opener is None:
            yield path, Path(folder)
            return
        copy = Path(folder) / path.stem
        try:
            with opener(path) as packed, copy.open("wb") as stream:
                shutil.copyfileobj(packed, stream)
        except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
            raise MlffError(f"{path}: cannot be unpacked ({brief(error)})") from error
        yield copy, Path(folder)


def _read(
    path: Path,
    file_format: str | None,
    species: Mapping[int, str] | None,
    units: FileUnits | None,
    keys: LabelKeys,
) -> tuple[list[Atoms], str, FileUnits | None]:
    """Structures in the order of the file, the name of its format, and the units."""
    from ase.io import iread
    from ase.io.formats import UnknownFileTypeError, filetype, ioformats

    if not path.is_file() and not path.is_dir():
        raise MlffError(f"{path}: no such file")
    if file_format is not None and file_format not in ioformats:
        near = [name for name in ioformats if file_format.lower() in name or name in file_format]
        hint = f"; near it: {', '.join(sorted(near)[:5])}" if near else ""
        raise MlffError(f"{path}: ASE knows no format {file_format!r}{hint}")
    structures: list[Atoms] = []
    try:
        with decompressed(path) as (plain, scratch):
            found = file_format or filetype(str(plain))
            if found in ("extxyz", "xyz"):
                check_whole(plain, str(path))
            if found in ("db", "json"):
                structures, metadata, in_data = database_structures(plain)
                units = database_units(metadata, in_data, units, keys, str(path))
            options = _options(found, plain, species, units, str(path))
            try:
                if not structures:
                    structures.extend(iread(str(plain), index=":", format=found, **options))
            except Exception as error:
                other = tidied(plain, scratch) if found == "extxyz" else plain
                if other == plain:
                    raise error
                structures = list(iread(str(other), index=":", format=found, **options))
    except UnknownFileTypeError as error:
        raise MlffError(
            f"{path}: ASE cannot tell its format; set `format` beside its path, e.g. format: extxyz"
        ) from error
    except MlffError:
        raise
    except Exception as error:  # readers of ASE's formats fail in many ways
        raise MlffError(
            f"{path}: cannot be read as {file_format or 'a structure file'}, "
            f"frame {len(structures)} ({brief(error)})"
        ) from error
    _refuse_empty(path, structures)
    return structures, found, units


def _options(
    file_format: str,
    plain: Path,
    species: Mapping[int, str] | None,
    units: FileUnits | None,
    where: str,
) -> dict[str, Any]:
    """Arguments for ASE's reader of a format."""
    if is_dump(file_format):
        return dump_options(plain, species, units, where)
    if is_data(file_format):
        return data_options(species, where)
    if species is not None:
        raise MlffError(f"{where}: {file_format} holds elements; leave `species` out")
    return {"properties_parser": comment_parser} if file_format == "extxyz" else {}


def _refuse_empty(path: Path, structures: Sequence[Atoms]) -> None:
    if not structures:
        raise MlffError(f"{path}: holds no structures")
    empty = [index for index, one in enumerate(structures) if not len(one)]
    if empty:
        raise MlffError(f"{path}: frame {empty[0]} holds no atoms")


def _raw(atoms: Atoms, made_up_energy: bool) -> dict[str, Any]:
    """Everything of a structure that may be a label, by its key in the file."""
    found: dict[str, Any] = {
        key.removeprefix(MARK): value
        for key, value in (*atoms.arrays.items(), *atoms.info.items())
        if key not in ("numbers", "positions")
    }
    results = dict(getattr(atoms.calc, "results", None) or {})
    if made_up_energy:
        results.pop("energy", None)
    return found | results


def _check_structure(atoms: Atoms, path: Path, index: int) -> None:
    """A structure makes sense: finite, and with a cell where it is periodic."""
    cell: Any = np.asarray(atoms.cell)
    if not np.isfinite(atoms.positions).all() or not np.isfinite(cell).all():
        raise MlffError(f"{path}: frame {index}: positions or cell are not finite")
    if (atoms.numbers < 1).any():
        raise MlffError(
            f"{path}: frame {index}: atom {int(np.argmax(atoms.numbers < 1))} is no element (of "
            "LAMMPS types, each needs its own under `species`)"
        )
    bare = np.asarray(atoms.pbc) & (np.abs(cell).sum(axis=1) == 0)
    if bare.any():
        raise MlffError(
            f"{path}: frame {index} is periodic along {'xyz'[int(np.argmax(bare))]} and has no "
            "cell vector there; write the cell, in extended XYZ as Lattice"
        )
    unread = unread_cell(atoms.info, cell, np.asarray(atoms.pbc))
    if unread is not None:
        raise MlffError(
            f"{path}: frame {index}: {unread!r} is no key of a cell that this format knows, so the "
            "frame would be read with another cell or as an isolated molecule; in extended XYZ "
            "write Lattice and pbc"
        )


def read_structures(
    path: Path,
    *,
    file_format: str | None = None,
    units: FileUnits | None = None,
    keys: LabelKeys | None = None,
    species: Mapping[int, str] | None = None,
) -> FileContent:
    """Read labelled structures through ASE; compressed files (``.gz`` …) are read as they are.

    Parameters
    ----------
    path : Path
        The file (some of ASE's formats are folders).
    file_format : str, optional
        ASE's name of the format; told by name and content otherwise.
    units : FileUnits, optional
        Units of labels and positions; without them eV and Å, which ASE's own readers give.
    keys : LabelKeys, optional
        Keys of the labels in ``atoms.info`` and ``atoms.arrays``, such as ``REF_energy``.
        Without them, ASE's own ``energy``, ``forces`` and ``stress`` are taken.
    species : mapping of int to str, optional
        Element of each atom type of a LAMMPS file.

    Returns
    -------
    FileContent
        Frames in the order of the file, ``time_index`` None. Labels are None where no frame
        has any.

    Raises
    ------
    MlffError
        If the file cannot be read, or a label is no number; with file, frame and key.
    """
    keys = keys or LabelKeys()
    structures, found, units = _read(path, file_format, species, units, keys)
    return content_of(structures, path, units or EV_ANGSTROM, keys, made_up_energy=is_dump(found))


def content_of(
    structures: Sequence[Atoms],
    path: Path,
    units: FileUnits,
    keys: LabelKeys,
    *,
    made_up_energy: bool = False,
) -> FileContent:
    """Frames and labels of structures that were read from ``path``; see :func:`read_structures`."""
    for index, atoms in enumerate(structures):
        _check_structure(atoms, path, index)
    raw = [_raw(atoms, made_up_energy) for atoms in structures]
    for atoms in structures:
        atoms.calc = None
        for own in (atoms.info, atoms.arrays):
            for key in list(own):
                if key.startswith(MARK) or key in keys.named or is_label(key):
                    del own[key]
    bare = Frames.from_atoms(structures)
    length = units.length_in_angstrom()
    bare = replace(bare, positions=bare.positions * length, cell=bare.cell * length)
    found, report = labels_of(bare, raw, keys, units, str(path))
    frames = replace(bare, energy=found["energy"], forces=found["forces"], stress=found["stress"])
    return FileContent(frames, report)
