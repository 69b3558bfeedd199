"""Similarity as a warning: values by brute force, intervals by known truth."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import stats

from pytest_mlff.similarity import warning, warning_quality
from pytest_mlff.similarity.warning import _area, _spearman

if TYPE_CHECKING:
    from numpy.typing import NDArray


def series(n: int, phi: float, count: int, seed: int) -> NDArray[np.float64]:
    """Stationary AR(1) series of unit variance, shape (count, n)."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(count, n))
    found = np.empty_like(noise)
    found[:, 0] = noise[:, 0]
    for t in range(1, n):
        found[:, t] = phi * found[:, t - 1] + math.sqrt(1 - phi**2) * noise[:, t]
    return found


def pairs(n: int, phi: float, rho: float, count: int) -> Any:
    x, e = series(n, phi, count, 1), series(n, phi, count, 2)
    return zip(x, rho * x + math.sqrt(1 - rho**2) * e, strict=True)


def blind(values: NDArray[Any], *, segments: object) -> SimpleNamespace:
    """The interval for independent frames."""
    half = 1.96 * values.std() / math.sqrt(len(values))
    return SimpleNamespace(ci_low=-half, ci_high=half)


def test_values_by_brute_force() -> None:
    ((x, y),) = pairs(230, 0.5, 0.6, 1)
    found = warning_quality(1.0 - x, y)
    assert found.correlation == pytest.approx(stats.spearmanr(x, y)[0], abs=1e-12)
    worst = np.argsort(y)[-23:]
    others = np.argsort(y)[:-23]
    assert found.n_worst == 23
    right = [float(x[i] > x[j]) for i in worst for j in others]
    assert found.auc == pytest.approx(np.mean(right), abs=1e-12)


def test_ties_count_half() -> None:
    x = np.array([1.0, 2.0, 2.0, 2.0, 3.0, 0.0, 2.0, 1.0, 5.0, 2.0] * 3)
    y = np.arange(30.0)
    found = warning_quality(-x, y)
    assert found.correlation == pytest.approx(stats.spearmanr(x, y)[0], abs=1e-12)
    right = [np.heaviside(x[i] - x[j], 0.5) for i in (27, 28, 29) for j in range(27)]
    assert found.auc == pytest.approx(np.mean(right), abs=1e-12)


def test_influence_is_that_of_leaving_a_frame_out() -> None:
    ((x, y),) = pairs(400, 0.0, 0.6, 1)
    value, influence = _spearman(x, y)
    left_out = np.array(
        [value - stats.spearmanr(np.delete(x, i), np.delete(y, i))[0] for i in range(len(x))]
    )
    centred = influence - influence.mean()
    slope, _, fit, _, _ = stats.linregress(centred, 400 * (left_out - left_out.mean()))
    assert fit > 0.999
    assert slope == pytest.approx(1.0, abs=0.02)


def coverage(n: int, phi: float, rho: float) -> tuple[float, float]:
    truth = 6 / math.pi * math.asin(rho / 2)
    # Area for a bivariate normal distribution, by a large sample.
    x, y = np.random.default_rng(5).multivariate_normal([0, 0], [[1, rho], [rho, 1]], 400_000).T
    area = _area(x, y, 40_000)[0]
    found = [warning_quality(-a, b) for a, b in pairs(n, phi, rho, 300)]
    decided = [one for one in found if one.correlation_low is not None and one.auc_low is not None]
    assert len(decided) > 220
    return (
        float(np.mean([one.correlation_low <= truth <= one.correlation_high for one in decided])),
        float(np.mean([one.auc_low <= area <= one.auc_high for one in decided])),
    )


@pytest.mark.parametrize("phi, rho", [(0.0, 0.5), (0.9, 0.0), (0.9, 0.5), (0.9, 0.9)])
def test_intervals_cover_though_frames_are_correlated(phi: float, rho: float) -> None:
    for share in coverage(600, phi, rho):
        assert 0.89 < share <= 0.998


def test_an_interval_that_takes_frames_for_independent_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(warning, "mean_interval", blind)
    for share in coverage(600, 0.9, 0.5):
        assert share < 0.75


def test_short_or_full_agreement_is_undecided() -> None:
    ((x, y),) = pairs(25, 0.5, 0.6, 1)
    found = warning_quality(-x, y)
    assert found.correlation is not None
    assert found.correlation_low is None
    assert found.auc_high is None
    line = np.arange(200.0)
    full = warning_quality(-line, line)
    assert full.correlation == pytest.approx(1.0)
    assert full.auc == pytest.approx(1.0)
    assert full.correlation_low is None


def test_constant_errors_warn_of_nothing() -> None:
    found = warning_quality(np.arange(40.0), np.ones(40))
    assert found.correlation is None
    assert found.auc is None


def test_values_that_cannot_be_judged() -> None:
    with pytest.raises(ValueError, match="shape"):
        warning_quality([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="finite"):
        warning_quality([1.0, math.nan], [1.0, 2.0])
