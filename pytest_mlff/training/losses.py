"""Losses for much cheap and little accurate data (ASTEROID)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

K_B: Final = 8.617333262e-5
"""Boltzmann's constant in eV/K (CODATA 2018)."""


def bias_aware_weights(
    forces_teacher: ArrayLike, forces_cheap: ArrayLike, counts: ArrayLike, gamma: float
) -> NDArray[np.float64]:
    """Weights of frames with cheap labels: small where a teacher contradicts the labels.

    w_i ∝ exp(−d_i / γ), d_i the mean over the atoms and components of frame i of
    |F_teacher − F_cheap|, normalised to a mean of one.

    Parameters
    ----------
    forces_teacher, forces_cheap : array_like, shape (n_atoms of all frames, 3)
        Forces by a model of the accurate data, and the cheap labels, frame after frame, in
        one unit.
    counts : array_like of int, shape (n_frames,)
        Atoms of each frame.
    gamma : float
        γ, in the unit of the forces; positive. Infinity weighs all frames alike.

    Returns
    -------
    ndarray, shape (n_frames,)
        Not negative, of mean one.

    Raises
    ------
    MlffError
        If shapes do not fit, a force is not finite, or γ is not positive.

    References
    ----------
    Bukharin et al., ASTEROID, ICML 2023, arXiv 2306.03109, section on bias-aware training.
    """
    teacher = np.asarray(forces_teacher, dtype=np.float64)
    cheap = np.asarray(forces_cheap, dtype=np.float64)
    atoms = np.asarray(counts)
    if teacher.shape != cheap.shape or teacher.ndim != 2 or teacher.shape[1] != 3:
        raise MlffError(
            "forces of all frames have the shape (n_atoms, 3), teacher's and cheap alike: "
            f"these have {teacher.shape} and {cheap.shape}"
        )
    if atoms.ndim != 1 or atoms.dtype.kind not in "iu" or len(atoms) == 0 or (atoms < 1).any():
        raise MlffError("counts are the numbers of atoms of the frames, one or more each")
    if int(atoms.sum()) != len(teacher):
        raise MlffError(
            f"counts add up to {int(atoms.sum())} atoms, the forces hold {len(teacher)}"
        )
    if math.isnan(gamma) or gamma <= 0:
        raise MlffError(f"gamma is {gamma}: it must be positive, in the unit of the forces")
    if not (np.isfinite(teacher).all() and np.isfinite(cheap).all()):
        raise MlffError("a force of the teacher or a cheap label is not finite")
    distances = frame_distances(teacher, cheap, atoms)
    # The nearest frame's weight is 1 before normalisation, so a small γ cannot give 0/0.
    weights = np.exp(-(distances - distances.min()) / gamma)
    return np.asarray(weights / weights.mean())


def frame_distances(
    forces: NDArray[np.float64], others: NDArray[np.float64], counts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Mean over the atoms and components of each frame of |F − F_other|, shape (n_frames,)."""
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    sums = np.add.reduceat(np.abs(forces - others).sum(axis=1), starts)
    return np.asarray(sums / (3.0 * counts))


def denoising_forces(
    positions: NDArray[np.float64],
    sigma: float,
    kT: float,  # noqa: N803
    seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shake frames without labels, and say what forces would lead back.

    With positions R + σε, ε normal, the score of the smoothed density is −E[ε]/σ, so −k_BT ε/σ
    is a label without bias for its forces (Vincent, Neural Comput. 2011, 23, 1661).

    Parameters
    ----------
    positions : ndarray, shape (n_atoms of all frames, 3)
        Å.
    sigma : float
        Width of the noise in Å.
    kT : float
        k_BT of the trajectory in eV.
    seed : int
        Of the noise.

    Returns
    -------
    positions, forces : ndarray
        In Å and eV/Å.
    """
    noise = np.random.default_rng(seed).standard_normal(positions.shape)
    return positions + sigma * noise, -kT / sigma * noise


def score_matching_loss(forces: Any, divergence: Any, kT: float) -> Any:  # noqa: N803
    """Score matching of forces on frames without labels: mean of ½‖F‖² + k_BT · tr ∂F/∂R.

    Frames drawn from exp(−E/k_BT) have the score F/k_BT, so the loss is smallest where
    the model's forces are those that made the frames. In a harmonic well F = −k x it is
    −1.5 · k · k_BT for each atom.

    Parameters
    ----------
    forces : ndarray or torch.Tensor, shape (shape of divergence, …)
        Predicted forces: (n_frames, n_atoms, 3) beside a divergence of (n_frames,), or
        (n_atoms, 3) beside the divergence of one frame.
    divergence : ndarray, torch.Tensor or float
        tr ∂F/∂R of each frame, exact or Hutchinson's estimate v · ∇(F · v).
    kT : float
        k_BT of the trajectory, in the unit of energy of the forces; positive.

    Returns
    -------
    ndarray or torch.Tensor
        One number, differentiable where the inputs are; in (energy / length)².

    Raises
    ------
    MlffError
        If the shapes do not fit or kT is not positive and finite.

    References
    ----------
    Bukharin et al., ASTEROID, ICML 2023, arXiv 2306.03109, section on unlabelled data;
    Hyvärinen, J. Mach. Learn. Res. 2005, 6, 695.
    """
    if not (math.isfinite(kT) and kT > 0):
        raise MlffError(f"kT is {kT}: it must be positive and finite")
    shape = tuple(getattr(divergence, "shape", ()))
    if tuple(forces.shape[: len(shape)]) != shape or forces.ndim == len(shape):
        raise MlffError(
            f"a divergence of shape {shape} does not fit forces of shape {tuple(forces.shape)}: "
            "one number for each frame"
        )
    squares = (forces * forces).reshape((*shape, -1)).sum(-1)
    return (0.5 * squares + kT * divergence).mean()
