"""Stress of a NequIP model trained on the embedded crystals, against finite strain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.tiny_nequip import train

from pytest_mlff.datasets import Frames, open_dataset
from pytest_mlff.potentials.loading import load_potential

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
STEP = 1e-4


def _strained(frames: Frames) -> Frames:
    """A crystal under each of six symmetric strains, forwards and backwards."""
    made = []
    for i, j in VOIGT:
        for size in (STEP, -STEP):
            change = np.eye(3)
            change[i, j] += size / 2
            change[j, i] += size / 2
            atoms = frames.atoms(0)
            atoms.set_cell(atoms.cell[:] @ change, scale_atoms=True)
            made.append(atoms)
    return Frames.from_atoms(made)


def _agrees(stress: NDArray[np.float64], slopes: NDArray[np.float64]) -> bool:
    found = np.array([stress[i, j] for i, j in VOIGT])
    return bool(np.allclose(found, slopes, rtol=1e-4, atol=1e-6 * np.abs(slopes).max()))


@pytest.mark.slow
def test_stress_is_the_slope_of_the_energy(tmp_path: Path) -> None:
    frames = open_dataset("metals").load("cu3au").frames
    checkpoint = train(
        tmp_path, frames, type_names=frames.species, n_train=40, n_validation=20, dtype="float64"
    )
    potential = load_potential(str(checkpoint))
    for index in (0, 1, 2):  # rattled, strained, from dynamics
        one = frames.select([index])
        stress = potential.predict(one).stress
        assert stress is not None
        energies = potential.predict(_strained(one)).energy.reshape(6, 2)
        slopes = (energies[:, 0] - energies[:, 1]) / (2 * STEP) / one.atoms(0).get_volume()
        assert _agrees(stress[0], slopes)
        # Mutants: the other sign, and one component with the other sign.
        assert not _agrees(-stress[0], slopes)
        for i, j in VOIGT:
            wrong = stress[0].copy()
            wrong[i, j] = wrong[j, i] = -wrong[i, j]
            assert not _agrees(wrong, slopes), f"a sign of {i}{j} goes unseen"
