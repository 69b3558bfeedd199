"""Datasets by name: the embedded one, published ones and the user's own files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.datasets.cached import CachedSource
from pytest_mlff.datasets.dataset import Dataset
from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER, read_trajectory
from pytest_mlff.datasets.frames import Frames
from pytest_mlff.datasets.index_files import read_index_files
from pytest_mlff.datasets.locations import default_data_dir, find_published
from pytest_mlff.datasets.molecules import MOLECULES
from pytest_mlff.datasets.own_files import FileOption, FileSource
from pytest_mlff.datasets.published import MD17, RMD17, SPECIES, PublishedDataset
from pytest_mlff.datasets.readers.npz import read_npz
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlff.datasets.dataset import DatasetSource

__all__ = [
    "DEFAULT_LEVEL",
    "EmbeddedSource",
    "PublishedSource",
    "open_dataset",
]

DEFAULT_LEVEL = "gfn2-xtb"


class EmbeddedSource(CachedSource):
    """The data that ships with the package, or a folder made by ``mlff data generate``."""

    def __init__(
        self,
        level: str = DEFAULT_LEVEL,
        folder: Path = EMBEDDED_FOLDER,
        name: str = "embedded",
    ) -> None:
        super().__init__(name, tuple(molecule.name for molecule in MOLECULES))
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


class PublishedSource(CachedSource):
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
        from pytest_mlff.specs.dataset_option import BUILTIN_DATASETS

        raise MlffError(
            f"unknown dataset {name!r}; choose one of {', '.join(BUILTIN_DATASETS)}, "
            "or give your own file's `path` in the spec"
        )
    folder = (data_dir or default_data_dir()).expanduser()
    if data_dir is not None and not folder.is_dir():
        raise MlffError(f"data folder {folder} does not exist; make it or mend --mlff-data")
    return PublishedSource(published, folder)
