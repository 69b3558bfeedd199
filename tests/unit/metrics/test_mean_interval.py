"""Intervals of correlated means against closed forms, brute force and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.signal import lfilter

from pytest_mlff.metrics.correlation import (
    autocorrelation,
    block_autocorrelation,
    correlation_time,
    slowest_phi,
)
from pytest_mlff.metrics.interval import (
    cosine_coefficients,
    degrees_of_freedom,
    frames_needed,
    long_run,
    mean_interval,
    student_quantile,
)
from pytest_mlff.metrics.measurement import FrameSeries


def ar1(phi: float, repeats: int, n: int, seed: int) -> np.ndarray:
    """Stationary Gaussian AR(1) series with unit innovations."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((repeats, n))
    noise[:, 0] /= math.sqrt(1.0 - phi**2)
    return np.asarray(lfilter([1.0], [1.0, -phi], noise, axis=1))


def test_coefficients_equal_the_sum_that_defines_them() -> None:
    x = np.random.default_rng(0).normal(3.0, 1.0, 57)
    found = cosine_coefficients(x, np.asarray(0.0), 9)
    for j in range(1, 10):
        direct = math.sqrt(2.0 / 57) * math.fsum(
            float(x[t]) * math.cos(math.pi * j * (t + 0.5) / 57) for t in range(57)
        )
        assert found[j - 1] == pytest.approx(direct, abs=1e-12)


def test_coefficients_are_recoloured_by_the_ar1_spectrum() -> None:
    x = np.random.default_rng(0).normal(size=64)
    phi, n = 0.8, 64
    ratio = cosine_coefficients(x, np.asarray(phi), 12) / cosine_coefficients(
        x, np.asarray(0.0), 12
    )
    omega = np.pi * np.arange(1, 13) / n
    spectrum = 1.0 / np.abs(1.0 - phi * np.exp(-1j * omega)) ** 2
    at_zero = 1.0 / (1.0 - phi) ** 2
    assert ratio**2 == pytest.approx(at_zero / spectrum, rel=1e-12)


def test_white_noise_interval_is_the_textbook_one() -> None:
    """Without correlation: Student t with the predicted B, and the right mean width."""
    n, repeats = 400, 600
    x = np.random.default_rng(1).normal(5.0, 2.0, (repeats, n))
    run = long_run(x)
    assert float(run.variance.mean()) == pytest.approx(4.0, rel=0.06)
    assert set(run.dof[run.correlation_time < 0.3].tolist()) == {math.floor(0.41 * n ** (2 / 3))}
    one = mean_interval(x[0])
    assert one.standard_error is not None
    assert one.ci_high is not None
    t = stats.t(one.dof).ppf(0.975)
    assert one.mean == pytest.approx(x[0].mean())
    assert one.ci_high - one.mean == pytest.approx(t * one.standard_error)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9, 0.95])
def test_long_run_variance_is_that_of_the_process(phi: float) -> None:
    """Closed form: 1/(1 - φ)² for unit innovations.

    Taking the slowest of several scales errs to the safe side, by less than a tenth.
    """
    run = long_run(ar1(phi, 400, 4000, seed=2))
    assert float(np.median(run.dof)) > 4
    ratio = float(run.variance.mean()) * (1.0 - phi) ** 2
    assert 0.97 <= ratio <= 1.10


@pytest.mark.parametrize("phi, n", [(0.0, 50), (0.5, 200), (0.9, 500), (0.95, 1000)])
def test_coverage(phi: float, n: int) -> None:
    """A 90 % interval misses in at most 10 % of 2000 series, within simulation error."""
    run = long_run(ar1(phi, 2000, n, seed=3))
    x = ar1(phi, 2000, n, seed=3)
    decided = run.dof >= 4
    t = np.array([student_quantile(max(int(b), 1), 0.95) for b in run.dof])
    missed = decided & (np.abs(x.mean(axis=1)) > t * np.sqrt(run.variance / n))
    limit = 0.10 + 2.6 * math.sqrt(0.1 * 0.9 / 2000)
    assert missed.mean() <= limit
    if phi >= 0.9:
        # The mutant: variance of single frames in place of the long-run variance.
        naive = np.abs(x.mean(axis=1)) > stats.norm.ppf(0.95) * x.std(axis=1) / math.sqrt(n)
        assert naive.mean() > limit + 0.3
        # A second one: no carrying back to frequency zero leaves the variance low.
        plain = [
            np.square(cosine_coefficients(row, np.asarray(0.0), int(b))).mean()
            for row, b in zip(x, run.dof, strict=True)
            if b >= 4
        ]
        assert np.mean(plain) < 0.97 * run.variance[decided].mean()


def test_scalar_and_batched_agree() -> None:
    x = ar1(0.7, 5, 300, seed=4)
    run = long_run(x)
    for i in range(5):
        one = mean_interval(x[i])
        assert one.standard_error == pytest.approx(math.sqrt(run.variance[i] / 300), rel=1e-10)
        assert one.dof == run.dof[i]


def test_shift_and_scale_do_not_matter() -> None:
    x = ar1(0.6, 1, 200, seed=5)[0]
    one, other = mean_interval(x), mean_interval(1e6 + 3.0 * x)
    assert one.standard_error is not None
    assert other.standard_error == pytest.approx(3.0 * one.standard_error, rel=1e-6)
    huge = mean_interval(1e200 * x)
    assert huge.standard_error == pytest.approx(1e200 * one.standard_error, rel=1e-9)


def test_bias_correction_of_the_autocorrelation() -> None:
    """On short series the plain estimate is low; the corrected one is nearly unbiased."""
    x = ar1(0.8, 4000, 60, seed=6)
    centred = x - x.mean(axis=1, keepdims=True)
    raw = (centred[:, 1:] * centred[:, :-1]).sum(1) / np.square(centred[:, :-1]).sum(1)
    assert raw.mean() < 0.75
    assert abs(float(autocorrelation(x).mean()) - 0.8) < 0.015


@pytest.mark.parametrize("phi, block", [(0.3, 2), (0.9, 8), (0.99, 64)])
def test_autocorrelation_of_block_means_equals_the_double_sum(phi: float, block: int) -> None:
    t = np.arange(2 * block)
    covariance = phi ** np.abs(t[:, None] - t[None, :])
    same = covariance[:block, :block].sum()
    next_one = covariance[:block, block:].sum()
    found = float(block_autocorrelation(np.asarray(phi), block))
    assert found == pytest.approx(next_one / same, rel=1e-10)


def test_correlation_time_of_pure_ar1() -> None:
    for phi in (0.5, 0.9, 0.95):
        found = correlation_time(slowest_phi(ar1(phi, 200, 8000, seed=11)))
        assert float(np.median(found)) == pytest.approx(-1.0 / math.log(phi), rel=0.35)
    assert correlation_time(np.asarray([-0.2, 0.0])).tolist() == [0.0, 0.0]


def test_slow_motion_below_fast_noise_is_seen() -> None:
    """Fast noise hides the slow part from lag 1; a test that trusts lag 1 is wrong there."""
    n, repeats, phi = 2000, 1000, 0.95
    slow = ar1(phi, repeats, n, seed=12) * math.sqrt(1.0 - phi**2)
    x = math.sqrt(0.3) * slow + math.sqrt(0.7) * np.random.default_rng(13).normal(size=slow.shape)
    run = long_run(x)
    t = np.array([student_quantile(max(int(b), 1), 0.95) for b in run.dof])
    raised = (run.dof >= 4) & (x.mean(axis=1) > t * np.sqrt(run.variance / n))
    limit = 0.05 + 2.6 * math.sqrt(0.05 * 0.95 / repeats)
    assert raised.mean() <= limit
    # The mutant: correlation time from lag 1 alone.
    phi_1 = np.clip(autocorrelation(x), 0.0, 1.0)
    dof = degrees_of_freedom(n, correlation_time(phi_1))
    squares = np.square(cosine_coefficients(x, phi_1, int(dof.max())))
    variance = np.array([row[:b].mean() for row, b in zip(squares, dof, strict=True)])
    lag_1 = x.mean(axis=1) > 1.68 * np.sqrt(variance / n)
    assert lag_1.mean() > limit + 0.03


@pytest.mark.parametrize("tau", [0.0, 0.3, 1.0, 4.0, 9.5, 19.5, 49.5, 333.3])
def test_frames_needed_is_the_smallest_number_that_is_enough(tau: float) -> None:
    n = frames_needed(tau)
    assert int(degrees_of_freedom(n, np.asarray(tau))) >= 4
    brute = next(k for k in range(2, 20000) if int(degrees_of_freedom(k, np.asarray(tau))) >= 4)
    assert n == brute


def test_short_or_slow_series_are_undecided() -> None:
    for n in (1, 2, 10, 30):
        found = mean_interval(np.random.default_rng(n).normal(size=n))
        assert not found.decided
        assert found.ci_low is None
        assert found.frames_needed > n
    drift = mean_interval(np.cumsum(np.random.default_rng(0).normal(size=300)))
    assert not drift.decided
    assert drift.frames_needed > 300
    line = mean_interval(np.arange(300.0))
    assert not line.decided


def test_constant_series() -> None:
    found = mean_interval(np.full(50, 0.1) + 1e-18)
    assert found.standard_error == 0.0
    assert found.ci_low == found.ci_high == found.mean == pytest.approx(0.1)
    assert not mean_interval(np.full(20, 3.0)).decided


@pytest.mark.parametrize("bad", [[], [1.0, math.nan], [math.inf] * 40, [[1.0, 2.0]]])
def test_unusable_series(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        mean_interval(bad)
    with pytest.raises(ValueError, match="add up"):
        mean_interval([1.0, 2.0, 3.0], segments=(1, 1))


def test_one_segment_is_the_plain_interval_and_strata_add() -> None:
    x, y = ar1(0.3, 2, 300, seed=7)
    assert mean_interval(x, segments=(300,)) == mean_interval(x)
    both = mean_interval(np.concatenate([x, 100.0 + y]), segments=(300, 300))
    ex, ey = mean_interval(x), mean_interval(y)
    assert ex.standard_error is not None
    assert ey.standard_error is not None
    vx, vy = ex.standard_error**2 / 4, ey.standard_error**2 / 4
    assert both.standard_error == pytest.approx(math.sqrt(vx + vy), rel=1e-9)
    assert both.dof == pytest.approx((vx + vy) ** 2 / (vx**2 / ex.dof + vy**2 / ey.dof), rel=1e-9)
    # The mutant: taken as one series, the step between the molecules passes for slow noise.
    merged = mean_interval(np.concatenate([x, 100.0 + y]))
    assert not merged.decided


def test_segments_that_are_too_short_together() -> None:
    x = np.random.default_rng(8).normal(size=16)
    found = mean_interval(x, segments=(8, 8))
    assert not found.decided
    assert found.frames_needed > 16


@pytest.mark.parametrize("power", [1, 2])
def test_value_interval_has_the_spread_of_repeated_experiments(power: int) -> None:
    """Delta method against brute force: the same experiment repeated 1500 times."""
    rng = np.random.default_rng(9)
    values, errors = [], []
    for _ in range(1500):
        weights = rng.integers(3, 12, 120).astype(float)
        totals = weights * np.abs(rng.normal(1.0, 0.4, 120)) ** power + 0.2 * weights**1.3
        series = FrameSeries(totals, weights, np.arange(120), (120,), power)  # type: ignore[arg-type]
        interval = series.interval()
        if interval.standard_error is None:
            continue
        values.append(series.value)
        errors.append(interval.standard_error)
    assert len(values) > 1480
    spread = float(np.std(values))
    assert math.sqrt(np.mean(np.square(errors))) == pytest.approx(spread, rel=0.08)
