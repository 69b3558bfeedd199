"""Cells of files of named arrays: read rightly or refused, never left out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.readers.named_arrays import NamedArrays

_LIKE_A_CELL: Final = re.compile(
    r"cell|lattice|^box|latt?_?vec|^h_?mat|^h$|^vectors$", re.IGNORECASE
)
_LIKE_PERIODICITY: Final = re.compile(r"^(is_?|use_?)?(pbc|periodic)", re.IGNORECASE)
# Vectors as rows. sGDML's `lattice` has them as columns.
_ROWS: Final = ("cell", "cells", "box", "boxes", "lattice_vectors", "unit_cell")
_COLUMNS: Final = ("lattice", "lattices")


def looks_like_a_cell(key: str) -> bool:
    """Whether a key says cell or periodicity."""
    return bool(_LIKE_A_CELL.search(key) or _LIKE_PERIODICITY.search(key))


def unread_cell(
    info: Mapping[str, Any], cell: NDArray[np.float64], pbc: NDArray[np.bool_]
) -> str | None:
    """Key of a structure's ``info`` that says a cell (3, 3) or periodicity (3,) left out."""
    for key, value in info.items():
        if _LIKE_PERIODICITY.search(key) and (said := _periodicity(value)) is not None:
            if said != pbc.tolist():
                return key
        elif not cell.any() and _LIKE_A_CELL.search(key) and np.size(value) in (3, 6, 9):
            return key
    parts = {"a", "b", "c"} <= info.keys() or {"alpha", "beta", "gamma"} <= info.keys()
    return "alpha, beta, gamma" if parts and not cell.any() else None


def _periodicity(value: Any) -> list[bool] | None:
    """Three flags of a value that says periodicity; None of one that is something else."""
    words = value.split() if isinstance(value, str) else np.ravel(value).tolist()
    known = {"t": True, "true": True, "1": True, "1.0": True}
    known |= {"f": False, "false": False, "0": False, "0.0": False}
    flags = [known.get(str(word).lower()) for word in words]
    if len(flags) not in (1, 3) or None in flags:
        return None
    return [bool(flag) for flag in (flags * 3 if len(flags) == 1 else flags)]


def read_cells(
    arrays: NamedArrays, n_frames: int, scale: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Cells and periodicity of all frames.

    Parameters
    ----------
    arrays : NamedArrays
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
    path = arrays.where
    named = [key for key in arrays.keys if _LIKE_A_CELL.search(key)]
    for key in named:
        if key not in _ROWS and key not in _COLUMNS:
            raise MlffError(
                f"{path}: {key!r} looks like a cell, but is none that is known "
                f"({', '.join((*_ROWS, *_COLUMNS))}); rename it, so that periodic frames are not "
                "taken for isolated molecules"
            )
    for parts in () if named else (("lengths", "angles"), ("a", "b", "c")):
        if set(parts) <= set(arrays.keys):
            raise MlffError(
                f"{path}: {', '.join(map(repr, parts))} look like those of a cell, which is not "
                "there; write it under `cell`, vectors as rows"
            )
    cell = np.zeros((n_frames, 3, 3))
    found: dict[str, NDArray[np.float64]] = {}
    for key in named:
        found[key] = _vectors(arrays, key, n_frames)
        cell = next(iter(found.values()))
        if not np.array_equal(found[key], cell):
            raise MlffError(f"{path}: {', '.join(found)} give different cells; leave one")
    has_vector = np.abs(cell).sum(axis=2) > 0
    periodic = [key for key in arrays.keys if _LIKE_PERIODICITY.search(key)]
    pbc = has_vector
    if periodic:
        key = periodic[0]
        stated = arrays.numeric(key, "biuf").astype(bool)
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


def _vectors(arrays: NamedArrays, key: str, n_frames: int) -> NDArray[np.float64]:
    """Cell vectors as rows, shape (n_frames, 3, 3), in the file's unit."""
    array = arrays.numeric(key).astype(np.float64)
    if not np.isfinite(array).all():
        raise MlffError(f"{arrays.where}: {key!r} is not finite")
    shape = array.shape
    if shape in ((3, 3), (n_frames, 3, 3)) and not (shape == (3, 3) and n_frames == 3):
        vectors = array
    elif shape == (3, 3):
        # Three frames: three edge lengths each, or one matrix for all? Only zeros can tell.
        if np.count_nonzero(array - np.diag(np.diag(array))):
            raise MlffError(
                f"{arrays.where}: {key!r} of shape (3, 3) for three frames may be one cell or "
                "three rows of edge lengths; write (3, 3, 3)"
            )
        vectors = array
    elif shape in ((9,), (n_frames, 9)):
        vectors = array.reshape(*shape[:-1], 3, 3)
    elif shape in ((3,), (n_frames, 3)):
        vectors = array[..., None] * np.eye(3)
    else:
        raise MlffError(
            f"{arrays.where}: {key!r} has shape {shape}, expected (3, 3) or ({n_frames}, 3, 3)"
        )
    if key in _COLUMNS:
        if "R" not in arrays.keys and not np.allclose(vectors, np.swapaxes(vectors, -1, -2)):
            raise MlffError(
                f"{arrays.where}: 'lattice' holds vectors as columns in sGDML's files and as rows "
                "in others; write the cell under `cell`, vectors as rows"
            )
        vectors = np.swapaxes(vectors, -1, -2)
    return np.array(np.broadcast_to(vectors, (n_frames, 3, 3)))
