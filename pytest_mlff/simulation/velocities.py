"""Initial velocities: Maxwell-Boltzmann without drift and rotation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["initial_momenta", "rotations"]

# Relative to the largest principal moment: below, a molecule is linear.
_LINEAR = 1e-8


def _inertia(masses: NDArray[np.float64], arms: NDArray[np.float64]) -> NDArray[np.float64]:
    squares = np.einsum("n,ni,ni->", masses, arms, arms)
    return np.asarray(squares * np.eye(3) - np.einsum("n,ni,nj->ij", masses, arms, arms))


def rotations(masses: NDArray[np.float64], positions: NDArray[np.float64]) -> int:
    """Degrees of freedom of rotation: 3, 2 of a linear molecule, 0 of an atom.

    Parameters
    ----------
    masses : ndarray, shape (n_atoms,)
        u.
    positions : ndarray, shape (n_atoms, 3)
        Å.
    """
    arms = positions - masses @ positions / masses.sum()
    moments = np.linalg.eigvalsh(_inertia(masses, arms))
    return int((moments > _LINEAR * max(moments[-1], np.finfo(float).tiny)).sum())


def initial_momenta(
    rng: np.random.Generator,
    masses: NDArray[np.float64],
    positions: NDArray[np.float64],
    temperature_k: float,
    *,
    rotates: bool,
) -> NDArray[np.float64]:
    """Draw momenta from the canonical distribution, the centre of mass at rest.

    Parameters
    ----------
    rng : numpy Generator
    masses : ndarray, shape (n_atoms,)
        u.
    positions : ndarray, shape (n_atoms, 3)
        Å.
    temperature_k : float
        K.
    rotates : bool
        Whether angular momentum stays; it does not exist in a periodic cell.

    Returns
    -------
    ndarray, shape (n_atoms, 3)
        ASE's units, √(u eV).
    """
    from ase import units

    widths = np.sqrt(masses * units.kB * temperature_k)[:, None]
    momenta = rng.standard_normal(positions.shape) * widths
    momenta -= masses[:, None] * (momenta.sum(axis=0) / masses.sum())
    if not rotates:
        arms = positions - masses @ positions / masses.sum()
        angular = np.cross(arms, momenta).sum(axis=0)
        # The pseudo-inverse leaves out the axis of a linear molecule.
        spin = np.linalg.pinv(_inertia(masses, arms), rcond=_LINEAR, hermitian=True) @ angular
        momenta -= masses[:, None] * np.cross(spin, arms)
    return np.asarray(momenta)
