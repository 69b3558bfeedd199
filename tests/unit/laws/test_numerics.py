"""Derivatives with error bounds, structures from integers, and shrinking."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlff.laws.growing import CLOSEST, cluster, crystal, numbers_of, radii_of
from pytest_mlff.laws.numerics import mean_over_path, offsets, path, richardson
from pytest_mlff.laws.shrink import fewest_atoms
from pytest_mlff.laws.symmetry import _changed_order, rotation_matrix
from pytest_mlff.laws.trial import Trial

SPECIES = numbers_of(["C", "H", "O"])


@settings(deadline=None, derandomize=True, max_examples=50)
@given(st.floats(-2, 2), st.floats(0.2, 2.5))
def test_derivative_is_within_its_error(place: float, stretch: float) -> None:
    values = np.sin(stretch * (place + offsets(0.1, 4)))
    found = richardson(values, 0.1, 4, 1e-16)
    exact = stretch * np.cos(stretch * place)
    assert abs(float(found.value) - exact) <= 2.0 * float(found.error)
    # Leading error of the twice-finest once-extrapolated entry, h1² h2² f⁽⁵⁾ / 120.
    leading = (0.05 * 0.025) ** 2 * stretch**5 / 120
    assert float(found.error) < 1.5 * leading + 1e-12


def test_error_grows_with_noise_and_covers_it() -> None:
    rng = np.random.default_rng(0)
    missed = 0
    for _ in range(300):
        noise = 1e-6 * rng.uniform(-1, 1, size=8)
        found = richardson(np.exp(offsets(0.1, 4)) + noise, 0.1, 4, 1e-6)
        missed += abs(float(found.value) - 1.0) > float(found.error)
    assert missed <= 3


def test_error_sees_a_step() -> None:
    """A function that jumps has no derivative: the error must not pretend one."""
    found = richardson(np.where(offsets(0.1, 4) > 0.03, 1.0, 0.0), 0.1, 4, 1e-12)
    assert float(found.error) > 0.1


def test_a_kink_anywhere_is_within_the_error_of_a_mean() -> None:
    kinks = np.random.default_rng(0).uniform(-1.0, 1.0, 5000)
    found = mean_over_path(np.maximum(path(1.0)[:, None] - kinks, 0.0))
    right = (1.0 - kinks) ** 2 / 4.0
    assert (np.abs(found.value - right) <= found.error).all()
    # The bound is no excuse: a difference quotient is off by up to a quarter of the kink.
    assert found.error.max() < 0.08


def test_a_mean_of_a_steep_function_is_sharp() -> None:
    found = mean_over_path(np.exp(3.0 * path(1.0)))
    right = np.sinh(3.0) / 3.0
    assert abs(found.value - right) <= found.error + 1e-14 < 2e-2 * right
    assert abs(found.value - right) < 1e-9 * right


def test_derivatives_elementwise() -> None:
    steps = offsets(0.05, 3)
    values = np.stack([np.exp(steps), steps**2, 3 * steps], axis=1)
    found = richardson(values, 0.05, 3, 1e-15)
    assert found.value == pytest.approx([1.0, 0.0, 3.0], abs=1e-9)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.lists(st.integers(0, 2**24), min_size=1, max_size=12))
def test_grown_atoms_do_not_clash(codes: list[int]) -> None:
    frame = cluster(SPECIES, codes)
    radii = radii_of(frame.numbers)
    apart = np.linalg.norm(frame.positions[:, None] - frame.positions[None], axis=-1)
    wanted = CLOSEST * (radii[:, None] + radii[None])
    np.fill_diagonal(apart, np.inf)
    assert (apart >= wanted - 1e-9).all()
    # Each atom is bound to one before it.
    bound = apart < 2.3 * (radii[:, None] + radii[None])
    assert all(bound[i, :i].any() for i in range(1, len(codes)))


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    st.lists(st.integers(0, 2**24), min_size=1, max_size=4),
    st.integers(0, 5**3 * 7**3 - 1),
    st.integers(0, 15),
)
def test_crystals_have_no_close_images(codes: list[int], shape: int, stretch: int) -> None:
    frame = crystal(SPECIES, codes, shape, stretch)
    grid = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3, indexing="ij"), -1).reshape(-1, 3)
    apart = frame.positions[:, None, None] - frame.positions[None, :, None]
    distance = np.linalg.norm(apart + (grid @ frame.cell[0])[None, None], axis=-1)
    assert distance[distance > 1e-9].min() > 1.4
    assert abs(np.linalg.det(frame.cell[0])) > 1.0


def test_skewed_cells_are_drawn() -> None:
    frame = crystal(SPECIES, [0], 5**3 * 7**3 - 1, 0)
    assert abs(frame.cell[0][1, 0]) > 0.3


@pytest.mark.parametrize("seed", range(20))
def test_rotations_are_proper(seed: int) -> None:
    matrix = rotation_matrix(seed)
    assert matrix @ matrix.T == pytest.approx(np.eye(3), abs=1e-14)
    assert np.linalg.det(matrix) == pytest.approx(1.0)


def test_rotations_are_spread_over_the_group() -> None:
    """The mean of uniform rotations is zero; its spread over n draws is 1/sqrt(3 n) an entry."""
    mean = np.mean([rotation_matrix(seed) for seed in range(2000)], axis=0)
    assert np.abs(mean).max() < 5 / np.sqrt(3 * 2000)


@settings(deadline=None, derandomize=True)
@given(
    st.lists(st.sampled_from([1, 6, 8]), min_size=2, max_size=9), st.integers(0, 999), st.booleans()
)
def test_order_really_changes(numbers: list[int], seed: int, every: bool) -> None:
    kinds = np.array(numbers)
    order = _changed_order(kinds, seed, every)
    assert sorted(order) == list(range(len(numbers)))
    shared = len(set(numbers)) < len(numbers)
    assert (order != np.arange(len(order))).any()
    if not every and shared:
        assert (kinds[order] == kinds).all()


def test_fewest_atoms_keeps_just_what_matters() -> None:
    """The trial is broken while an oxygen and a hydrogen are there."""
    frame = cluster(numbers_of(["H", "O"]), [0, 3, 2, 5, 4, 7, 6, 8, 10, 13])

    def broken(trial: Trial) -> bool:
        return {1, 8} <= set(trial.frames.numbers.tolist())

    assert broken(Trial(frame))
    smallest = fewest_atoms(Trial(frame), broken, 1, 200)
    assert sorted(smallest.frames.numbers.tolist()) == [1, 8]


def test_fewest_atoms_respects_budget() -> None:
    calls: list[int] = []

    def broken(trial: Trial) -> bool:
        calls.append(len(trial.frames.numbers))
        return False

    fewest_atoms(Trial(cluster(SPECIES, list(range(12)))), broken, 1, 7)
    assert len(calls) == 7
