"""Rank correlation of few pairs, against scipy, enumeration and known coverage."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from pytest_mlff.similarity.correlation import (
    bonett_wright_interval,
    permutation_p,
    rank_correlation,
    ranks,
)


def drawn(n: int, rho: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return x, rho * x + math.sqrt(1 - rho**2) * rng.normal(size=n)


@pytest.mark.parametrize("n", [3, 8, 12, 40])
def test_value_is_scipys(n: int) -> None:
    x, y = drawn(n, -0.6, n)
    assert rank_correlation(x, y).value == pytest.approx(stats.spearmanr(x, y)[0], abs=1e-14)
    x[: n // 2] = x[0]
    assert rank_correlation(x, y).value == pytest.approx(stats.spearmanr(x, y)[0], abs=1e-14)


def test_ranks_are_scipys() -> None:
    values = np.array([3.0, 1.0, 3.0, -2.0, 3.0, 1.0])
    assert ranks(values).tolist() == (2 * stats.rankdata(values)).tolist()


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_exact_p_counts_every_permutation(tied: bool, rho: float) -> None:
    x, y = drawn(7, rho, 5)
    if tied:
        x[2], y[4], y[5] = x[0], y[1], y[1]
    p, q = ranks(x), ranks(y)
    mean = p.sum() * q.sum() / 7
    observed = abs(p @ q - mean)
    sums = [abs(np.dot(p, order) - mean) >= observed - 1e-9 for order in permutations(q.tolist())]
    found, exact = permutation_p(p, q)
    assert exact
    assert found == pytest.approx(sum(sums) / math.factorial(7), rel=1e-12)


def test_the_surest_order_of_fifteen_has_the_smallest_p() -> None:
    found = rank_correlation(range(15), range(15))
    assert found.p_exact
    assert found.p_value == pytest.approx(2 / math.factorial(15), rel=1e-12)
    assert not found.decided
    assert "agrees fully" in found.reason


def test_drawn_permutations_agree_with_students_t() -> None:
    x, y = drawn(30, 0.3, 2)
    found = rank_correlation(x, y)
    assert not found.p_exact
    assert found.p_value == pytest.approx(stats.spearmanr(x, y)[1], abs=0.01)
    assert rank_correlation(x, y) == found


@pytest.mark.parametrize("n", [15, 30])
@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_interval_covers(n: int, rho: float) -> None:
    assert 0.935 < coverage(n, rho, bonett_wright_interval) < 0.98


def test_the_variance_for_pearsons_correlation_is_caught() -> None:
    def narrow(value: float, n: int) -> tuple[float, float]:
        z, half = math.atanh(value), 1.96 / math.sqrt(n - 3)
        return math.tanh(z - half), math.tanh(z + half)

    assert coverage(30, 0.9, narrow) < 0.935


def coverage(n: int, rho: float, interval: object) -> float:
    rng = np.random.default_rng(11)
    truth = 6 / math.pi * math.asin(rho / 2)  # of a bivariate normal distribution
    x = rng.normal(size=(4000, n))
    y = rho * x + math.sqrt(1 - rho**2) * rng.normal(size=(4000, n))
    p, q = (np.argsort(np.argsort(one, axis=1), axis=1) for one in (x, y))
    values = 1 - 6 * ((p - q) ** 2).sum(axis=1) / (n * (n**2 - 1))
    ends = [interval(float(value), n) for value in values]  # type: ignore[operator]
    return float(np.mean([low <= truth <= high for low, high in ends]))


def test_few_pairs_are_undecided() -> None:
    x, y = drawn(9, 0.5, 1)
    found = rank_correlation(x, y)
    assert not found.decided
    assert found.reason == "undecided: 9 pairs, an interval needs 10"
    assert found.value is not None
    assert rank_correlation(*drawn(10, 0.5, 1)).decided


@pytest.mark.parametrize(
    "x, y, reason",
    [([1.0, 2.0], [1.0, 2.0], "2 pairs"), ([1.0] * 12, list(range(12)), "equal")],
)
def test_no_value_without_an_order(x: list[float], y: list[float], reason: str) -> None:
    found = rank_correlation(x, y)
    assert found.value is None
    assert found.p_value is None
    assert reason in found.reason


def test_values_that_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match="shapes"):
        rank_correlation([1.0, 2.0, 3.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="finite"):
        rank_correlation([1.0, 2.0, math.nan], [1.0, 2.0, 3.0])
