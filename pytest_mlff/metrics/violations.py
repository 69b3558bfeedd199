"""Relative errors of energy and forces in one frame of a simulation (EGraFFBench)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def energy_violation(energy: float, energy_ref: float) -> float:
    """Squared relative error of an energy: (Ê − E)² / (Ê² + E²), without a root.

    It depends on where the energy is zero: far from it, any error looks small. Subtract
    per-species reference energies first, and show the error in meV/atom beside it.

    Parameters
    ----------
    energy, energy_ref : float
        Predicted and reference energy of one frame, in one unit and from one zero.

    Returns
    -------
    float
        From 0 (equal) to 2 (of opposite sign and equal size).

    Raises
    ------
    MlffError
        If an energy is not one finite number.

    References
    ----------
    Bihani et al., EGraFFBench, Digital Discovery 2024, 3, 759, section on metrics.
    """
    predicted, reference = _number("energy", energy), _number("energy_ref", energy_ref)
    scale = max(abs(predicted), abs(reference))
    if scale == 0.0:
        return 0.0
    # Scaled first, so that no square overflows or vanishes.
    a, b = predicted / scale, reference / scale
    return (a - b) ** 2 / (a * a + b * b)


def force_violation(forces: ArrayLike, forces_ref: ArrayLike) -> float:
    """Relative error of a frame's forces: ‖F̂ − F‖ / (‖F̂‖ + ‖F‖), all atoms as one vector.

    Parameters
    ----------
    forces, forces_ref : array_like, shape (n_atoms, 3)
        Predicted and reference forces of one frame, in one unit.

    Returns
    -------
    float
        From 0 (equal) to 1 (opposite directions, or one of them zero).

    Raises
    ------
    MlffError
        If the shapes differ or are not (n_atoms, 3), or a force is not finite.

    References
    ----------
    Bihani et al., EGraFFBench, Digital Discovery 2024, 3, 759, section on metrics.
    """
    predicted = np.asarray(forces, dtype=np.float64)
    reference = np.asarray(forces_ref, dtype=np.float64)
    if predicted.shape != reference.shape or predicted.ndim != 2 or predicted.shape[1] != 3:
        raise MlffError(
            "forces of one frame have the shape (n_atoms, 3), predicted and reference alike: "
            f"these have {predicted.shape} and {reference.shape}"
        )
    for name, values in (("forces", predicted), ("forces_ref", reference)):
        if not np.isfinite(values).all():
            atom = int(np.argmin(np.isfinite(values).all(axis=1)))
            raise MlffError(f"{name} of atom {atom} are not finite")
    scale = float(np.linalg.norm(predicted) + np.linalg.norm(reference))
    return 0.0 if scale == 0.0 else float(np.linalg.norm(predicted - reference)) / scale


def _number(name: str, value: float) -> float:
    found = np.asarray(value, dtype=np.float64)
    if found.size != 1 or not math.isfinite(found.item()):
        raise MlffError(f"{name} of one frame is one finite number, not {value!r}")
    return float(found.item())
