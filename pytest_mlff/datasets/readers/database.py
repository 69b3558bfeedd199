"""ASE databases, whose labels stand in a calculator or, as SchNetPack keeps them, in ``data``."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_mlff.datasets.conversion import parse_units
from pytest_mlff.datasets.label_keys import LabelKeys, is_label
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from ase import Atoms

    from pytest_mlff.datasets.conversion import FileUnits


def database_structures(plain: Path) -> tuple[list[Atoms], dict[str, Any], bool]:
    """Structures of a database by id, metadata of the whole, and whether labels stand in ``data``.

    ``info`` holds the key-value pairs and ``data`` of each row; of labels in ``data`` ASE does not
    know the units.
    """
    from ase.db import connect

    structures: list[Atoms] = []
    in_data = False
    if plain.suffix == ".db":
        _check_whole(plain)
    with connect(plain) as database:
        for row in database.select(sort="id"):
            atoms = row.toatoms()
            for key, value in (*row.key_value_pairs.items(), *dict(row.data).items()):
                atoms.info.setdefault(key, value)
            in_data |= any(is_label(key) for key in row.data)
            structures.append(atoms)
        return structures, dict(database.metadata), in_data


_VOLUME: Final = "{}/Ang/Ang/Ang"
"""How SchNetPack writes energy per volume."""


def _check_whole(plain: Path) -> None:
    """Refuse a damaged file, of which SQLite may still give some rows; raises ValueError."""
    with closing(sqlite3.connect(f"{plain.absolute().as_uri()}?mode=ro", uri=True)) as opened:
        said = str(opened.execute("PRAGMA quick_check(1)").fetchone()[0])
    if said != "ok":
        raise ValueError(f"damaged database: {said}")


def database_units(
    metadata: dict[str, Any], in_data: bool, told: FileUnits | None, keys: LabelKeys, path: str
) -> FileUnits | None:
    """Units told by the user, else by the database (SchNetPack's ``_property_unit_dict``).

    Raises
    ------
    MlffError
        If user and file disagree, or labels stand in ``data`` and no one says their units.
    """
    of = metadata.get("_property_unit_dict") or {}
    if not isinstance(of, dict):
        raise MlffError(f"{path}: metadata: _property_unit_dict is no mapping of units")
    energy, forces = of.get(keys.energy or "energy"), of.get(keys.forces or "forces")
    stated = None
    if energy is not None or forces is not None:
        length = str(metadata.get("_distance_unit") or "Ang")
        energy = str(energy) if energy is not None else str(forces).rpartition("/")[0]
        stated = parse_units(f"{energy}, {length}", f"{path}: metadata")
        if forces is not None:
            by, _, per = str(forces).rpartition("/")
            if parse_units(f"{by}, {per}", f"{path}: metadata") != stated:
                raise MlffError(
                    f"{path}: metadata: forces in {forces} are not energies in {energy} per "
                    f"{length}; convert the file first"
                )
    stress = of.get(keys.stress or "stress")
    if stated is not None and stress is not None and str(stress) != _VOLUME.format(energy):
        stated = parse_units(f"{energy}, {length}, {stress}", f"{path}: metadata")
    if told is not None and stated is not None and told != stated:
        raise MlffError(f"{path}: states its units as {stated}, but the spec says {told}")
    if in_data and told is None and stated is None:
        raise MlffError(
            f"{path}: the database does not say the units of its labels; set `units` beside its "
            "path, e.g. units: eV"
        )
    return told or stated
