"""What a request brings along that would take part in its own judgement.

A plugin that its package registers with pytest, a module that Python runs at its start, stored
results.
"""

from __future__ import annotations

import configparser
import contextlib
import hashlib
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pytest_mlff.judge.edits import Edit
from pytest_mlff.judge.settings import file_edits

_GROUP: Final = "pytest11"
_TABLES: Final = ("project.entry-points", "tool.poetry.plugins", "project.entry_points")
_AT_START: Final = ("sitecustomize.py", "usercustomize.py")


def plugin_edits(base: Path, head: Path) -> list[Edit]:
    """Plugins that the repository's own package registers, and the code of those that stay."""
    was, now = _plugins(base), _plugins(head)
    edits = [
        Edit("pytest plugin", name, f"{was.get(name, 'none')} → {now.get(name, 'none')}")
        for name in was.keys() | now.keys()
        if was.get(name) != now.get(name)
    ]
    packages = {target.partition(":")[0].partition(".")[0].strip() for target in was.values()}
    files = {
        path.relative_to(root).as_posix()
        for root in (base, head)
        for package in packages - {""}
        for path in _code(root, package)
    }
    return edits + [
        edit for file in sorted(files) for edit in file_edits("pytest plugin", base, head, file)
    ]


def start_edits(base: Path, head: Path) -> list[Edit]:
    """Modules that Python imports by itself where the repository is on its path."""
    return [edit for name in _AT_START for edit in file_edits("pytest plugin", base, head, name)]


def store_edits(name: str, base: Path, head: Path) -> list[Edit]:
    """Results that the request would have taken for computed: a store under version control."""
    was, now = _tracked(base, name), _tracked(head, name)
    if now <= was:
        return []
    return [Edit("store", name, f"{len(now - was)} stored files come with the request")]


def _plugins(root: Path) -> dict[str, str]:
    """What a package registers under ``pytest11``, by name."""
    found: dict[str, str] = {}
    content: Any = {}
    with contextlib.suppress(OSError, ValueError, RecursionError):  # its settings say so
        content = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    for dotted in _TABLES:
        table = content
        for key in (*dotted.split("."), _GROUP):
            table = table.get(key) if isinstance(table, dict) else None
        if isinstance(table, dict):
            found |= {key: str(one) for key, one in table.items()}
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    with contextlib.suppress(OSError, ValueError, configparser.Error):
        parser.read_string((root / "setup.cfg").read_text(encoding="utf-8"))
        lines = parser.get("options.entry_points", _GROUP, fallback="").splitlines()
        found |= {
            key.strip(): one.strip()
            for key, _, one in (line.partition("=") for line in lines if line)
        }
    with contextlib.suppress(OSError, ValueError):
        if _GROUP in (text := (root / "setup.py").read_text(encoding="utf-8")):
            found["setup.py"] = f": {hashlib.sha256(text.encode()).hexdigest()[:12]}"
    return found


def _code(root: Path, package: str) -> Iterator[Path]:
    for folder in (root, root / "src"):
        yield from (path for path in [folder / f"{package}.py"] if path.is_file())
        yield from sorted((folder / package).rglob("*.py"))


def _tracked(root: Path, name: str) -> set[str]:
    """Files below a folder that git knows, with their contents."""
    if not name:
        return set()
    asked = ["git", "ls-files", "--stage", "--", name]
    done = subprocess.run(asked, cwd=root, capture_output=True, text=True, check=False)
    return set(done.stdout.splitlines()) if done.returncode == 0 else set()
