"""What is known about published datasets before a file is opened."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MD17", "RMD17", "SPECIES", "PublishedDataset"]

SPECIES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "aspirin": ("C", "H", "O"),
        "azobenzene": ("C", "H", "N"),
        "benzene": ("C", "H"),
        "ethanol": ("C", "H", "O"),
        "malonaldehyde": ("C", "H", "O"),
        "naphthalene": ("C", "H"),
        "paracetamol": ("C", "H", "N", "O"),
        "salicylic_acid": ("C", "H", "O"),
        "toluene": ("C", "H"),
        "uracil": ("C", "H", "N", "O"),
    }
)
"""Elements of each molecule, so that cases can be listed where no file lies."""


@dataclass(frozen=True)
class PublishedDataset:
    """A dataset with one npz file per molecule.

    Attributes
    ----------
    name : str
        Name in specs and on the command line; also the folder looked into.
    file_names : tuple of str
        Patterns of the published file names; ``{m}`` is the molecule.
    short_names : mapping of str to str
        Molecules whose published file names differ from their name here.
    folders : tuple of str
        Folders below the data folder that may hold the files.
    level_of_theory, licence : str
        As published.
    timestep_fs : float
        MD time step in fs.
    doi : str or None
        Where it is published.
    """

    name: str
    file_names: tuple[str, ...]
    short_names: Mapping[str, str]
    folders: tuple[str, ...]
    level_of_theory: str
    licence: str
    timestep_fs: float
    doi: str | None

    def candidates(self, molecule: str) -> tuple[str, ...]:
        """Relative paths (glob patterns) at which a molecule's file may lie, best first."""
        names = [molecule]
        if molecule in self.short_names:
            names.append(self.short_names[molecule])
        return tuple(
            f"{folder}{pattern.format(m=name)}"
            for folder in self.folders
            for pattern in self.file_names
            for name in names
        )


RMD17: Final = PublishedDataset(
    name="rmd17",
    file_names=("rmd17_{m}.npz",),
    short_names=MappingProxyType({"salicylic_acid": "salicylic"}),
    # The published archive unpacks to rmd17/npz_data.
    folders=("rmd17/", "", "rmd17/npz_data/", "npz_data/"),
    level_of_theory="PBE/def2-SVP",
    licence="CC0-1.0",
    timestep_fs=0.5,
    doi="10.6084/m9.figshare.12672038.v3",
)
"""Christensen, von Lilienfeld, Mach. Learn.: Sci. Technol. 2020, 1, 045018."""

MD17: Final = PublishedDataset(
    name="md17",
    # Files were called <molecule>_dft.npz before they were called md17_<molecule>.npz.
    file_names=("md17_{m}.npz", "{m}_dft.npz", "md17_{m}_*.npz"),
    short_names=MappingProxyType(
        {
            "salicylic_acid": "salicylic",
            "benzene": "benzene2017",
            "naphthalene": "naphtalene",
        }
    ),
    folders=("md17/", ""),
    level_of_theory="PBE+TS",
    licence="not stated by its publisher",
    timestep_fs=0.5,
    doi=None,
)
"""Chmiela et al., Sci. Adv. 2017, 3, e1603015."""
