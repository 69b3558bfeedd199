"""Datasets by name: those that have a record, and the user's own files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.datasets.cached import CachedSource
from pytest_mlff.datasets.conversion import parse_units
from pytest_mlff.datasets.dataset import Dataset
from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER, GATE_FOLDER, read_trajectory
from pytest_mlff.datasets.frames import Frames
from pytest_mlff.datasets.levels import NOT_STATED
from pytest_mlff.datasets.locations import default_data_dir, find_system
from pytest_mlff.datasets.own_files import DataFile, FileOption, FileSource, read_file
from pytest_mlff.datasets.record import builtin_records, record_named
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from pytest_mlff.datasets.dataset import DatasetSource
    from pytest_mlff.datasets.record import DatasetRecord

DEFAULT_LEVEL = "gfn2-xtb"


@dataclass(frozen=True)
class _Option:
    """What a record says of its files, and a spec in its place."""

    path: None
    format: str | None
    units: str | None
    level_of_theory: str | None
    time_ordered: bool | None
    species: Mapping[int, str] | None
    replica: str | None
    independent: bool | None
    energy_key: str | None
    forces_key: str | None
    stress_key: str | None
    virial_key: str | None


def _option(record: DatasetRecord, told: FileOption | None) -> _Option:
    keys = record.keys
    option = _Option(
        None,
        record.format if record.format not in ("npz", "deepmd") else None,
        record.units,
        None,
        record.time_ordered,
        None,
        record.replica,
        record.independent,
        keys.energy,
        keys.forces,
        keys.stress,
        keys.virial,
    )
    said = {name: getattr(told, name, None) for name in _Option.__dataclass_fields__}
    return replace(option, **{name: one for name, one in said.items() if one is not None})


class RecordSource(CachedSource):
    """A dataset that has a record, in a folder; what a spec says takes the record's place."""

    def __init__(self, record: DatasetRecord, folder: Path, told: FileOption | None = None) -> None:
        super().__init__(record.name, tuple(record.systems))
        self.record = record
        self.folder = folder
        self.option = _option(record, told)

    def species(self, molecule: str) -> tuple[str, ...]:
        """Chemical symbols of a system, alphabetically, as the record has them."""
        self._check(molecule)
        return self.record.species()[molecule]

    def path_of(self, molecule: str) -> Path:
        """The system's file; raises :class:`MlffError` where there is none."""
        self._check(molecule)
        return find_system(self.record, molecule, self.folder)

    def _read(self, molecule: str) -> Dataset:
        record, option, path = self.record, self.option, self.path_of(molecule)
        units = None if option.units is None else parse_units(option.units, record.name)
        read = read_file(self.name, molecule, DataFile(path), option, units, layout=record.layout)
        wanted = self.species(molecule)
        if read.frames.species != wanted:
            raise MlffError(
                f"{path}: holds {', '.join(read.frames.species)}; "
                f"{molecule} is made of {', '.join(wanted)}"
            )
        # What the file says of itself goes before what the record says of all files.
        stated = None if read.level_of_theory == NOT_STATED else read.level_of_theory
        level = stated or record.systems[molecule].level_of_theory or record.level_of_theory
        return replace(
            read,
            level_of_theory=level or NOT_STATED,
            timestep_fs=read.timestep_fs or record.timestep_fs,
            licence=record.stated_licence,
        )


class EmbeddedSource(CachedSource):
    """Trajectories made by ``mlff data generate``: those that ship, or a folder of your own."""

    def __init__(
        self,
        level: str = DEFAULT_LEVEL,
        folder: Path = EMBEDDED_FOLDER,
        name: str = "embedded",
    ) -> None:
        self._species = record_named("embedded").species()
        super().__init__(name, tuple(self._species))
        self.level = level
        self.folder = folder

    def species(self, molecule: str) -> tuple[str, ...]:
        """Chemical symbols of a molecule, alphabetically."""
        self._check(molecule)
        return self._species[molecule]

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
        replica = trajectory.replica
        frames = Frames.of_one_molecule(
            trajectory.numbers,
            trajectory.positions,
            energy=labels.energy,
            forces=labels.forces,
            # Steps of different trajectories are in no order.
            time_index=steps if replica is None else None,
            replica=replica,
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


def check_known(name: str, option: FileOption | None, spec_dir: Path | None) -> None:
    """A dataset has a record or a path, and not both.

    Raises
    ------
    MlffError
        With the choices.
    """
    if option is None or option.path is None:
        record_named(name, spec_dir)
    elif name in builtin_records():
        raise MlffError(f"`path` does not go with the name {name!r}; give your file another")


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
        That of a record, or any when ``option`` gives a path.
    option : FileOption, optional
        The spec's entry for the dataset.
    data_dir : Path, optional
        Folder of published datasets; :func:`default_data_dir` otherwise.
    spec_dir : Path, optional
        Folder that paths of own files are relative to, and where the search for a repository's
        own records begins.

    Raises
    ------
    MlffError
        If the name is unknown; the message lists the choices.
    """
    check_known(name, option, spec_dir)
    if option is not None and option.path is not None:
        return FileSource(name, option, spec_dir)
    record = record_named(name, spec_dir)
    if record.format == "labels":
        level = None if option is None else option.level_of_theory
        folder = {"embedded": EMBEDDED_FOLDER, "gate": GATE_FOLDER}[name]
        return EmbeddedSource(level or DEFAULT_LEVEL, folder, name)
    if record.embedded:
        return RecordSource(record, EMBEDDED_FOLDER, option)
    folder = (data_dir or default_data_dir()).expanduser()
    if data_dir is not None and not folder.is_dir():
        raise MlffError(f"data folder {folder} does not exist; make it or fix --mlff-data")
    return RecordSource(record, folder, option)
