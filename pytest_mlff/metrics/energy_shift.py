"""Energy errors without the zero of energy: per-species energies, by regression, taken off.

Methods, pseudopotentials and programs set the zero of energy as they like, one number for each
species. What is left of ΔE = Ê − E after the regression ΔE_f = Σ_s n_fs ε_s + r_f over the test
frames is what relative energies, forces and dynamics feel: the value is the mean of |r_f| / N_f.
Frames of one composition lose their mean error; those of several lose no more than one number a
species, so that formation energies stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.errors import NotSupportedError
from pytest_mlff.metrics.errors import energy_mae, measure

if TYPE_CHECKING:
    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.metrics.inputs import Inputs
    from pytest_mlff.metrics.measurement import Measurement
    from pytest_mlff.potentials.protocol import Prediction

_RANK = 1e-9


def fitted_shift(frames: Frames, prediction: Prediction) -> dict[int, float]:
    """Energy of each species in eV that the error of the energy is fitted with, least squares.

    The solution of least norm, where compositions do not tell species apart.

    Raises
    ------
    NotSupportedError
        If frames with labels are no more than the numbers that are fitted, or the fit passes
        through the error of a frame whatever it is, so that nothing is left to be judged there.
    """
    numbers = np.unique(frames.numbers)
    if frames.energy is None:
        return {}
    error = prediction.energy - frames.energy
    known = np.isfinite(error)
    composition = _composition(frames, numbers)[known]
    found, _, rank, _ = np.linalg.lstsq(composition, error[known], rcond=None)
    if known.sum() <= rank:
        raise NotSupportedError(
            f"energy_mae_shifted fits {rank} reference energies, for which "
            f"{int(known.sum())} frames are too few"
        )
    basis, sizes, _ = np.linalg.svd(composition, full_matrices=False)
    # Leverage: the share of a frame's own error that its fit takes on.
    leverage = np.square(basis[:, sizes > _RANK * sizes[0]]).sum(axis=1)
    exact = np.flatnonzero(known)[leverage > 1.0 - _RANK]
    if len(exact):
        raise NotSupportedError(
            f"energy_mae_shifted fits the reference energies through {len(exact)} frames, the "
            f"first is frame {exact[0]}: no other frame tells their compositions' energies apart"
        )
    return dict(zip(numbers.tolist(), found.tolist(), strict=True))


def shifted(frames: Frames, prediction: Prediction, shift: Mapping[int, float]) -> Prediction:
    """The prediction without the energies of species."""
    numbers = np.array(sorted(shift), dtype=np.int64)
    energies = np.array([shift[one] for one in numbers.tolist()])
    return replace(prediction, energy=prediction.energy - _composition(frames, numbers) @ energies)


def _composition(frames: Frames, numbers: np.ndarray) -> np.ndarray:
    """Atoms of each species in each frame, shape (n_frames, n_species)."""
    table = np.zeros((len(frames), len(numbers)))
    np.add.at(table, (frames.frame_of_atom, np.searchsorted(numbers, frames.numbers)), 1.0)
    return table


def energy_mae_shifted(inputs: Inputs) -> Measurement:
    """Measure a case: one shift for all test frames, also where a group of them is asked for."""
    prediction = inputs.prediction
    if len(inputs.frames):
        prediction = shifted(inputs.frames, prediction, fitted_shift(*inputs.whole))
    return measure(energy_mae, inputs.frames, prediction)
