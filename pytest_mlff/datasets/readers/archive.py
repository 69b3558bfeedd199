"""An open npz file whose faults are one-line errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlff.datasets.archive import array_of, open_archive
from pytest_mlff.datasets.readers.named_arrays import NamedArrays
from pytest_mlff.datasets.readers.structures import decompressed
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Archive(NamedArrays):
    """An open npz file."""

    def __init__(self, path: Path, archive: Any) -> None:
        super().__init__(str(path), archive.files)
        self._archive = archive

    def _decoded(self, key: str) -> NDArray[Any]:
        return array_of(self._archive, key)


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """Open an npz file, also a compressed one; nothing is unpickled.

    Raises
    ------
    MlffError
        If there is none, or it is damaged.
    """
    if not path.is_file():
        kind = "a directory, not a file" if path.is_dir() else "no such file"
        raise MlffError(f"{path}: {kind}")
    with decompressed(path) as (plain, _):
        try:
            archive = open_archive(plain, plain.stat().st_size)
        except (OSError, ValueError) as error:
            raise MlffError(f"{path}: {error}") from error
        with archive:
            yield Archive(path, archive)
