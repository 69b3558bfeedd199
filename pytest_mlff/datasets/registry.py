"""Datasets by name: the embedded one, published ones and the user's own files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pytest_mlff.datasets.conversion import FileUnits, parse_units
from pytest_mlff.datasets.dataset import Dataset
from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER, read_trajectory
from pytest_mlff.datasets.frames import Frames
from pytest_mlff.datasets.index_files import read_index_files
from pytest_mlff.datasets.labels import KeysSaid, LabelKeys
from pytest_mlff.datasets.locations import default_data_dir, find_published
from pytest_mlff.datasets.molecules import MOLECULES
from pytest_mlff.datasets.published import MD17, RMD17, SPECIES, PublishedDataset
from pytest_mlff.datasets.readers.npz import read_npz, read_npz_numbers
from pytest_mlff.datasets.readers.structures import read_structures
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_mlff.datasets.dataset import DatasetSource
    from pytest_mlff.datasets.readers import FileContent

__all__ = [
    "BUILTIN_DATASETS",
    "DEFAULT_LEVEL",
    "EmbeddedSource",
    "FileOption",
    "FileSource",
    "PublishedSource",
    "open_dataset",
]

DEFAULT_LEVEL = "gfn2-xtb"
BUILTIN_DATASETS = ("embedded", "rmd17", "md17")


class FileOption(KeysSaid, Protocol):
    """What a spec says of a dataset: the part of its ``DatasetOption`` that is read here."""

    @property
    def path(self) -> Path | str | None:
        """The user's own file, relative to the spec; None for a builtin dataset."""

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


class _CachedSource:
    """Loads each molecule once."""

    def __init__(self, name: str, molecules: tuple[str, ...]) -> None:
        self.name = name
        self.molecules = molecules
        self._loaded: dict[str, Dataset] = {}

    def load(self, molecule: str) -> Dataset:
        """Read one molecule; a second call returns the same object."""
        if molecule not in self._loaded:
            self._check(molecule)
            self._loaded[molecule] = self._read(molecule)
        return self._loaded[molecule]

    def species(self, molecule: str) -> tuple[str, ...]:
        """Chemical symbols of a molecule, alphabetically."""
        self._check(molecule)
        return SPECIES[molecule]

    def _check(self, molecule: str) -> None:
        if molecule not in self.molecules:
            raise MlffError(
                f"dataset {self.name!r} has no molecule {molecule!r}; "
                f"it has {', '.join(self.molecules)}"
            )

    def _read(self, molecule: str) -> Dataset:
        raise NotImplementedError


class EmbeddedSource(_CachedSource):
    """The data that ships with the package, or a folder made by ``mlff data generate``."""

    def __init__(self, level: str = DEFAULT_LEVEL, folder: Path = EMBEDDED_FOLDER) -> None:
        super().__init__("embedded", tuple(molecule.name for molecule in MOLECULES))
        self.level = level
        self.folder = folder

    def _read(self, molecule: str) -> Dataset:
        path = self.folder / f"{molecule}.npz"
        trajectory = read_trajectory(path)
        labels = trajectory.labels.get(self.level)
        if labels is None:
            raise MlffError(
                f"{path}: no labels of level {self.level!r}; "
                f"it has {', '.join(sorted(trajectory.labels))}"
            )
        metadata = trajectory.metadata
        dynamics = metadata["dynamics"]
        # Frame k was taken after k + 1 strides from the end of the equilibration.
        steps = (np.arange(len(trajectory.positions)) + 1) * int(dynamics["stride"])
        frames = Frames.of_one_molecule(
            trajectory.numbers,
            trajectory.positions,
            energy=labels.energy,
            forces=labels.forces,
            time_index=steps,
        )
        return Dataset(
            name=self.name,
            molecule=molecule,
            frames=frames,
            level_of_theory=str(
                metadata.get("levels_of_theory", {}).get(self.level, {}).get("method", self.level)
            ),
            timestep_fs=float(dynamics["timestep_fs"]),
            licence=str(metadata["licence"]),
            source=str(path),
            digest=frames.digest,
        )


class PublishedSource(_CachedSource):
    """rMD17 or MD17 as their publishers' npz files."""

    def __init__(self, published: PublishedDataset, data_dir: Path) -> None:
        super().__init__(published.name, tuple(SPECIES))
        self.published = published
        self.data_dir = data_dir

    def path_of(self, molecule: str) -> Path:
        """The molecule's file; raises :class:`MlffError` where there is none."""
        self._check(molecule)
        return find_published(self.published, molecule, self.data_dir)

    def _read(self, molecule: str) -> Dataset:
        path = self.path_of(molecule)
        content = read_npz(path, layout=self.published.name)
        frames = content.frames
        if frames.species != SPECIES[molecule]:
            raise MlffError(
                f"{path}: holds {', '.join(frames.species)}; "
                f"{molecule} is made of {', '.join(SPECIES[molecule])}"
            )
        index_sets = {**content.index_sets, **read_index_files(path, content.rank)}
        notes: list[str] = []
        if len(content.duplicates):
            shown = ", ".join(str(step) for step in content.duplicates[:5])
            more = ", …" if len(content.duplicates) > 5 else ""
            notes.append(f"{len(content.duplicates)} MD steps occur more than once: {shown}{more}")
        if frames.time_index is None:
            # MD17 is published in time order, every step of the trajectory.
            frames = replace(frames, time_index=np.arange(len(frames)))
        return Dataset(
            name=self.name,
            molecule=molecule,
            frames=frames,
            level_of_theory=content.level_of_theory or self.published.level_of_theory,
            timestep_fs=self.published.timestep_fs,
            licence=self.published.licence,
            source=str(path),
            digest=frames.digest,
            index_sets=index_sets,
            notes=tuple(notes),
        )


class FileSource(_CachedSource):
    """The user's own file; its one molecule is called after the file."""

    def __init__(self, name: str, option: FileOption, spec_dir: Path | None) -> None:
        assert option.path is not None
        self.path = (spec_dir or Path()) / option.path
        super().__init__(name, (_stem(self.path),))
        self.option = option
        self.units: FileUnits | None = (
            None
            if option.units is None
            else parse_units(str(option.units), f"dataset {name!r} ({self.path.name})")
        )

    @property
    def _is_npz(self) -> bool:
        told = self.option.format
        named = self.path.name.endswith((".npz", ".npz.gz", ".npz.bz2", ".npz.xz"))
        return named if told is None else told == "npz"

    def species(self, molecule: str) -> tuple[str, ...]:
        """Chemical symbols in the file, alphabetically; of an npz only one key is read."""
        self._check(molecule)
        if not self._is_npz or molecule in self._loaded:
            return self.load(molecule).frames.species
        from ase.data import chemical_symbols

        return tuple(sorted(chemical_symbols[z] for z in set(read_npz_numbers(self.path).tolist())))

    def _content(self) -> FileContent:
        option = self.option
        keys = LabelKeys(option.energy_key, option.forces_key, option.stress_key, option.virial_key)
        if self._is_npz:
            return read_npz(self.path, units=self.units, keys=keys)
        return read_structures(
            self.path,
            file_format=option.format,
            units=self.units,
            keys=keys,
            species=option.species,
        )

    def _read(self, molecule: str) -> Dataset:
        content = self._content()
        frames = content.frames
        if self.option.time_ordered and frames.time_index is None:
            frames = replace(frames, time_index=np.arange(len(frames)))
        return Dataset(
            name=self.name,
            molecule=molecule,
            frames=frames,
            level_of_theory=self.option.level_of_theory or content.level_of_theory or "not stated",
            timestep_fs=content.timestep_fs,
            licence="the user's own file",
            source=str(self.path),
            digest=frames.digest,
            index_sets=content.index_sets,
            labels=content.labels,
        )


def _stem(path: Path) -> str:
    """File name without compression and format suffixes."""
    name = path.name
    for suffix in (".gz", ".bz2", ".xz"):
        name = name.removesuffix(suffix)
    return Path(name).stem or name


def open_dataset(
    name: str,
    option: FileOption | None = None,
    *,
    data_dir: Path | None = None,
    spec_dir: Path | None = None,
) -> DatasetSource:
    """Open a dataset; no frame is read before ``load``.

    Parameters
    ----------
    name : str
        ``embedded``, ``rmd17``, ``md17``, or any name when ``option`` gives a path.
    option : FileOption, optional
        The spec's entry for the dataset.
    data_dir : Path, optional
        Folder of published datasets; :func:`default_data_dir` otherwise.
    spec_dir : Path, optional
        Folder that paths of own files are relative to.

    Raises
    ------
    MlffError
        If the name is unknown; the message lists the choices.
    """
    if option is not None and option.path is not None:
        return FileSource(name, option, spec_dir)
    if name == "embedded":
        level = None if option is None else option.level_of_theory
        return EmbeddedSource(level or DEFAULT_LEVEL)
    published = {"rmd17": RMD17, "md17": MD17}.get(name)
    if published is None:
        raise MlffError(
            f"unknown dataset {name!r}; choose one of {', '.join(BUILTIN_DATASETS)}, "
            "or give your own file's `path` in the spec"
        )
    folder = (data_dir or default_data_dir()).expanduser()
    if data_dir is not None and not folder.is_dir():
        raise MlffError(f"data folder {folder} does not exist; make it or mend --mlff-data")
    return PublishedSource(published, folder)
