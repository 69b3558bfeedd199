"""Families of npz files, told by their keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_mlff.datasets.conversion import KCAL_MOL_ANGSTROM, FileUnits
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from pytest_mlff.datasets.readers.named_arrays import NamedArrays


@dataclass(frozen=True)
class Layout:
    """Keys of one family of npz files.

    Attributes
    ----------
    name : str
        What messages call it.
    numbers, positions, energy, forces : str
        Keys of the arrays; a file without energies or forces is of the family, too.
    order : str or None
        Key of the MD step of each frame, where frames are stored out of order.
    units : FileUnits or None
        Units that the family is published in; None where files differ.
    """

    name: str
    numbers: str
    positions: str
    energy: str
    forces: str
    order: str | None = None
    units: FileUnits | None = None

    @property
    def required(self) -> tuple[str, ...]:
        """Keys that a file of the family is published with."""
        keys = (self.numbers, self.positions, self.energy, self.forces)
        return keys if self.order is None else (*keys, self.order)

    @property
    def structure(self) -> tuple[str, ...]:
        """Keys without which a file is not of this layout."""
        keys = (self.numbers, self.positions)
        return keys if self.order is None else (*keys, self.order)


LAYOUTS: Final[Mapping[str, Layout]] = {
    layout.name: layout
    for layout in (
        Layout(
            "rmd17", "nuclear_charges", "coords", "energies", "forces",
            order="old_indices", units=KCAL_MOL_ANGSTROM,
        ),
        Layout("md17", "z", "R", "E", "F", units=KCAL_MOL_ANGSTROM),
        Layout("arrays", "numbers", "positions", "energy", "forces"),
        Layout("pyg", "z", "pos", "energy", "forces"),
        Layout("nequip", "atomic_numbers", "pos", "energy", "forces"),
        Layout("charges", "nuclear_charges", "coords", "energies", "forces"),
        Layout("mdsim", "atomic_number", "pos", "energy", "force"),
        Layout("atomic", "atomic_numbers", "positions", "energy", "forces"),
        Layout("physnet", "Z", "R", "E", "F"),
        Layout("coordinates", "atomic_numbers", "coordinates", "energy", "forces"),
    )
}  # fmt: skip
"""Known layouts: ``md17`` is also sGDML's, ``arrays`` is what ``mlff data export`` writes,
``pyg`` carries PyTorch Geometric's names, ``nequip`` NequIP's, ``mdsim`` those of Fu et al.,
``physnet`` those of PhysNet and SpookyNet, padded."""


def recognise(archive: NamedArrays, wanted: str | None) -> Layout:
    """The layout of an open file; ``wanted`` names the one that it must have.

    Raises
    ------
    MlffError
        If it has none; the message lists the keys of all.
    """
    found = ", ".join(archive.keys) or "no arrays"
    if wanted is not None:
        layout = LAYOUTS[wanted]
        if all(key in archive.keys for key in layout.required):
            return layout
        raise MlffError(
            f"{archive.where}: expected the keys {', '.join(layout.required)}; found {found}"
        )
    fitting = [
        layout
        for layout in LAYOUTS.values()
        if all(key in archive.keys for key in layout.structure)
    ]
    if fitting:
        # Several share the keys of atoms; the one whose labels are there is meant.
        return max(fitting, key=lambda one: sum(key in archive.keys for key in one.required))
    expected = "; or ".join(
        f"{', '.join(layout.required)} ({layout.name})" for layout in LAYOUTS.values()
    )
    raise MlffError(f"{archive.where}: expected the keys {expected}; found {found}")
