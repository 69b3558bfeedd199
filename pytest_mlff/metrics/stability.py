"""Whether a structure is still the molecule it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def bond_deviation(positions: ArrayLike, bonds: ArrayLike, lengths: ArrayLike) -> float:
    """The largest deviation of a bond from its reference length in one frame.

    A simulation of a molecule counts as unstable at the first frame in which it exceeds
    0.5 Å, the reference lengths being means over a reference trajectory.

    Parameters
    ----------
    positions : array_like, shape (n_atoms, 3)
        Å; a molecule in one piece.
    bonds : array_like of int, shape (n_bonds, 2)
        Pairs of atoms.
    lengths : array_like, shape (n_bonds,)
        Reference length of each bond, Å.

    Returns
    -------
    float
        Å; infinite where a bonded atom's position is not finite.

    Raises
    ------
    MlffError
        If there are no bonds, shapes do not fit, or a bond names an atom that is not there.

    References
    ----------
    Fu et al., Forces are not enough, arXiv 2210.07237, section on stability.
    """
    where = np.asarray(positions, dtype=np.float64)
    pairs = np.asarray(bonds)
    reference = np.asarray(lengths, dtype=np.float64)
    if where.ndim != 2 or where.shape[1] != 3:
        raise MlffError(f"positions have the shape {where.shape}, not (n_atoms, 3)")
    if pairs.ndim != 2 or pairs.shape[1] != 2 or len(pairs) == 0 or pairs.dtype.kind not in "iu":
        raise MlffError(f"bonds have the shape {pairs.shape}, not (n_bonds, 2) of whole numbers")
    if reference.shape != (len(pairs),):
        raise MlffError(f"{len(pairs)} bonds need as many lengths, not {reference.shape}")
    if not np.isfinite(reference).all():
        raise MlffError("a reference length is not finite")
    if pairs.min() < 0 or pairs.max() >= len(where):
        raise MlffError(f"bonds name atoms from 0 to {len(where) - 1}, not {pairs.max()}")
    found = np.linalg.norm(where[pairs[:, 0]] - where[pairs[:, 1]], axis=1)
    deviations = np.abs(found - reference)
    return float(deviations.max()) if np.isfinite(deviations).all() else float("inf")
