"""Initial velocities: Maxwell-Boltzmann without drift and rotation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Relative to the largest principal moment: below, a molecule is linear.
_LINEAR = 1e-8


def _inertia(masses: NDArray[np.float64], arms: NDArray[np.float64]) -> NDArray[np.float64]:
    weighted = masses[:, None] * arms
    squares = (weighted * arms).sum(axis=(1, 2))
    return np.asarray(squares[:, None, None] * np.eye(3) - weighted.transpose(0, 2, 1) @ arms)


def _arms(masses: NDArray[np.float64], positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Positions from the centre of mass."""
    return np.asarray(positions - (masses @ positions / masses.sum())[:, None])


def rotations(masses: NDArray[np.float64], positions: NDArray[np.float64]) -> NDArray[np.int64]:
    """Degrees of freedom of rotation: 3, 2 of a linear molecule, 0 of an atom.

    Parameters
    ----------
    masses : ndarray, shape (n_atoms,)
        u.
    positions : ndarray, shape (n_replicas, n_atoms, 3)
        Å.

    Returns
    -------
    ndarray, shape (n_replicas,)
    """
    moments = np.linalg.eigvalsh(_inertia(masses, _arms(masses, positions)))
    least = _LINEAR * np.maximum(moments[:, -1:], np.finfo(float).tiny)
    return np.asarray((moments > least).sum(axis=1))


def initial_momenta(
    noise: NDArray[np.float64],
    masses: NDArray[np.float64],
    positions: NDArray[np.float64],
    temperature_k: float,
    *,
    rotates: bool,
) -> NDArray[np.float64]:
    """Momenta of the canonical distribution, the centre of mass at rest.

    Parameters
    ----------
    noise : ndarray, shape (n_replicas, n_atoms, 3)
        Standard normal numbers.
    masses : ndarray, shape (n_atoms,)
        u.
    positions : ndarray, shape (n_replicas, n_atoms, 3)
        Å.
    temperature_k : float
        K.
    rotates : bool
        Whether angular momentum stays; it does not exist in a periodic cell.

    Returns
    -------
    ndarray, shape (n_replicas, n_atoms, 3)
        ASE's units, √(u eV).
    """
    from ase import units

    widths = np.sqrt(masses * units.kB * temperature_k)[:, None]
    momenta = noise * widths
    momenta -= masses[:, None] * (momenta.sum(axis=1, keepdims=True) / masses.sum())
    if not rotates:
        arms = _arms(masses, positions)
        angular = np.cross(arms, momenta).sum(axis=1)
        # The pseudo-inverse leaves out the axis of a linear molecule.
        inverse = np.linalg.pinv(_inertia(masses, arms), rcond=_LINEAR, hermitian=True)
        spin = inverse @ angular[:, :, None]
        momenta -= masses[:, None] * np.cross(spin.transpose(0, 2, 1), arms)
    return np.asarray(momenta)
