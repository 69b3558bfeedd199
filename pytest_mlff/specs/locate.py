"""Finding specs by the names that ``--mlff-suite`` takes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from pytest_mlff.errors import MlffError, did_you_mean
from pytest_mlff.specs.wording import shown

_SUFFIXES = (".yaml", ".yml")
_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")


def builtin_folder() -> Path:
    """Folder of the specs that come with the package.

    ``benchmark_specs`` inside the package where it was installed from a wheel, beside
    the package in a checkout.

    Raises
    ------
    MlffError
        If there is neither.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "benchmark_specs", package.parent / "benchmark_specs"):
        if folder.is_dir():
            return folder
    raise MlffError(f"no benchmark_specs folder in {package} or beside it: reinstall pytest-mlff")


def builtin_specs() -> dict[str, Path]:
    """Every spec that comes with the package: name (``quick``, ``saibench/x``) to file, sorted."""
    folder = builtin_folder()
    found = [path for suffix in _SUFFIXES for path in folder.rglob(f"*{suffix}")]
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(found)}


def suite_and_name(path: Path) -> tuple[str, str]:
    """First two parts of the case ids of a spec file.

    A builtin spec belongs to the suite that its folder names, or is a suite of its own
    (``quick/quick``); the suite of any other file is the name of the folder it lies in.
    Characters that would spoil an id become ``_``.
    """
    folder, stem = path.parent, path.stem
    try:
        own = folder.resolve() == builtin_folder()
    except MlffError:
        own = False
    suite = stem if own else folder.name or stem
    return _UNSAFE.sub("_", suite), _UNSAFE.sub("_", stem)


def find_specs(names: Sequence[str], cwd: Path) -> tuple[Path, ...]:
    """Find spec files.

    Parameters
    ----------
    names : sequence of str
        Each a builtin spec (``quick``, ``saibench/time_extrapolation``), a folder of
        them (``saibench``) or a path to a YAML file.
    cwd : Path
        What relative paths start from.

    Returns
    -------
    tuple of Path
        Absolute, in the order of ``names``, each once; a folder's specs are sorted.

    Raises
    ------
    MlffError
        If a name finds nothing, or two files would have the same case ids.
    """
    found: dict[Path, None] = {}
    for name in names:
        found.update(dict.fromkeys(_find(name, cwd)))
    by_id: dict[tuple[str, str], Path] = {}
    for path in found:
        first = by_id.setdefault(suite_and_name(path), path)
        if first != path:
            suite, stem = suite_and_name(path)
            raise MlffError(
                f"{shown(first)} and {shown(path)} are both called {suite}/{stem}: "
                "rename one, or run them one after the other"
            )
    return tuple(found)


def _find(name: str, cwd: Path) -> list[Path]:
    builtin = builtin_specs()
    if name.endswith(_SUFFIXES):
        path = _own_file(name, cwd)
        if path is None:
            raise MlffError(f"no spec file {name}{_suggest(name, list(builtin))}")
        return [path]
    wanted = name.strip("/")
    below = [path for known, path in builtin.items() if known.startswith(f"{wanted}/")]
    if wanted in builtin:
        return [builtin[wanted]]
    if not wanted or not below:
        raise MlffError(f"unknown suite {name!r}{_suggest(name, list(builtin))}")
    return below


def _own_file(name: str, cwd: Path) -> Path | None:
    try:
        path = (cwd / Path(name).expanduser()).resolve()
        return path if path.is_file() else None
    except (OSError, RuntimeError, ValueError):  # no such user's home, too long, null byte
        return None


def _suggest(name: str, builtin: list[str]) -> str:
    folders = {known.rpartition("/")[0] for known in builtin} - {""}
    choices = sorted({*builtin, *folders})
    last_part = {known.rpartition("/")[2]: known for known in choices}
    bare = name.removesuffix(".yml").removesuffix(".yaml")
    near = did_you_mean(bare, choices)
    if not near:
        word = bare.rpartition("/")[2]
        near = f"; did you mean {last_part[word]!r}?" if word in last_part else ""
    return f"{near} (suites: {', '.join(choices) or 'none'}; or a path to your own .yaml file)"
