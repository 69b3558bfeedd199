"""Where datasets lie on disk."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlff.datasets.readers.dpdata import is_deepmd
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from pytest_mlff.datasets.record import DatasetRecord


def default_data_dir() -> Path:
    """The user's cache folder for datasets: the one that ``pooch.os_cache`` names.

    Computed here, so that reading data needs no download library.
    """
    name = "pytest_mlff"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
        return Path(local) / name / name / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / name
    cache = os.environ.get("XDG_CACHE_HOME", "").strip() or str(Path.home() / ".cache")
    return Path(cache) / name


def find_system(record: DatasetRecord, system: str, folder: Path) -> Path:
    """The file (or DeePMD folder) of one system of a dataset below ``folder``.

    A file may also be compressed (``.gz``). Own data may lie beside their record, too.

    Raises
    ------
    MlffError
        If there is none (the message says how to get it) or the choice is ambiguous.
    """
    candidates = record.candidates(system)
    places = (folder,) if record.is_builtin else (folder, record.path.parent)
    for start in places:
        for candidate in candidates:
            found = _found(start, candidate)
            if len(found) > 1:
                names = ", ".join(one.name for one in found)
                raise MlffError(
                    f"{record.name} {system}: several files in {found[0].parent} fit ({names}); "
                    f"rename one to {Path(candidates[0]).name}"
                )
            if found:
                return found[0]
    if any(one.place for one in record.sources):
        fix = f"run `mlff data fetch {record.name}` or point --mlff-data at the folder that has it"
    else:
        fix = f"put {candidates[0]} there or point --mlff-data at the folder that has it"
    where = " or ".join(map(str, places))
    raise MlffError(f"{record.name} {system} not found in {where}; {fix}")


def _found(start: Path, pattern: str) -> list[Path]:
    if "*" in pattern:
        names = [pattern] if pattern.endswith("*") else [pattern, f"{pattern}.gz"]
        paths = [one for name in names for one in sorted(start.glob(name))]
    else:
        paths = [start / pattern, start / f"{pattern}.gz"]
    found = [one for one in paths if one.is_file() or is_deepmd(one)]
    # The plain file is meant where it lies beside the compressed one.
    return [one for one in found if one.with_suffix("") not in found or one.suffix != ".gz"]
