"""Which files a model is made of: the code that it imported and the files that it read.

Libraries are told by their versions, so what lies in site-packages or the standard library
does not count. Files that compiled code opens by itself are not seen.
"""

# Plain os.path: this runs at every file that a model opens.
# ruff: noqa: PTH100, PTH112, PTH113, PTH116, PTH208

from __future__ import annotations

import contextlib
import importlib.util
import os
import site
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from pytest_mlff.store import digest_of, file_digest

_PACKAGE: Final = Path(__file__).resolve().parents[2]
_CODE: Final = (".py", ".pyc", ".so", ".pyd", ".dylib", ".zip", ".egg", ".whl")
_SYSTEM: Final = ("/proc", "/sys", "/dev", "/etc", "/usr/share")


def _not_counted() -> tuple[str, ...]:
    folders = {str(_PACKAGE), *_SYSTEM, *site.getsitepackages(), site.getusersitepackages()}
    folders |= {path for name, path in sysconfig.get_paths().items() if "lib" in name}
    # What torch compiles follows from code that counts.
    made = Path(tempfile.gettempdir())
    folders |= {os.environ.get("TORCHINDUCTOR_CACHE_DIR", ""), os.environ.get("TRITON_HOME", "")}
    home = Path.home()
    folders |= {str(one) for one in made.glob("torchinductor_*")} | {str(home / ".triton")}
    folders |= {str(home / ".cache" / "matplotlib"), str(home / ".config")}
    return tuple(f"{os.path.realpath(one)}{os.sep}" for one in folders if one)


def is_library(path: str) -> bool:
    """Whether a file is told by the version of what it belongs to."""
    return os.path.realpath(path).startswith(_not_counted())


class Opened:
    """Remembers from now on what the process opens for reading."""

    def __init__(self) -> None:
        self._read: dict[str, None] = {}
        self._digests: dict[str, str] = {}
        self._imported: dict[str, None] = {}
        self._state: tuple[bool, int, int] | None = None
        self._last: tuple[str, ...] = ()
        self._counts: dict[str, bool] = {}
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "ctypes.dlopen" and arguments[0]:
            arguments = (arguments[0], "r", 0)
        elif event != "open":
            return
        path, mode, flags = arguments
        writes = flags & os.O_ACCMODE if mode is None else set("wax+") & set(mode)
        if isinstance(path, (str, bytes, os.PathLike)) and not writes:
            self._read[os.path.abspath(os.fsdecode(path))] = None

    def files(self, *, read: bool) -> tuple[str, ...]:
        """Code that was opened so far, with ``read`` also other files that were read.

        Whatever else code from outside the libraries reads is part of what it does, so where there
        is any, all that was read counts.
        """
        # Asked after every pass: thousands of modules would cost more than a small model.
        # What was imported since has been opened, too, so the counts tell.
        state = (read, len(sys.modules), len(self._read))
        if state == self._state:
            return self._last
        for module in list(sys.modules.values()):
            # Not getattr: some modules import others when they are asked.
            path = getattr(module, "__dict__", {}).get("__file__")
            if isinstance(path, str):
                self._imported[os.path.abspath(path)] = None
        opened = dict.fromkeys(map(_source_of, self._read))
        code = [path for path in {**opened, **self._imported} if path.endswith(_CODE)]
        own = self._counted(code)
        found = self._counted({**opened, **self._imported}) if read or own else own
        self._state, self._last = state, tuple(found)
        return self._last

    def among(self, files: Iterable[str], remembered: Iterable[str] = ()) -> list[str]:
        """Those of some files that were read, under whatever link; ``remembered`` are read, too."""
        read = {_identity(one) for one in (*self._read, *remembered)} - {None}
        return [one for one in files if _identity(one) in read]

    def _counted(self, paths: Iterable[str]) -> list[str]:
        """Those of some files that belong to no library."""
        paths = list(paths)
        unknown = [path for path in paths if path not in self._counts]
        left_out = _not_counted() if unknown else ()
        for path in unknown:
            self._counts[path] = not os.path.realpath(path).startswith(left_out)
        return [path for path in paths if self._counts[path] and os.path.isfile(path)]

    def digest(self, files: Iterable[str], folder: Path) -> Mapping[str, str]:
        """SHA-256 of files by their names, which start from ``folder`` where they lie in it.

        Each is read once; one that is missing has the digest of nothing.
        """
        found: dict[str, str] = {}
        for path in files:
            if path not in self._digests:
                there = os.path.isfile(path)
                self._digests[path] = file_digest(Path(path)) if there else ""
            inside = Path(path).is_relative_to(folder)
            name = Path(path).relative_to(folder).as_posix() if inside else Path(path).name
            # Two files outside may have the same name.
            found[name] = digest_of({"files": sorted({found.get(name, ""), self._digests[path]})})
        return found


def _identity(path: str) -> tuple[int, int] | None:
    """What tells a file whatever it is called; None where there is none."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _source_of(path: str) -> str:
    """The source of a compiled file that Python keeps beside it; others are what they are."""
    if path.endswith(".pyc"):
        with contextlib.suppress(ValueError):
            return importlib.util.source_from_cache(path)
    return path


def libraries() -> list[str]:
    """Installed distributions as ``name-version``: whose module is whose would cost seconds."""
    folders = {sysconfig.get_paths()[name] for name in ("purelib", "platlib")}
    found: set[str] = set()
    for folder in folders | set(site.getsitepackages()):
        if os.path.isdir(folder):
            names = os.listdir(folder)
            found |= {name.removesuffix(".dist-info") for name in names if "-info" in name}
    return sorted(found)
