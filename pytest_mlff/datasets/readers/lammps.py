"""LAMMPS dumps: which element a type is, and the units that the file states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["dump_options", "is_dump"]


_MOST_TYPES: Final = 1000


def is_dump(file_format: str) -> bool:
    """Whether a format of ASE's is a LAMMPS dump, whose reader writes an energy of 0."""
    return file_format.startswith("lammps-dump")


def dump_options(plain: Path, species: Mapping[int, str] | None, where: str) -> dict[str, Any]:
    """Arguments for ASE's reader.

    Parameters
    ----------
    plain : Path
        The dump, not compressed.
    species : mapping of int to str, optional
        Element of each type.
    where : str
        Begins messages.

    Raises
    ------
    MlffError
        If the dump has atom types and nothing says which elements they are.
    """
    columns, style = _header(plain)
    options: dict[str, Any] = {} if style is None else {"units": style}
    if species is None:
        if "element" not in columns:
            raise MlffError(
                f"{where}: the dump holds atom types, not elements; say which is which beside its "
                "path, e.g. species: {1: Cu, 2: O}"
            )
        return options
    # ASE looks types up in a list that begins with type 1; X, no element, is refused later.
    most = max(_MOST_TYPES, *species)
    return options | {"specorder": [species.get(one, "X") for one in range(1, most + 1)]}


def _header(plain: Path) -> tuple[list[str], str | None]:
    """Columns and unit style of the first snapshot; neither of a binary dump."""
    style = None
    with plain.open("rb") as stream:
        for raw in stream:
            line = raw.decode("latin-1").strip()
            if line == "ITEM: UNITS":
                style = next(stream, b"").decode("latin-1").strip()
            if line.startswith("ITEM: ATOMS"):
                return line.split()[2:], style
    return [], style
