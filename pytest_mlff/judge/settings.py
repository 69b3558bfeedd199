"""Two versions of pytest's settings: ini files, conftest files, the workflow."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import iniconfig

from pytest_mlff.errors import MlffError
from pytest_mlff.judge.edits import Edit

if TYPE_CHECKING:
    from pytest_mlff.judge.edits import EditKind

# In the order in which pytest takes the first (its reference, "Initialization: determining
# rootdir and configfile"), with the place of its section.
_FILES: Final = {
    "pytest.toml": ("pytest",),
    ".pytest.toml": ("pytest",),
    "pytest.ini": ("pytest",),
    ".pytest.ini": ("pytest",),
    "pyproject.toml": ("tool.pytest", "tool.pytest.ini_options"),
    "tox.ini": ("pytest",),
    "setup.cfg": ("tool:pytest",),
}
_ALWAYS: Final = ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini")
"""Files that count without a section, too."""


def ini_file(root: Path) -> Path | None:
    """The file that pytest takes its settings from, if it starts in ``root``."""
    return next((root / name for name, _ in _found(root)), None)


def _found(root: Path) -> Iterator[tuple[str, dict[str, str]]]:
    for name, sections in _FILES.items():
        path = root / name
        if not path.is_file():
            continue
        settings = _toml(path, sections) if name.endswith(".toml") else _ini(path, sections[0])
        if settings is not None or name in _ALWAYS:
            yield name, settings or {}


def _ini(path: Path, section: str) -> dict[str, str] | None:
    try:
        parsed = iniconfig.IniConfig(str(path))
    except (iniconfig.ParseError, UnicodeDecodeError) as error:
        raise MlffError(f"{path}: not readable ({' '.join(str(error).split())})") from None
    return dict(parsed.sections[section]) if section in parsed.sections else None


def _toml(path: Path, sections: Iterable[str]) -> dict[str, str] | None:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise MlffError(f"{path}: not readable ({' '.join(str(error).split())})") from None
    settings: dict[str, str] | None = None
    for section in sections:
        table: Any = content
        for key in section.split("."):
            table = table.get(key) if isinstance(table, dict) else None
        if isinstance(table, dict):
            told = {key: str(one) for key, one in table.items() if not isinstance(one, dict)}
            settings = {**(settings or {}), **told}
    return settings


def _settings(root: Path) -> tuple[str, dict[str, str]]:
    return next(_found(root), ("no ini file", {}))


def ini_edits(base: Path, head: Path) -> list[Edit]:
    """Keys of pytest's settings that differ, whichever file they stand in."""
    _, before = _settings(base)
    try:
        name, after = _settings(head)
    except MlffError as error:
        return [Edit("pytest setting", "pytest", str(error))]
    return [
        Edit(_kind(key), f"{name}: {key}", f"{_shown(before, key)} → {_shown(after, key)}")
        for key in before.keys() | after.keys()
        if before.get(key) != after.get(key)
    ]


def _kind(key: str) -> EditKind:
    if key == "addopts":
        return "addopts"
    return "mlff setting" if key.startswith("mlff_") else "pytest setting"


def _shown(settings: dict[str, str], key: str) -> str:
    return repr(settings[key]) if key in settings else "not set"


def conftest_edits(base: Path, head: Path, folders: Iterable[str]) -> list[Edit]:
    """Conftest files that differ: in the root, its ``test*`` folders and on the way to specs."""
    names = {"conftest.py"}
    for root in (base, head):
        names |= {path.relative_to(root).as_posix() for path in root.glob("test*/conftest.py")}
    for folder in folders:
        parts = folder.strip("/").split("/")
        names |= {"/".join((*parts[:n], "conftest.py")) for n in range(1, len(parts) + 1)}
    return [edit for name in sorted(names) for edit in file_edits("conftest", base, head, name)]


def file_edits(kind: EditKind, base: Path, head: Path, name: str) -> list[Edit]:
    """An edit if a file differs."""
    before, after = _content(base / name), _content(head / name)
    if before == after:
        return []
    what = "is new" if before is None else "is gone" if after is None else "is changed"
    return [Edit(kind, name, what)]


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
