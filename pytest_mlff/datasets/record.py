"""Records of datasets: what is known of one before any of its files is opened.

A record is one YAML file, called after its dataset. Those that ship stand in ``catalogue/``;
a repository keeps its own in a folder ``datasets`` beside its specs, or in one above them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, PrivateAttr

from pytest_mlff.datasets.conversion import parse_units
from pytest_mlff.datasets.readers.layouts import LAYOUTS
from pytest_mlff.errors import MlffError, did_you_mean
from pytest_mlff.specs.load import load_checked
from pytest_mlff.specs.model import Problem, SpecModel
from pytest_mlff.specs.wording import shown

_CATALOGUE: Final = Path(__file__).with_name("catalogue")
_OWN: Final = "datasets"
_CHECKSUM: Final = re.compile(r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}")
_ROOT: Final = (".git", "pyproject.toml", "pytest.ini", "tox.ini", "setup.cfg")


def _words(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_words)]


class SystemRecord(SpecModel):
    """One system: a molecule, a crystal, or one file of a dataset that is split into files."""

    species: Words = Field(min_length=1, description="Chemical symbols that occur.")
    atoms: int | None = Field(default=None, ge=1, description="Atoms, where all frames agree.")
    frames: int | None = Field(default=None, ge=1, description="Frames as published.")
    also: Words = Field(default=(), description="Other names of it in file names.")
    files: Words = Field(default=(), description="As `files` of the dataset, for this one.")
    level_of_theory: str | None = Field(default=None, description="Where it has its own.")
    temperature_k: float | None = Field(default=None, gt=0, description="Where it has its own.")


class Keys(SpecModel):
    """Keys of labels, where the format does not know them."""

    energy: str | None = None
    forces: str | None = None
    stress: str | None = None
    virial: str | None = None


class SourceRecord(SpecModel):
    """One published file: where it lies, and what is known of its content."""

    file: str = Field(min_length=1, description="Its name where it is published.")
    doi: str | None = Field(default=None, description="DOI, with the version where there is one.")
    url: str | None = Field(default=None, description="Address, where no DOI leads to it.")
    checksum: str | None = Field(
        default=None, description="`sha256:…` or `md5:…`; left out where it is not known."
    )
    bytes: int | None = Field(default=None, ge=1, description="Its size.")
    members: Words = Field(
        default=(), description="Of an archive: patterns of the files that are unpacked."
    )
    note: str | None = Field(default=None, description="What else is to be said of it.")

    def _problems(self) -> Iterator[Problem]:
        if self.checksum is not None and not _CHECKSUM.fullmatch(self.checksum):
            yield ("checksum",), f"{self.checksum!r} is no sha256:… or md5:…"

    @property
    def place(self) -> str | None:
        """Address or DOI for messages; None where none is known."""
        return self.url or (f"doi:{self.doi}" if self.doi else None)


class Split(SpecModel):
    """Which frames somebody trained, validated and tested on."""

    by: str = Field(min_length=1, description="Whose split it is.")
    train: str
    validation: str | None = None
    test: str


class DatasetRecord(SpecModel):
    """All that is known of a dataset; what is not known is left out, never guessed."""

    schema_version: Literal[1] = Field(description="Version of this format.")
    title: str = Field(min_length=1, description="One line for lists.")
    systems: dict[str, SystemRecord] = Field(min_length=1, description="By the names of specs.")
    files: Words = Field(
        default=(),
        description="Patterns of the files below the data folder, best first; {system} is a "
        "system's name. A repository's own data may lie beside the record.",
    )
    embedded: bool = Field(default=False, description="Whether the files ship with the package.")
    format: str = Field(min_length=1, description="npz, deepmd, labels, or a format of ASE.")
    layout: str | None = Field(default=None, description="Family of npz files it must be of.")
    units: str | None = Field(
        default=None, description="Of the files: energy, length, stress; see docs/own-data.md."
    )
    keys: Keys = Field(default=Keys(), description="Keys of labels.")
    time_ordered: bool | None = Field(default=None, description="Whether frames are in time order.")
    replica: str | None = Field(default=None, description="Key of the replica of each frame.")
    independent: bool | None = Field(default=None, description="Whether frames are single draws.")
    timestep_fs: float | None = Field(default=None, gt=0, description="Time from frame to frame.")
    temperature_k: float | None = Field(default=None, gt=0, description="Of the sampling.")
    level_of_theory: str | None = Field(default=None, description="Method behind the labels.")
    splits: tuple[Split, ...] = Field(default=(), description="Published splits.")
    sources: tuple[SourceRecord, ...] = Field(default=(), description="Where it is published.")
    licence: str | None = Field(default=None, description="Left out where none is stated.")
    citation: str = Field(min_length=1, description="What to cite.")
    traps: tuple[str, ...] = Field(default=(), description="What is odd about it.")
    _path: Path = PrivateAttr(default=_CATALOGUE)

    def _problems(self) -> Iterator[Problem]:
        if self.layout is not None and self.layout not in LAYOUTS:
            yield ("layout",), f"{self.layout!r} is none of {', '.join(LAYOUTS)}"
        if self.units is not None:
            try:
                parse_units(self.units, "")
            except MlffError as error:
                yield ("units",), str(error).removeprefix(": ")
        if self.format == "npz" and self.units is None:
            yield ("units",), "is missing; an npz file is in the units of whoever wrote it"
        for name, system in self.systems.items():
            if not (system.files or self.files):
                yield ("systems", name), "has no files: write `files` here or beside `systems`"

    @property
    def name(self) -> str:
        """Name in specs and on the command line: that of its file."""
        return self._path.stem

    @property
    def path(self) -> Path:
        """The record's file."""
        return self._path

    @property
    def is_builtin(self) -> bool:
        """Whether it ships with the package."""
        return self._path.parent == _CATALOGUE

    @property
    def stated_licence(self) -> str:
        """The licence, or that none is stated."""
        return self.licence or "not stated by its publisher"

    def species(self) -> Mapping[str, tuple[str, ...]]:
        """Chemical symbols of each system, alphabetically."""
        return {name: tuple(sorted(one.species)) for name, one in self.systems.items()}

    def candidates(self, system: str) -> tuple[str, ...]:
        """Relative paths (glob patterns) at which a system's file may lie, best first."""
        one = self.systems[system]
        return tuple(
            pattern.format(system=name)
            for pattern in one.files or self.files
            for name in (system, *one.also)
        )


def record_folders(start: Path | None) -> tuple[Path, ...]:
    """Folders of a repository's own records, nearest first.

    Parameters
    ----------
    start : Path or None
        Folder of a spec, or where a command runs; folders above it are looked into up to the
        root of its project.
    """
    if start is None:
        return ()
    folders = [start.absolute(), *start.absolute().parents]
    roots = [any((one / name).exists() for name in _ROOT) for one in folders]
    # Without a project, only the folder itself is the user's word.
    project = folders[: roots.index(True) + 1] if any(roots) else folders[:1]
    own = (one / _OWN for one in project)
    return tuple(one for one in own if one.is_dir() and one != _CATALOGUE.parent)


@cache
def _read_builtin(path: Path) -> DatasetRecord:
    return _read(path)


def _read(path: Path) -> DatasetRecord:
    record, _ = load_checked(path, DatasetRecord)
    record._path = path
    return record


def builtin_records() -> dict[str, Path]:
    """Files of the records that ship, by name."""
    return {path.stem: path for path in sorted(_CATALOGUE.glob("*.yaml"))}


def record_names(start: Path | None = None) -> tuple[str, ...]:
    """Names of all records: those that ship, then those of a repository."""
    own = (path.stem for one in record_folders(start) for path in sorted(one.glob("*.yaml")))
    return tuple(dict.fromkeys((*builtin_records(), *own)))


def record_named(name: str, start: Path | None = None) -> DatasetRecord:
    """Read the record of a dataset.

    Parameters
    ----------
    name : str
        Name of its file.
    start : Path, optional
        Where the search for a repository's own records begins.

    Raises
    ------
    MlffError
        If there is none, one of a repository has the name of one that ships, or it is not in
        order: then with file, line and key.
    """
    builtin = builtin_records()
    own = [one / f"{name}.yaml" for one in record_folders(start)]
    own = [path for path in own if path.is_file()]
    if name in builtin:
        if own:
            raise MlffError(
                f"{shown(own[0])}: the package has a record {name!r}, too; rename this one"
            )
        return _read_builtin(builtin[name])
    if own:
        return _read(own[0])
    known = record_names(start)
    raise MlffError(
        f"unknown dataset {name!r}{did_you_mean(name, known)}; choose one of {', '.join(known)}, "
        "or give your own file's `path` in the spec"
    )
