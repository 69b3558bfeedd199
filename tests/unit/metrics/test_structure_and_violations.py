"""Wright factor, Jensen-Shannon divergence, violations, bonds: closed forms and scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from pytest_mlff.errors import MlffError
from pytest_mlff.metrics import (
    bond_deviation,
    energy_violation,
    force_violation,
    rdf_jsd,
    wright_factor,
)

RNG = np.random.default_rng(3)


def test_wright_factor_is_the_squared_deviation_in_percent() -> None:
    assert wright_factor([1.0, 2.0, 2.0], [1.0, 2.0, 2.0]) == 0.0
    # Σ(Δ)² = 1, Σ g_ref² = 9; with a square root it would be 33.3 %.
    assert wright_factor([1.0, 2.0, 1.0], [1.0, 2.0, 2.0]) == pytest.approx(100.0 / 9.0)
    assert wright_factor([0.0, 0.0], [1.0, 3.0]) == pytest.approx(100.0)


def test_wright_factor_is_not_symmetric() -> None:
    assert wright_factor([2.0, 2.0], [1.0, 1.0]) == pytest.approx(100.0)
    assert wright_factor([1.0, 1.0], [2.0, 2.0]) == pytest.approx(25.0)


@pytest.mark.parametrize("bins", [1, 7, 300])
def test_divergence_is_scipys_squared_distance(bins: int) -> None:
    g, reference = RNG.random(bins) * 40, RNG.random(bins)
    reference[: bins // 3] = 0.0
    expected = float(jensenshannon(g, reference, base=2) ** 2)
    assert rdf_jsd(g, reference) == pytest.approx(expected, abs=1e-12)


def test_divergence_knows_shapes_and_not_heights() -> None:
    g = np.array([0.0, 1.0, 3.0])
    assert rdf_jsd(7.0 * g, g) == pytest.approx(0.0, abs=1e-15)
    assert rdf_jsd([1.0, 0.0], [0.0, 5.0]) == pytest.approx(1.0)
    assert rdf_jsd(g, [1.0, 1.0, 0.0]) == rdf_jsd([1.0, 1.0, 0.0], g)


@pytest.mark.parametrize("metric", [wright_factor, rdf_jsd])
@pytest.mark.parametrize(
    "g, reference, said",
    [
        ([1.0, 2.0], [1.0, 2.0, 3.0], "same bins"),
        ([], [], "same bins"),
        ([[1.0]], [[1.0]], "same bins"),
        ([1.0, math.nan], [1.0, 1.0], "g is nan in bin 1"),
        ([1.0, 1.0], [math.inf, 1.0], "g_ref is inf in bin 0"),
        ([1.0, -1.0], [1.0, 1.0], "not negative"),
        ([1.0, 1.0], [0.0, 0.0], "zero everywhere"),
    ],
)
def test_curves_that_are_none(metric, g, reference, said: str) -> None:
    with pytest.raises(MlffError, match=said):
        metric(g, reference)


def test_energy_violation_has_no_root() -> None:
    assert energy_violation(-3.0, -3.0) == 0.0
    assert energy_violation(0.0, 0.0) == 0.0
    assert energy_violation(1.0, 3.0) == pytest.approx(0.4)
    assert energy_violation(2.0, -2.0) == pytest.approx(2.0)
    assert energy_violation(0.0, 5e-200) == pytest.approx(1.0)
    assert energy_violation(1e200, 3e200) == pytest.approx(0.4)


def test_energy_violation_depends_on_the_zero_of_energy() -> None:
    # 3BPA: 0.33 eV beside 17,660 eV is nearly nothing.
    assert energy_violation(-17660.0, -17660.33) == pytest.approx(1.7e-10, rel=0.05)


def test_force_violation_takes_all_atoms_as_one_vector() -> None:
    forces = RNG.normal(size=(5, 3))
    assert force_violation(forces, forces) == 0.0
    assert force_violation(1.1 * forces, forces) == pytest.approx(0.1 / 2.1)
    assert force_violation(-forces, forces) == pytest.approx(1.0)
    assert force_violation(0 * forces, forces) == pytest.approx(1.0)
    assert force_violation(0 * forces, 0 * forces) == 0.0
    # Averaging over atoms instead would give (0 + 1) / 2.
    one = np.array([[3.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    other = np.array([[3.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    assert force_violation(one, other) == pytest.approx(2.0 / (2.0 * math.sqrt(10.0)))


@pytest.mark.parametrize(
    "forces, reference, said",
    [
        (np.zeros((2, 3)), np.zeros((3, 3)), "shape"),
        (np.zeros(3), np.zeros(3), "shape"),
        (np.zeros((1, 2, 3)), np.zeros((1, 2, 3)), "shape"),
        (np.full((2, 3), np.nan), np.zeros((2, 3)), "forces of atom 0 are not finite"),
        (np.zeros((2, 3)), np.array([[0.0] * 3, [np.inf] * 3]), "forces_ref of atom 1"),
    ],
)
def test_forces_that_are_none(forces, reference, said: str) -> None:
    with pytest.raises(MlffError, match=said):
        force_violation(forces, reference)


@pytest.mark.parametrize("bad", [math.nan, math.inf, [1.0, 2.0]])
def test_energies_that_are_none(bad) -> None:
    with pytest.raises(MlffError, match="one finite number"):
        energy_violation(bad, 1.0)


def test_bond_deviation_is_that_of_the_worst_bond() -> None:
    positions = [[0.0, 0.0, 0.0], [1.5, 0.0, 0.0], [1.5, 0.8, 0.0]]
    assert bond_deviation(positions, [[0, 1], [1, 2]], [1.0, 1.0]) == pytest.approx(0.5)
    assert bond_deviation(positions, [[0, 1], [1, 2]], [1.5, 1.1]) == pytest.approx(0.3)
    positions[2][0] = math.nan
    assert bond_deviation(positions, [[0, 1], [1, 2]], [1.0, 1.0]) == math.inf
    assert bond_deviation(positions, [[0, 1]], [1.0]) == pytest.approx(0.5)


@pytest.mark.parametrize(
    "bonds, lengths, said",
    [
        ([[0, 2]], [1.0], "from 0 to 1"),
        ([[-1, 0]], [1.0], "from 0 to 1"),
        ([[0, 1]], [1.0, 2.0], "as many lengths"),
        ([[0, 1]], [math.nan], "not finite"),
        (np.zeros((0, 2), dtype=int), [], "n_bonds"),
        ([[0.0, 1.0]], [1.0], "whole numbers"),
    ],
)
def test_bonds_that_are_none(bonds, lengths, said: str) -> None:
    with pytest.raises(MlffError, match=said):
        bond_deviation(np.zeros((2, 3)), bonds, lengths)
