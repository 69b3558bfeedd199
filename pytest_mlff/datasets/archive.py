"""Reading the arrays of an npz file from anybody: whatever is odd in it is one line."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LARGE: Final = 1 << 30
_SWOLLEN: Final = 200
"""Trajectories shrink a few times; deflate makes zeros a thousand times smaller."""


def brief(error: Exception) -> str:
    """What a library says of a fault, in one line of bearable length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 120 else f"{text[:117]}..."


def open_archive(file: Path | IO[bytes], size: int) -> Any:
    """Open an npz file; none of its arrays is decoded.

    Parameters
    ----------
    file : Path or binary stream
    size : int
        Its length in bytes.

    Raises
    ------
    ValueError
        If it is no npz file, or would fill the memory.
    """
    try:
        archive = np.load(file, allow_pickle=False)
    except Exception as error:  # numpy and zipfile tell bad files by many types of exception
        raise ValueError(f"not a readable npz file ({brief(error)})") from error
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise ValueError("holds one bare array; an npz file with named arrays is needed")
    assert archive.zip is not None
    unpacked = sum(info.file_size for info in archive.zip.infolist())
    if unpacked > _LARGE and unpacked > _SWOLLEN * size:
        archive.close()
        raise ValueError(f"{size} bytes would unpack to {unpacked / 1e9:.1f} GB")
    return archive


def array_of(archive: Any, key: str) -> NDArray[Any]:
    """Decode an array.

    Raises
    ------
    ValueError
        If it cannot be read.
    """
    try:
        return np.asarray(archive[key])
    except Exception as error:  # flags, methods, headers and checksums: many types
        raise ValueError(f"array {key!r} cannot be read ({brief(error)})") from error
