"""The embedded crystals against EMT itself, and EMT's stress against finite strain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones

from pytest_mlff.datasets import open_dataset
from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER
from pytest_mlff.datasets.record import record_named

KINDS = ("strained", "rattled", "md")
SYSTEMS = tuple(record_named("metals").systems)


@pytest.mark.parametrize("system", SYSTEMS)
def test_labels_are_those_of_the_method(system: str) -> None:
    dataset = open_dataset("metals").load(system)
    frames = dataset.frames
    assert dataset.level_of_theory == "EMT"
    assert np.unique(np.asarray(frames.replica)).size == len(frames) == 60
    kinds = frames.per_frame["config_type"].tolist()
    assert kinds == list(KINDS) * 20
    for index in range(0, 60, 7):
        atoms = frames.atoms(index)
        atoms.calc = EMT()
        mine = slice(int(frames.offsets[index]), int(frames.offsets[index + 1]))
        assert np.asarray(frames.energy)[index] == pytest.approx(atoms.get_potential_energy())
        np.testing.assert_allclose(np.asarray(frames.forces)[mine], atoms.get_forces(), atol=1e-6)
        np.testing.assert_allclose(
            np.asarray(frames.stress)[index], atoms.get_stress(voigt=False), atol=1e-12
        )


def test_small_enough_to_ship() -> None:
    assert sum(one.stat().st_size for one in (EMBEDDED_FOLDER / "metals").iterdir()) < 300_000


def strained(atoms: Any, i: int, j: int, size: float) -> float:
    """Energy under a symmetric strain."""
    change = np.eye(3)
    change[i, j] += size / 2
    change[j, i] += size / 2
    moved = atoms.copy()
    moved.set_cell(atoms.cell[:] @ change, scale_atoms=True)
    moved.calc = atoms.calc
    return float(moved.get_potential_energy())


@pytest.mark.parametrize("calculator", [EMT(), LennardJones(sigma=2.3, epsilon=0.1, rc=5.0)])
@pytest.mark.parametrize("i, j", [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)])
def test_stress_is_the_slope_of_the_energy(calculator: Any, i: int, j: int) -> None:
    """The sign of ASE that the docs state: positive under tension, by all six components."""
    atoms = open_dataset("metals").load("cu").frames.atoms(0)
    atoms.calc = calculator
    step = 1e-4
    slope = (strained(atoms, i, j, step) - strained(atoms, i, j, -step)) / (2 * step)
    expected = slope / atoms.get_volume()
    stress = atoms.get_stress(voigt=False)
    assert stress[i, j] == pytest.approx(expected, abs=2e-6)
    assert abs(expected) > 1e-5, "too small to tell a sign"
    # The mutants: the other sign, and factor 2 of shear that strains of one side have.
    assert -stress[i, j] != pytest.approx(expected, abs=2e-6)
    assert 2 * stress[i, j] != pytest.approx(expected, abs=2e-6)
