"""LAMMPS dumps and data files: which element a type is, and the units that the file states."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from pytest_mlff.datasets.conversion import FileUnits


def is_dump(file_format: str) -> bool:
    """Whether a format of ASE's is a LAMMPS dump, whose reader writes an energy of 0."""
    return file_format.startswith("lammps-dump")


def is_data(file_format: str) -> bool:
    """Whether a format of ASE's is a LAMMPS data file, whose reader guesses elements."""
    return file_format == "lammps-data"


def data_options(species: Mapping[int, str] | None, where: str) -> dict[str, Any]:
    """Arguments for ASE's reader of data files, which takes type 1 for hydrogen by itself.

    Raises
    ------
    MlffError
        If nothing says which elements the types are.
    """
    from ase.data import atomic_numbers

    if species is None:
        raise MlffError(f"{where}: a LAMMPS data file holds atom types, not elements; {_SAY}")
    numbers = {one: atomic_numbers[symbol] for one, symbol in species.items()}
    return {"Z_of_type": _Lookup(numbers)}


_SAY = "say which is which beside its path, e.g. species: {1: Cu, 2: O}"


class _Lookup(dict[int, int]):
    """Atomic numbers by type; 0, which is no element and refused later, where none is named."""

    def __missing__(self, key: int) -> int:
        return 0


def dump_options(
    plain: Path, species: Mapping[int, str] | None, units: FileUnits | None, where: str
) -> dict[str, Any]:
    """Arguments for ASE's reader.

    Parameters
    ----------
    plain : Path
        The dump, not compressed.
    species : mapping of int to str, optional
        Element of each type.
    units : FileUnits, optional
        As told by the user; what ASE has converted by the style of the file is in eV and Å.
    where : str
        Begins messages.

    Raises
    ------
    MlffError
        If the dump has atom types and nothing says which elements they are, or has elements
        and types are mapped, too, or its units are said twice.
    """
    from ase.calculators.lammps.unitconvert import UNITSETS

    columns, style = _header(plain, where)
    if style not in (None, *UNITSETS):
        raise MlffError(
            f"{where}: states its units as {style!r}, which is none of {', '.join(UNITSETS)}; "
            "write it anew in one of them"
        )
    options: dict[str, Any] = {} if style is None else {"units": style}
    if style is not None and units is not None:
        raise MlffError(f"{where}: states its units as {style!r}; leave `units` out")
    if species is None:
        if "element" not in columns:
            raise MlffError(f"{where}: the dump holds atom types, not elements; {_SAY}")
        return options
    if "element" in columns:
        raise MlffError(f"{where}: the dump holds elements; leave `species` out")
    # ASE looks types up in a list that begins with type 1; X, no element, is refused later.
    most = max(_MOST_TYPES, *species)
    return options | {"specorder": [species.get(one, "X") for one in range(1, most + 1)]}


_MOST_TYPES = 1000


def _header(plain: Path, where: str) -> tuple[list[str], str | None]:
    """Columns of the first snapshot and unit style; neither of a binary dump.

    ASE takes the rows that there are for all atoms, so each snapshot is held against its number.
    """
    columns: list[str] = []
    style, said, rows, snapshot = None, 0, None, -1
    with plain.open("rb") as stream:
        for raw in itertools.chain(stream, (b"ITEM:",)):
            if not raw.startswith(b"ITEM:"):
                rows = rows if rows is None else rows + bool(raw.strip())
                continue
            if rows not in (None, said):
                raise MlffError(
                    f"{where}: frame {snapshot} says {said} atoms and holds {rows}; was it cut off?"
                )
            rows = None
            line = raw.decode("latin-1").strip()
            if line == "ITEM: UNITS":
                style = next(stream, b"").decode("latin-1").strip()
            elif line == "ITEM: NUMBER OF ATOMS":
                word = next(stream, b"").decode("latin-1").strip()
                said = int(word) if word.isdecimal() else -1
            elif line.startswith("ITEM: ATOMS"):
                columns, rows, snapshot = columns or line.split()[2:], 0, snapshot + 1
    return columns, style
