"""Where datasets lie on disk."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from pytest_mlff.datasets.published import PublishedDataset

__all__ = ["default_data_dir", "find_published"]


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


def find_published(dataset: PublishedDataset, molecule: str, data_dir: Path) -> Path:
    """The file of a published dataset's molecule below ``data_dir``.

    Raises
    ------
    MlffError
        If there is none (the message says how to get it) or the choice is ambiguous.
    """
    for candidate in dataset.candidates(molecule):
        path = data_dir / candidate
        if "*" not in path.name:
            if path.is_file():
                return path
            continue
        found = sorted(path.parent.glob(path.name)) if path.parent.is_dir() else []
        if len(found) > 1:
            names = ", ".join(one.name for one in found)
            raise MlffError(
                f"{dataset.name} {molecule}: several files in {path.parent} fit ({names}); "
                f"rename one to {dataset.file_names[0].format(m=molecule)}"
            )
        if found:
            return found[0]
    mend = (
        f"run `mlff data fetch {dataset.name}` or point --mlff-data at the folder that holds it"
        if dataset.doi is not None
        else f"put {dataset.file_names[0].format(m=molecule)} there or point --mlff-data at it"
    )
    raise MlffError(f"{dataset.name} {molecule} not found in {data_dir}; {mend}")
