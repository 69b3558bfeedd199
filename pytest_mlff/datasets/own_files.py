"""The user's own files: one, several, a folder or a glob, each a system of its own."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from pytest_mlff.datasets.cached import CachedSource
from pytest_mlff.datasets.conversion import EV_ANGSTROM, FileUnits, parse_units
from pytest_mlff.datasets.dataset import Dataset
from pytest_mlff.datasets.independence import replicated
from pytest_mlff.datasets.index_files import read_index_files
from pytest_mlff.datasets.label_keys import KeysSaid, LabelKeys
from pytest_mlff.datasets.levels import NOT_STATED
from pytest_mlff.datasets.readers.dpdata import is_deepmd, read_dpdata
from pytest_mlff.datasets.readers.hdf5 import groups_of, read_group, species_of
from pytest_mlff.datasets.readers.npz import (
    NpzContent,
    column_of,
    read_npz,
    read_npz_numbers,
)
from pytest_mlff.datasets.readers.structures import read_structures
from pytest_mlff.datasets.repeated import without_repeated_labels
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.readers import FileContent

_PACKED: Final = (".gz", ".bz2", ".xz")
_HDF5: Final = (".h5", ".hdf5")
_IN_FOLDERS: Final = (".xyz", ".extxyz", ".traj", ".db", ".npz", ".lammpstrj", *_HDF5)
_RANGE: Final = re.compile(r"@(-?\d*)(?::(-?\d*))?(?::(-?\d*))?$")


class FileOption(KeysSaid, Protocol):
    """What a spec says of a dataset: the part of its ``DatasetOption`` that is read here."""

    @property
    def path(self) -> Path | str | tuple[str, ...] | None:
        """The user's own files, relative to the spec; None for a builtin dataset."""

    @property
    def format(self) -> str | None:
        """``npz``, ``extxyz`` or any of ASE's formats; None: told by the file."""

    @property
    def units(self) -> str | None:
        """Units of the file, see :func:`~pytest_mlff.datasets.conversion.parse_units`."""

    @property
    def level_of_theory(self) -> str | None:
        """Method behind the labels; for ``embedded``, which label set is taken."""

    @property
    def time_ordered(self) -> bool | None:
        """Whether the frames of the file are in time order."""

    @property
    def species(self) -> Mapping[int, str] | None:
        """Element of each atom type of a LAMMPS file."""

    @property
    def replica(self) -> str | None:
        """Key that names the independent replica of each frame."""

    @property
    def independent(self) -> bool | None:
        """Whether every frame is an independent draw."""


@dataclass(frozen=True)
class DataFile:
    """One file, and which of its frames are meant."""

    path: Path
    frames: slice | None = None
    group: str | None = None

    @property
    def stem(self) -> str:
        """File name without compression and format suffixes."""
        name = self.path.name
        for suffix in _PACKED:
            name = name.removesuffix(suffix)
        group = (self.group or "").strip("/").replace("/", "_")
        return group or Path(name).stem or name

    @property
    def is_npz(self) -> bool:
        """Whether its name says that it is an npz file."""
        name = self.path.name
        for suffix in _PACKED:
            name = name.removesuffix(suffix)
        return name.endswith(".npz")


class FileSource(CachedSource):
    """The user's own files; each is a system that is called after its file.

    ``path`` of the option is a file, a folder (its files in alphabetic order), a glob such as
    ``runs/*.extxyz``, or several of these, from ``spec_dir``; ``file.xyz@:100`` takes some frames.

    Raises
    ------
    MlffError
        If a glob or folder holds no file, a range is none, or the units are unknown.
    """

    def __init__(self, name: str, option: FileOption, spec_dir: Path | None) -> None:
        assert option.path is not None
        told = option.path if isinstance(option.path, tuple) else (str(option.path),)
        base, whole = spec_dir or Path(), _by_dpdata(option)
        files = [one for text in told for one in _found(base, text, whole=whole)]
        self.files = _named(files)
        super().__init__(name, tuple(self.files))
        self.option = option
        self.units: FileUnits | None = (
            None
            if option.units is None
            else parse_units(str(option.units), f"dataset {name!r} ({files[0].path.name})")
        )

    def species(self, molecule: str) -> tuple[str, ...]:
        """Chemical symbols in a file, alphabetically; of an npz only one key is read."""
        self._check(molecule)
        file = self.files[molecule]
        if file.group is not None and molecule not in self._loaded:
            return _symbols(species_of(file.path, file.group))
        if not _is_npz(file, self.option) or molecule in self._loaded or file.frames is not None:
            return self.load(molecule).frames.species
        return _symbols(read_npz_numbers(file.path))

    def _read(self, molecule: str) -> Dataset:
        return read_file(self.name, molecule, self.files[molecule], self.option, self.units)


def _by_dpdata(option: FileOption) -> bool:
    """Whether the format is one of dpdata's, whose names have a stroke (``cp2k/output``)."""
    return option.format is not None and "/" in option.format


def _is_npz(file: DataFile, option: FileOption) -> bool:
    return file.is_npz if option.format is None else option.format == "npz"


def _content(
    file: DataFile, option: FileOption, units: FileUnits | None, layout: str | None
) -> FileContent:
    keys = LabelKeys(option.energy_key, option.forces_key, option.stress_key, option.virial_key)
    if is_deepmd(file.path) or _by_dpdata(option):
        if keys.named or option.species is not None or units not in (None, EV_ANGSTROM):
            what = option.format or "a DeePMD folder"
            raise MlffError(
                f"{file.path}: {what} is read in eV and Å with keys and elements of its own; "
                "leave `units`, `species` and the keys out"
            )
        return read_dpdata(file.path, None if is_deepmd(file.path) else option.format)
    if file.group is not None:
        return read_group(file.path, file.group, units, keys)
    if _is_npz(file, option):
        return read_npz(file.path, layout=layout, units=units, keys=keys)
    return read_structures(
        file.path, file_format=option.format, units=units, keys=keys, species=option.species
    )


def read_file(
    name: str,
    system: str,
    file: DataFile,
    option: FileOption,
    units: FileUnits | None,
    *,
    layout: str | None = None,
) -> Dataset:
    """Read one file as a system of a dataset.

    Parameters
    ----------
    name, system : str
        What the dataset and its system are called.
    file : DataFile
    option : FileOption
        How it is to be read.
    units : FileUnits or None
        ``option.units``, parsed.
    layout : str, optional
        Family that an npz file has to be of.

    Raises
    ------
    MlffError
        If it cannot be read as asked for.
    """
    content = _content(file, option, units, layout)
    frames, index_sets = content.frames, content.index_sets
    if option.time_ordered and frames.time_index is None:
        frames = replace(frames, time_index=np.arange(len(frames)))

    def column(key: str) -> NDArray[Any] | None:
        if isinstance(content, NpzContent):
            return column_of(file.path, key, content.rank)
        return frames.per_frame.get(key)

    frames = replicated(
        frames,
        title=str(file.path),
        key=option.replica,
        independent=option.independent,
        column=column,
    )
    frames = without_repeated_labels(frames)
    notes: tuple[str, ...] = ()
    if isinstance(content, NpzContent):
        index_sets = {**index_sets, **read_index_files(file.path, content.rank)}
        notes = content.notes
    if file.frames is not None:
        n_frames = len(frames)
        frames, index_sets = frames.select(file.frames), {}
        if not len(frames):
            raise MlffError(f"{file.path}: the range takes none of its {n_frames} frames")
    return Dataset(
        name=name,
        molecule=system,
        frames=frames,
        level_of_theory=option.level_of_theory or content.level_of_theory or NOT_STATED,
        timestep_fs=content.timestep_fs,
        licence="the user's own file",
        source=str(file.path),
        digest=frames.digest,
        index_sets=index_sets,
        notes=notes,
        labels=content.labels,
    )


def content_digest(base: Path, told: str | tuple[str, ...]) -> str:
    """Short digest of the content of every file that a spec's ``path`` means; or ``missing``."""
    digest = hashlib.sha256()
    try:
        for text in told if isinstance(told, tuple) else (told,):
            for file in _found(base, text):
                inside = sorted(file.path.rglob("*")) if file.path.is_dir() else [file.path]
                for path in inside:
                    if not path.is_dir():
                        digest.update(path.read_bytes())
    except (OSError, MlffError):
        return "missing"
    return digest.hexdigest()[:12]


def _found(base: Path, text: str, *, whole: bool = False) -> list[DataFile]:
    """Files that one entry of ``path`` means; ``whole`` folders are one data set each."""
    frames = None
    match = _RANGE.search(text)
    if match is not None and not (base / text).exists():
        text = text[: match.start()]
        parts = [None if part in (None, "") else int(part) for part in match.groups()]
        if match[2] is None and match[3] is None:
            if parts[0] is None:
                raise MlffError(f"{base / text}: '@' names no frames; write e.g. @:100 or @5")
            parts[1] = parts[0] + 1 if parts[0] != -1 else None
        if parts[2] == 0 or (parts[2] or 1) < 0:
            raise MlffError(
                f"{base / text}: frames are taken in their order, by steps of 1 or more"
            )
        frames = slice(*parts)
    path = base / text
    if any(letter in text for letter in "*?[") and not path.exists():
        anchor = Path(path.anchor)  # "" of a relative pattern, which pathlib globs as it is
        fitting = anchor.glob(str(path.relative_to(anchor))) if path.anchor else base.glob(text)
        paths = sorted(one for one in fitting if one.is_file() or is_deepmd(one))
        if not paths:
            raise MlffError(f"{path}: no file fits this pattern")
    elif whole:
        paths = [path]
    elif path.is_dir() and not is_deepmd(path) and (inside := _inside(path)):
        paths = inside
    elif path.is_dir() and not is_deepmd(path) and not (path / "metadata.json").is_file():
        raise MlffError(f"{path}: a folder without data files ({', '.join(_IN_FOLDERS)})")
    else:
        paths = [path]
    return [
        DataFile(one, frames, group)
        for one in paths
        for group in (groups_of(one) if one.suffix in _HDF5 else (None,))
    ]


def _symbols(numbers: NDArray[np.int64]) -> tuple[str, ...]:
    from ase.data import chemical_symbols

    return tuple(sorted(chemical_symbols[z] for z in set(numbers.tolist())))


def _inside(folder: Path) -> list[Path]:
    """Data files in a folder; none of a folder that is one data set itself, as ASE has some."""

    def plain(path: Path) -> str:
        return path.with_suffix("").suffix if path.suffix in _PACKED else path.suffix

    return sorted(
        one
        for one in folder.iterdir()
        if is_deepmd(one) or (one.is_file() and plain(one) in _IN_FOLDERS)
    )


def _named(files: list[DataFile]) -> dict[str, DataFile]:
    """Files by the name of their system: the stem, with its folder where several share one."""
    counts = Counter(file.stem for file in files)
    named: dict[str, DataFile] = {}
    for file in files:
        home = file.path.parent.name if file.group is None else file.path.stem
        name = file.stem if counts[file.stem] == 1 else f"{home}_{file.stem}"
        if name in named:
            raise MlffError(
                f"{file.path}: {named[name].path} has the same name; name each file once"
            )
        named[name] = file
    return named
