"""What npz files say of structures beside positions: charge, spin, tags …"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlff.datasets.labels import is_label
from pytest_mlff.datasets.readers.cells import looks_like_a_cell
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from pytest_mlff.datasets.readers.archive import Archive

__all__ = ["extras_of_npz"]

# What a model may need to know of a structure: key in the file to ASE's name.
_FRAME_EXTRAS = ("charge", "spin", "multiplicity", "config_type", "total_charge", "total_spin")
_ATOM_EXTRAS = {
    "tags": "tags",
    "initial_charges": "initial_charges",
    "initial_magmoms": "initial_magmoms",
}


def extras_of_npz(
    archive: Archive, real: NDArray[np.bool_], known: Collection[str] = ()
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """Charge, spin, tags … of each frame and each atom.

    Parameters
    ----------
    archive : Archive
        The open file.
    real : ndarray of bool, shape (n_frames, n_places)
        Which places are atoms; the rest is padding.
    known : collection of str
        Keys that are read elsewhere. Any other array with one value a frame, or one an atom of
        each frame, goes to the model under its own name, unless it reads like a label.

    Raises
    ------
    MlffError
        If an array does not fit the frames.
    """
    n_frames, n_places = real.shape
    per_frame: dict[str, NDArray[Any]] = {}
    for key in _FRAME_EXTRAS:
        if key in archive.keys:
            array = archive.numeric(key, "biufU")
            if array.size not in (1, n_frames):
                raise MlffError(
                    f"{archive.path}: {key!r} has shape {array.shape}, expected ({n_frames},)"
                )
            per_frame[key] = np.array(np.broadcast_to(array.reshape(-1), (n_frames,)))
    per_atom: dict[str, NDArray[Any]] = {}
    for key, name in _ATOM_EXTRAS.items():
        if key in archive.keys:
            array = archive.numeric(key)
            if array.shape not in ((n_places,), (n_frames, n_places)):
                raise MlffError(
                    f"{archive.path}: {key!r} has shape {array.shape}, expected "
                    f"({n_frames}, {n_places})"
                )
            per_atom[name] = np.broadcast_to(array, real.shape)[real]
    for key in sorted(set(archive.keys) - {*known, *_FRAME_EXTRAS, *_ATOM_EXTRAS}):
        if is_label(key) or looks_like_a_cell(key):
            continue
        shape, kind = archive.shape_of(key)
        if shape == (n_frames,) and kind in "biufU":
            per_frame[key] = archive.array(key)
        elif shape == real.shape and kind in "biuf":
            per_atom[key] = archive.array(key)[real]
    return per_frame, per_atom
