"""What files of named arrays say of structures beside positions: charge, spin, tags …"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_mlff.datasets.label_keys import is_label
from pytest_mlff.datasets.readers.cells import looks_like_a_cell
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.readers.named_arrays import NamedArrays

# What a model may need to know of a structure, also where it is one value for all frames.
_FRAME_EXTRAS: Final = (
    "charge", "spin", "multiplicity", "config_type", "total_charge", "total_spin"
)  # fmt: skip
_ATOM_EXTRAS: Final = ("tags", "initial_charges", "initial_magmoms")
_INDICES: Final = re.compile(r"(^|_)(idx|index|indices|old)(_|$)", re.IGNORECASE)
_MATRICES: Final = re.compile(r"pole|polar|tensor|inertia|hess|born|moment|rotation|shield", re.I)


def extras_of(
    arrays: NamedArrays, real: NDArray[np.bool_], known: Collection[str], *, has_cell: bool
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """Charge, spin, tags … of each frame and each atom.

    Parameters
    ----------
    arrays : NamedArrays
        The open file.
    real : ndarray of bool, shape (n_frames, n_places)
        Which places are atoms; the rest is padding.
    known : collection of str
        Keys that are read elsewhere. Any other array with a row for each frame, or for each
        atom of each frame, goes to the model under its own name, unless it reads like a label.
    has_cell : bool
        Whether cells were found; if not, a matrix for each frame that may be one is refused.

    Raises
    ------
    MlffError
        If an array does not fit the frames, or may be a cell.
    """
    n_frames, n_places = real.shape
    per_frame: dict[str, NDArray[Any]] = {}
    for key in _FRAME_EXTRAS:
        if key in arrays.keys:
            array = arrays.numeric(key, "biufU")
            if array.size not in (1, n_frames):
                raise MlffError(
                    f"{arrays.where}: {key!r} has shape {array.shape}, expected ({n_frames},)"
                )
            per_frame[key] = np.array(np.broadcast_to(array.reshape(-1), (n_frames,)))
    per_atom: dict[str, NDArray[Any]] = {}
    for key in _ATOM_EXTRAS:
        if key in arrays.keys:
            array = arrays.numeric(key)
            if array.shape not in ((n_places,), (n_frames, n_places)):
                raise MlffError(
                    f"{arrays.where}: {key!r} has shape {array.shape}, expected "
                    f"({n_frames}, {n_places})"
                )
            per_atom[key] = np.broadcast_to(array, real.shape)[real]
    for key in sorted(set(arrays.keys) - {*known, *_FRAME_EXTRAS, *_ATOM_EXTRAS}):
        if is_label(key) or looks_like_a_cell(key) or _INDICES.search(key):
            continue
        shape, kind = arrays.shape_of(key)
        if shape[:2] == real.shape and kind in "biuf":
            per_atom[key] = arrays.array(key)[real]
        elif shape[:1] == (n_frames,) and kind in "biufSU":
            array = arrays.array(key)
            if shape == (n_frames, 3, 3) and not has_cell and not _MATRICES.search(key):
                _refuse_a_cell(array, key, arrays.where)
            per_frame[key] = array
    return per_frame, per_atom


def _refuse_a_cell(matrices: NDArray[Any], key: str, where: str) -> None:
    """Refuse matrices that have the volume of a cell, where no cell was found."""
    volume = np.abs(np.linalg.det(np.nan_to_num(matrices.astype(np.float64))))
    if (volume > 1.0).all():
        raise MlffError(
            f"{where}: {key!r}, a matrix for each frame, may be a cell; write cells under `cell`, "
            "vectors as rows, so that periodic frames are not taken for isolated molecules"
        )
