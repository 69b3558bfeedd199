"""Cells of files of named arrays: read rightly or refused, never left out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["NamedArrays", "looks_like_a_cell", "read_cells"]

_LIKE_A_CELL: Final = re.compile(r"cell|lattice|^box|latt?_?vec", re.IGNORECASE)
_LIKE_PERIODICITY: Final = re.compile(r"^(pbc|periodic)", re.IGNORECASE)
# Vectors as rows. sGDML's `lattice` has them as columns.
_ROWS: Final = ("cell", "cells", "box", "boxes", "lattice_vectors", "unit_cell")
_COLUMNS: Final = ("lattice", "lattices")


class NamedArrays(Protocol):
    """An open file of named arrays."""

    path: Path
    keys: tuple[str, ...]

    def numeric(self, key: str, kinds: str = "fiu") -> NDArray[Any]:
        """An array of numbers; raises :class:`MlffError` where it holds something else."""


def looks_like_a_cell(key: str) -> bool:
    """Whether a key says cell or periodicity."""
    return bool(_LIKE_A_CELL.search(key) or _LIKE_PERIODICITY.search(key))


def read_cells(
    archive: NamedArrays, n_frames: int, scale: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Cells and periodicity of all frames.

    Parameters
    ----------
    archive : NamedArrays
        The open file. Cells are read from ``cell``, ``cells``, ``box``, ``boxes``,
        ``unit_cell`` or ``lattice_vectors`` (rows) and sGDML's ``lattice`` (columns), one for
        all frames or one a frame, as 3×3, nine numbers or three edge lengths.
    n_frames : int
        Frames in the file.
    scale : float
        Unit of length in Å.

    Returns
    -------
    cell : ndarray of float64, shape (n_frames, 3, 3)
        Å, vectors as rows.
    pbc : ndarray of bool, shape (n_frames, 3)

    Raises
    ------
    MlffError
        If there is something like a cell that is not understood, several that disagree, or a
        periodic direction without a vector.
    """
    path = archive.path
    named = [key for key in archive.keys if _LIKE_A_CELL.search(key)]
    for key in named:
        if key not in _ROWS and key not in _COLUMNS:
            raise MlffError(
                f"{path}: {key!r} looks like a cell, but is none that is known "
                f"({', '.join((*_ROWS, *_COLUMNS))}); rename it, so that periodic frames are not "
                "taken for isolated molecules"
            )
    if not named and {"lengths", "angles"} <= set(archive.keys):
        raise MlffError(
            f"{path}: 'lengths' and 'angles' look like those of a cell, which is not there; write "
            "it under `cell`, vectors as rows"
        )
    cell = np.zeros((n_frames, 3, 3))
    found: dict[str, NDArray[np.float64]] = {}
    for key in named:
        found[key] = _vectors(archive, key, n_frames)
        cell = next(iter(found.values()))
        if not np.array_equal(found[key], cell):
            raise MlffError(f"{path}: {', '.join(found)} give different cells; leave one")
    has_vector = np.abs(cell).sum(axis=2) > 0
    periodic = [key for key in archive.keys if _LIKE_PERIODICITY.search(key)]
    pbc = has_vector
    if periodic:
        key = periodic[0]
        stated = archive.numeric(key, "biuf").astype(bool)
        if stated.shape not in ((), (1,), (3,), (n_frames, 3)):
            raise MlffError(
                f"{path}: {key!r} has shape {stated.shape}, expected (3,) or ({n_frames}, 3)"
            )
        pbc = np.broadcast_to(stated, (n_frames, 3))
    bare = pbc & ~has_vector
    if bare.any():
        frame = int(np.argmax(bare.any(axis=1)))
        raise MlffError(
            f"{path}: frame {frame} is periodic along {'xyz'[int(np.argmax(bare[frame]))]} and has "
            "no cell vector there; write the cell under `cell`"
        )
    volume = np.abs(np.linalg.det(cell))
    flat = pbc.all(axis=1) & ~(volume > 0)
    if flat.any():
        raise MlffError(f"{path}: frame {int(np.argmax(flat))} has a cell without volume")
    return np.array(cell * scale), np.array(pbc)


def _vectors(archive: NamedArrays, key: str, n_frames: int) -> NDArray[np.float64]:
    """Cell vectors as rows, shape (n_frames, 3, 3), in the file's unit."""
    array = archive.numeric(key).astype(np.float64)
    if not np.isfinite(array).all():
        raise MlffError(f"{archive.path}: {key!r} is not finite")
    shape = array.shape
    if shape in ((3, 3), (n_frames, 3, 3)) and not (shape == (3, 3) and n_frames == 3):
        vectors = array
    elif shape == (3, 3):
        # Three frames: three edge lengths each, or one matrix for all? Only zeros can tell.
        if np.count_nonzero(array - np.diag(np.diag(array))):
            raise MlffError(
                f"{archive.path}: {key!r} of shape (3, 3) for three frames may be one cell or "
                "three rows of edge lengths; write (3, 3, 3)"
            )
        vectors = array
    elif shape in ((9,), (n_frames, 9)):
        vectors = array.reshape(*shape[:-1], 3, 3)
    elif shape in ((3,), (n_frames, 3)):
        vectors = array[..., None] * np.eye(3)
    else:
        raise MlffError(
            f"{archive.path}: {key!r} has shape {shape}, expected (3, 3) or ({n_frames}, 3, 3)"
        )
    if key in _COLUMNS:
        if "R" not in archive.keys and not np.allclose(vectors, np.swapaxes(vectors, -1, -2)):
            raise MlffError(
                f"{archive.path}: 'lattice' holds vectors as columns in sGDML's files and as rows "
                "in others; write the cell under `cell`, vectors as rows"
            )
        vectors = np.swapaxes(vectors, -1, -2)
    return np.array(np.broadcast_to(vectors, (n_frames, 3, 3)))
