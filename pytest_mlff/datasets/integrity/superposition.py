"""Distance of two structures after the best superposition.

Isolated structures are superposed by translation and *proper* rotation (Kabsch, Acta
Cryst. A 1976, 32, 922), so a mirror image is another structure unless it can be turned
into the first, as that of a planar one can. Periodic structures are superposed by
translation and whole cell vectors; their cells must be equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def rotations(fixed: NDArray[np.float64], moved: NDArray[np.float64]) -> NDArray[np.float64]:
    """Proper rotations that bring centred structures closest to others.

    Parameters
    ----------
    fixed, moved : ndarray, shape (n_pairs, n_atoms, 3)
        Centred positions in Å.

    Returns
    -------
    ndarray, shape (n_pairs, 3, 3)
        ``moved @ rotation`` is closest to ``fixed``. Where several rotations are equally
        good (an atom, a linear molecule), one of them.
    """
    u, _, vt = np.linalg.svd(np.swapaxes(moved, 1, 2) @ fixed)
    improper = np.linalg.det(u) * np.linalg.det(vt) < 0
    u[improper, :, 2] *= -1
    turned: NDArray[np.float64] = u @ vt
    return turned


def nearest_images(
    vectors: NDArray[np.float64], cell: NDArray[np.float64], pbc: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Vectors of each frame, shape (n_frames, …, 3), less the whole cell vectors in them, Å."""
    fractional = vectors @ np.linalg.pinv(cell)
    return vectors - np.where(pbc, np.round(fractional), 0.0) @ cell


def displacements(
    fixed: NDArray[np.float64],
    moved: NDArray[np.float64],
    cell: NDArray[np.float64],
    pbc: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How far each atom lies from its place, after superposition.

    Parameters
    ----------
    fixed, moved : ndarray, shape (n_pairs, n_atoms, 3)
        Positions in Å.
    cell : ndarray, shape (n_pairs, 3, 3)
        Common cells in Å; not read where nothing is periodic.
    pbc : ndarray of bool, shape (3,)
        Periodic directions.

    Returns
    -------
    difference : ndarray, shape (n_pairs, n_atoms, 3)
        Moved minus fixed, in the frame of the fixed structures, Å.
    rotation : ndarray, shape (n_pairs, 3, 3)
        What vectors of the moved structures are multiplied by from the right.
    """
    if pbc.any():
        difference = moved - fixed
        # Relative to the first atom, so that a common translation does not matter.
        difference = nearest_images(difference - difference[:, :1], cell, pbc)
        difference = difference - difference.mean(axis=1, keepdims=True)
        return difference, np.broadcast_to(np.eye(3), (len(fixed), 3, 3))
    first = fixed - fixed.mean(axis=1, keepdims=True)
    second = moved - moved.mean(axis=1, keepdims=True)
    rotation = rotations(first, second)
    return second @ rotation - first, rotation


def distances(
    fixed: NDArray[np.float64],
    moved: NDArray[np.float64],
    cell: NDArray[np.float64],
    pbc: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Root mean square displacement of the atoms after superposition, Å, shape (n_pairs,).

    Parameters are those of :func:`displacements`. The displacements themselves are summed:
    the shorter formula with singular values loses half of the digits near zero.
    """
    difference, _ = displacements(fixed, moved, cell, pbc)
    squared: NDArray[np.float64] = (difference**2).sum(axis=2).mean(axis=1)
    return np.sqrt(squared)
