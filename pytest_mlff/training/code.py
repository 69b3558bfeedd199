"""Which source files a trainer is made of: its module, and all that it imports, directly or not.

Found by reading, not by running: the address of a training has to be known before it begins.
Libraries are told by their versions, so what lies in site-packages or the standard library does
not count. What is imported by a name that is made at run time is not seen.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, Final

from pytest_mlff.potentials.host.opened import is_library
from pytest_mlff.store import file_digest

_DOTTED: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")


def modules_named(value: Any) -> Iterator[str]:
    """Dotted names in a configuration: what a trainer builds may be code of the user."""
    if isinstance(value, dict):
        for one in value.values():
            yield from modules_named(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from modules_named(one)
    elif isinstance(value, str) and _DOTTED.fullmatch(value):
        yield value


def code_of(starts: Iterable[str | Path], folder: Path) -> dict[str, str]:
    """Digests of source files by the names of their modules.

    Parameters
    ----------
    starts : iterable of str or Path
        Dotted names of modules or of what is in them, and files.
    folder : Path
        Where modules are searched before ``sys.path``.
    """
    found: dict[str, str] = {}
    waiting: list[tuple[str, Path]] = []
    search = [str(folder), *sys.path]
    for start in starts:
        if isinstance(start, Path):
            waiting.append((start.stem, start))
            search.insert(0, str(start.parent))
        else:
            waiting += _files(start, search)
    while waiting:
        name, path = waiting.pop()
        if name in found or not path.is_file():
            continue
        found[name] = file_digest(path)
        for imported in _imports(name, path):
            waiting += _files(imported, search)
    return found


def _files(name: str, search: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Each package on the way to a dotted name, and the module, as far as there are files."""
    places: Sequence[str] | None = search
    parts = name.split(".")
    for number in range(1, len(parts) + 1):
        module = ".".join(parts[:number])
        spec = None if places is None else _spec(module, places)
        if spec is None:  # a class, say
            return
        if spec.origin is not None and spec.origin.endswith(".py"):
            if is_library(spec.origin):
                return
            yield module, Path(spec.origin)
        places = spec.submodule_search_locations


def _spec(module: str, places: Sequence[str]) -> ModuleSpec | None:
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(module, places)
        except KeyError:  # a folder without __init__.py in another one wants that to be imported
            spec = ModuleSpec(module, None, is_package=True)
            last = module.rpartition(".")[2]
            spec.submodule_search_locations = [str(Path(place) / last) for place in places]
        if spec is not None:
            return spec
    return None


def _imports(name: str, path: Path) -> Iterator[str]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # whoever imports it says so
        return
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level]
            base = ".".join([*(above if node.level else ()), *filter(None, [node.module])])
            yield from (f"{base}.{alias.name}" for alias in node.names)
