"""Extended XYZ through ASE, with labels kept as they stand and odd spellings understood."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

from pytest_mlff.errors import MlffError

MARK: Final = "mlff-label:"
"""Begins keys of ``info`` that ASE would move into a calculator, or refuse, unseen."""

_LABEL = re.compile(r"(?<![^\s])(energy|free_energy|stress|virial)(?==)", re.IGNORECASE)
_SYMBOL = re.compile(r"^(D|T|[A-Z][a-z]?)[_\-]?\d+$|^[DT]$")
_SPECIES = re.compile(r"Properties=\"?([^\s\"]+)", re.IGNORECASE)
_BOM: Final = b"\xef\xbb\xbf"


def comment_parser(text: str) -> dict[str, Any]:
    """Read a comment line as ASE does, with the labels that it would act on marked."""
    from ase.io.extxyz import key_val_str_to_dict

    labels = [one.lower() for one in _LABEL.findall(text)]
    twice = next((one for one in labels if labels.count(one) > 1), None)
    if twice is not None:
        raise ValueError(f"its comment holds {twice!r} twice")
    found: dict[str, Any] = key_val_str_to_dict(_LABEL.sub(rf"{MARK}\1", text))
    return found


def check_whole(plain: Path, where: str) -> None:
    """Refuse a file that ASE would not read to its last frame.

    ASE ends at an empty line, and looks for as many atoms as a frame says, be they 10²⁰.

    Raises
    ------
    MlffError
        With the line.
    """
    empty, number = 0, 0
    with plain.open(encoding="utf-8-sig", errors="replace") as stream:
        for line in stream:
            number += 1
            word = line.strip()
            if not word:
                empty = empty or number
            elif empty:
                raise MlffError(
                    f"{where}: line {empty} is empty where a frame should begin, so those after it "
                    "would be lost; take the line out"
                )
            elif word.isdecimal():
                count = min(int(word), plain.stat().st_size) + 1
                held = sum(1 for _ in islice(stream, count))
                if held < count:
                    raise MlffError(
                        f"{where}: cannot be read as extended XYZ: line {number} says {word[:20]} "
                        f"atoms, of which the file holds {max(held - 1, 0)}"
                    )
                number += held


def tidied(plain: Path, folder: Path) -> Path:
    """The file, or a copy of it that ASE reads.

    Without byte order mark, in UTF-8, and with symbols such as D or H1 as elements.
    """
    raw = plain.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
        changed = raw.startswith(_BOM)
    except UnicodeDecodeError:
        text, changed = raw.decode("latin-1"), True
    lines = text.splitlines()
    for row, column in _atom_rows(lines):
        words = lines[row].split()
        if len(words) > column and _SYMBOL.match(words[column]):
            symbol = re.sub(r"[_\-]?\d+$", "", words[column])
            words[column] = "H" if symbol in ("D", "T") else symbol
            lines[row] = " ".join(words)
            changed = True
    if not changed:
        return plain
    copy = folder / f"tidied-{plain.name}"
    copy.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return copy


def _atom_rows(lines: list[str]) -> Iterator[tuple[int, int]]:
    """Number of every line of an atom, with the column that its species stands in."""
    row = 0
    while row < len(lines) and lines[row].split()[:1] and lines[row].split()[0].isdigit():
        count = int(lines[row].split()[0])
        named = _SPECIES.search(lines[row + 1]) if row + 1 < len(lines) else None
        column = _species_column("species:S:1" if named is None else named[1])
        for atom in range(row + 2, min(row + 2 + count, len(lines))):
            yield atom, column
        row += 2 + count


def _species_column(properties: str) -> int:
    fields = properties.split(":")
    column = 0
    for name, width in zip(fields[::3], fields[2::3], strict=False):
        if name == "species":
            return column
        column += int(width) if width.isdigit() else 1
    return 0
