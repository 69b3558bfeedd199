"""An open npz file whose faults are one-line errors."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_mlff.datasets.archive import array_of, open_archive
from pytest_mlff.datasets.readers.structures import decompressed
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Archive", "opened"]


class Archive:
    """An open npz file whose faults are one-line errors naming the file."""

    def __init__(self, path: Path, archive: Any) -> None:
        self.path = path
        self.keys = tuple(archive.files)
        self._archive = archive

    def array(self, key: str) -> NDArray[Any]:
        """One array; raises :class:`MlffError` where it cannot be read."""
        try:
            return array_of(self._archive, key)
        except ValueError as error:
            raise MlffError(f"{self.path}: {error}") from error

    def shape_of(self, key: str) -> tuple[tuple[int, ...], str]:
        """Shape and NumPy's letter of an array; nothing of one that cannot be read."""
        try:
            array = array_of(self._archive, key)
        except ValueError:
            return (), ""
        return array.shape, array.dtype.kind

    def numeric(self, key: str, kinds: str = "fiu") -> NDArray[Any]:
        """An array of numbers; ``kinds`` are NumPy's letters of what is taken for one."""
        array = self.array(key)
        if array.dtype.kind not in kinds:
            raise MlffError(f"{self.path}: {key!r} holds {array.dtype}, not numbers")
        return array

    def text(self, key: str) -> str | None:
        """A scalar string (str or bytes), or None."""
        if key not in self.keys:
            return None
        try:
            value = array_of(self._archive, key)
        except ValueError:  # an extra key of a strange type: as good as absent
            return None
        if value.dtype.kind not in "SU" or value.size != 1:
            return None
        scalar = value.reshape(-1)[0]
        return scalar.decode(errors="replace") if isinstance(scalar, bytes) else str(scalar)


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
