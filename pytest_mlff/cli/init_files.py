"""Files that ``mlff init`` is about to write: what would change, and writing them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_mlff.errors import MlffError
from pytest_mlff.store import write_atomically


@dataclass(frozen=True)
class Planned:
    """A file to be written: its path below the model repository, with ``/``, and its content."""

    folder: Path
    name: str
    content: bytes

    @property
    def path(self) -> Path:
        """Where it goes."""
        return self.folder / self.name

    @property
    def before(self) -> bytes | None:
        """What is there now; None if nothing.

        Raises
        ------
        MlffError
            If the target is no file of the folder, or cannot be read.
        """
        check_target(self.folder, self.name)
        try:
            return self.path.read_bytes() if self.path.exists() else None
        except OSError as error:
            raise MlffError(f"{self.path}: cannot be read ({error.strerror})") from error

    @property
    def state(self) -> str:
        """``new``, ``unchanged`` or ``differs``."""
        before = self.before
        if before is None:
            return "new"
        return "unchanged" if before == self.content else "differs"


def check_target(folder: Path, name: str) -> None:
    """Make sure that writing ``name`` stays within the folder.

    Raises
    ------
    MlffError
        If the target, or a folder on the way to it, is a symbolic link or of a wrong kind.
    """
    path = folder
    parts = name.split("/")
    for number, part in enumerate(parts, start=1):
        path = path / part
        if path.is_symlink():
            raise MlffError(f"{path}: is a symbolic link, and nothing is written through one")
        last = number == len(parts)
        if path.exists() and (path.is_dir() if last else not path.is_dir()):
            raise MlffError(f"{path}: is {'a folder' if last else 'no folder'}")


def described(file: Planned, *, content: bool) -> list[str]:
    """What would be done to a file: a line, then what differs, or a new one's content if wanted."""
    state, size = file.state, f"{len(file.content):,} bytes"
    lines = [f"{state:<9}  {file.name}  ({size})"]
    try:
        after = file.content.decode().splitlines()
        before = (file.before or b"").decode().splitlines()
    except UnicodeDecodeError:
        return lines
    if state == "differs":
        lines += [
            f"    {line}"
            for line in difflib.unified_diff(before, after, "now", "then", lineterm="", n=2)
        ]
    elif state == "new" and content:
        lines += [f"    {line}" for line in after]
    return lines


def write_all(files: Sequence[Planned]) -> None:
    """Write what is new or differs.

    Raises
    ------
    MlffError
        If a file cannot be written; the line names those that were.
    """
    done: list[str] = []
    for file in files:
        if file.state == "unchanged":
            continue
        try:
            write_atomically(file.path, file.content)
        except OSError as error:
            written = f"; written so far: {', '.join(done)}" if done else ""
            raise MlffError(
                f"{file.path}: cannot be written ({error.strerror or error}){written}"
            ) from error
        done.append(file.name)
