"""Intervals of correlated means against closed forms, brute force and simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats
from scipy.signal import lfilter

from pytest_mlff.statistics.evidence import FrameSeries
from pytest_mlff.statistics.interval import (
    FEWEST_FRAMES,
    long_run,
    mean_interval,
    student_quantile,
)
from pytest_mlff.statistics.spectrum import (
    coefficient_count,
    cosine_coefficients,
    expected_extrapolation,
    spectra,
    zero_frequency,
)


def ar1(phi: float, repeats: int, n: int, seed: int) -> np.ndarray:
    """Stationary Gaussian AR(1) series with unit innovations."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((repeats, n))
    noise[:, 0] /= math.sqrt(1.0 - phi**2)
    return np.asarray(lfilter([1.0], [1.0, -phi], noise, axis=1))


def test_coefficients_equal_the_sum_that_defines_them() -> None:
    x = np.random.default_rng(0).normal(3.0, 1.0, 57)
    found = cosine_coefficients(x, 9)
    for j in range(1, 10):
        direct = math.sqrt(2.0 / 57) * math.fsum(
            float(x[t]) * math.cos(math.pi * j * (t + 0.5) / 57) for t in range(57)
        )
        assert found[j - 1] == pytest.approx(direct, abs=1e-12)


def test_family_of_spectra_is_flat_or_a_lorentzian_over_flat() -> None:
    family = spectra(12)
    assert family.shape == (1 + 5 * 6, 12)
    assert family[0] == pytest.approx(np.ones(12))
    assert (np.diff(family[1:], axis=1) < 0.0).all()
    # By hand: the slowest (τ = n) and the fastest (τ = n/(π B)), the slow part three times and a
    # thousand times the fast one at zero.
    j = np.arange(1, 13)
    for corner in (math.pi, 1.0 / 12.0):
        for ratio in (3.0, 1000.0):
            member = (1.0 + ratio / (1.0 + (corner * j) ** 2)) / (1.0 + ratio)
            assert np.abs(family - member).max(axis=1).min() < 1e-12


def test_extrapolation_of_a_known_spectrum() -> None:
    """At zero over the mean of the four lowest frequencies; of two members the geometric mean."""
    family = spectra(12)
    corner = 1.0 / (1.0 + (math.pi * np.arange(1, 5)) ** 2)
    steep = 1001.0 / (1.0 + 1000.0 * corner).mean()
    (member,) = np.flatnonzero(
        np.abs(family[:, :4] - (1.0 + 1000.0 * corner) / 1001.0).max(axis=1) < 1e-12
    )
    sure = np.eye(len(family))
    assert expected_extrapolation(sure, 12)[[0, member]] == pytest.approx([1.0, steep])
    both = (sure[0] + sure[member]) / 2.0
    assert expected_extrapolation(both, 12) == pytest.approx(math.sqrt(steep))


def test_zero_frequency_against_brute_force() -> None:
    """Posterior by integrating the level numerically, quantile by the mixture's own root."""
    y = np.random.default_rng(3).normal(size=7) * np.linspace(2.0, 1.0, 7)
    family = spectra(7)
    level = np.linspace(-12.0, 20.0, 8001)  # log of the spectrum at zero
    density = [
        np.exp(stats.norm.logpdf(y, scale=np.sqrt(np.exp(level)[:, None] * s)).sum(axis=1)).sum()
        for s in family
    ]
    prior = np.array([0.5] + [0.5 / (len(family) - 1)] * (len(family) - 1))
    expected = prior * density / (prior * density).sum()
    found = zero_frequency(y)
    assert found.probabilities == pytest.approx(expected, rel=1e-5)
    scales = np.sqrt((y**2 / family).mean(axis=1))
    point = stats.t(found.dof).isf(0.05) * math.sqrt(found.variance)
    assert (expected * stats.t(7).sf(point / scales)).sum() == pytest.approx(0.05, rel=1e-4)
    assert 4.0 <= found.dof <= 7.0
    assert float((found.weights * y**2).sum()) == pytest.approx(float(found.variance), rel=1e-12)


def test_series_without_power_and_scale() -> None:
    nothing = zero_frequency(np.zeros(9))
    assert float(nothing.variance) == 0.0
    assert np.isfinite(nothing.weights).all()
    y = np.random.default_rng(4).normal(size=9)
    small = zero_frequency(1e-150 * y)
    assert small.dof == pytest.approx(zero_frequency(y).dof)


def test_white_noise_interval() -> None:
    """Without correlation: a little wider than the textbook one."""
    n, repeats = 400, 600
    x = np.random.default_rng(1).normal(5.0, 2.0, (repeats, n))
    run = long_run(x)
    # Slow parts that cannot be excluded widen it.
    assert 3.6 <= float(np.median(run.variance)) <= 6.0
    assert run.count == math.floor(0.41 * n ** (2 / 3))
    assert (run.dof <= run.count).all()
    one = mean_interval(x[0])
    assert one.standard_error is not None
    assert one.ci_high is not None
    t = stats.t(one.dof).ppf(0.975)
    assert one.mean == pytest.approx(x[0].mean())
    assert one.ci_high - one.mean == pytest.approx(t * one.standard_error)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9, 0.95])
def test_half_width_is_that_of_the_process(phi: float) -> None:
    """Closed form: 1.645/(1 - φ) for unit innovations; caution costs less than a third."""
    run = long_run(ar1(phi, 400, 4000, seed=2))
    width = stats.t(run.dof).isf(0.05) * np.sqrt(run.variance) * (1.0 - phi)
    assert 1.0 <= float(np.median(width)) / 1.645 <= 1.3


@pytest.mark.parametrize("phi, n", [(0.0, 50), (0.5, 200), (0.9, 500), (0.95, 1000)])
def test_coverage(phi: float, n: int) -> None:
    """A 90 % interval misses in at most 10 % of 2000 series, within simulation error."""
    run = long_run(ar1(phi, 2000, n, seed=3))
    x = ar1(phi, 2000, n, seed=3)
    t = stats.t(run.dof).isf(0.05)
    missed = np.abs(x.mean(axis=1)) > t * np.sqrt(run.variance / n)
    limit = 0.10 + 2.6 * math.sqrt(0.1 * 0.9 / 2000)
    assert missed.mean() <= limit
    if phi >= 0.9:
        # The mutant: variance of single frames in place of the long-run variance.
        naive = np.abs(x.mean(axis=1)) > stats.norm.ppf(0.95) * x.std(axis=1) / math.sqrt(n)
        assert naive.mean() > limit + 0.3


def trusts_neighbours(x: np.ndarray) -> np.ndarray:
    """Alarms of a rule that takes each series for the AR(1) process of its lag-1 correlation."""
    n = x.shape[1]
    centred = x - x.mean(axis=1, keepdims=True)
    phi = (centred[:, 1:] * centred[:, :-1]).sum(1) / np.square(centred).sum(1)
    error = x.std(axis=1, ddof=1) * np.sqrt((1.0 + phi) / (1.0 - phi) / n)
    return np.asarray(x.mean(axis=1) > student_quantile(n - 1, 0.95) * error)


def like_a_force_field(repeats: int, n: int, seed: int) -> np.ndarray:
    """Series with a spectrum like that of energy and force errors of a real model.

    Fast noise, a part of some 30 frames and a weaker one of some 100 (hydrogen bonds,
    hindered rotors): a spectrum that keeps rising towards low frequency, as none of the
    family that the rule assumes.
    """
    rng = np.random.default_rng(seed)
    x = math.sqrt(0.80) * rng.standard_normal((repeats, n))
    for share, phi, more in ((0.14, 0.9, 1), (0.04, 0.97, 2), (0.02, 0.99, 3)):
        x += math.sqrt(share * (1.0 - phi**2)) * ar1(phi, repeats, n, seed + more)
    return x


@pytest.mark.parametrize("n", [200, 500, 1000])
def test_real_spectra_and_rules_that_trust_one_time(n: int) -> None:
    """At 5 % a rule that trusts one AR(1) process errs on them; this one does not."""
    repeats = 2000
    x = like_a_force_field(repeats, n, seed=70)
    run = long_run(x)
    raised = x.mean(axis=1) > stats.t(run.dof).isf(0.05) * np.sqrt(run.variance / n)
    limit = 0.05 + 2.6 * math.sqrt(0.05 * 0.95 / repeats)
    assert raised.mean() <= limit
    # Mutants: one correlation time; and frames taken for independent.
    assert trusts_neighbours(x).mean() > limit + 0.03
    naive = x.mean(axis=1) > 1.65 * x.std(axis=1) / math.sqrt(n)
    assert naive.mean() > 0.15


@pytest.mark.parametrize("phi, n", [(0.0, 500), (0.5, 500), (0.9, 2000), (0.95, 4000)])
def test_power_is_kept_where_frames_suffice(phi: float, n: int) -> None:
    """A mean of three standard errors, which an oracle sees in 91 %."""
    x = ar1(phi, 1000, n, seed=80) + 3.0 / (1.0 - phi) / math.sqrt(n)
    run = long_run(x)
    seen = x.mean(axis=1) > stats.t(run.dof).isf(0.05) * np.sqrt(run.variance / n)
    assert seen.mean() > 0.6


def test_scalar_and_batched_agree() -> None:
    x = ar1(0.7, 20, 300, seed=4)
    run = long_run(x)
    for i in range(5):
        one = mean_interval(x[i])
        assert one.dof == pytest.approx(run.dof[i])
        assert one.standard_error == pytest.approx(math.sqrt(run.variance[i] / 300), rel=1e-9)


def test_shift_and_scale_do_not_matter() -> None:
    x = ar1(0.6, 1, 200, seed=5)[0]
    one, other = mean_interval(x), mean_interval(1e6 + 3.0 * x)
    assert one.standard_error is not None
    assert other.standard_error == pytest.approx(3.0 * one.standard_error, rel=1e-6)
    huge = mean_interval(1e200 * x)
    assert huge.standard_error == pytest.approx(1e200 * one.standard_error, rel=1e-9)


def test_slow_motion_below_fast_noise_is_seen() -> None:
    """Fast noise hides the slow part from lag 1; a test that trusts lag 1 is wrong there."""
    n, repeats, phi = 2000, 1000, 0.95
    slow = ar1(phi, repeats, n, seed=12) * math.sqrt(1.0 - phi**2)
    x = math.sqrt(0.3) * slow + math.sqrt(0.7) * np.random.default_rng(13).normal(size=slow.shape)
    run = long_run(x)
    raised = x.mean(axis=1) > stats.t(run.dof).isf(0.05) * np.sqrt(run.variance / n)
    limit = 0.05 + 2.6 * math.sqrt(0.05 * 0.95 / repeats)
    assert raised.mean() <= limit
    # The mutant: correlation time from lag 1 alone.
    assert trusts_neighbours(x).mean() > limit + 0.03


def test_fewest_frames() -> None:
    assert coefficient_count(FEWEST_FRAMES) == 4
    assert coefficient_count(FEWEST_FRAMES - 1) == 3


def test_short_series_have_no_interval_and_slow_ones_a_wide_one() -> None:
    for n in (1, 2, 10, 30):
        found = mean_interval(np.random.default_rng(n).normal(size=n))
        assert (found.standard_error, found.ci_low, found.ci_high) == (None, None, None)
    drift = np.cumsum(np.random.default_rng(0).normal(size=300))
    found = mean_interval(drift)
    assert found.standard_error is not None
    # The mutant: the scatter of single frames.
    assert found.standard_error > 5.0 * drift.std() / math.sqrt(300)


def test_what_is_extrapolated_widens_without_a_jump() -> None:
    """From a series without a slow part to one with much of it: no step in the standard error."""
    fast = np.random.default_rng(1).normal(size=300)
    slow = ar1(0.99, 1, 300, seed=2)[0]
    errors = [
        mean_interval(fast + s * slow).standard_error or 0.0 for s in np.linspace(0, 0.15, 1500)
    ]
    assert max(b / a for a, b in itertools.pairwise(errors)) < 1.05
    assert errors[-1] > 3.0 * errors[0]


def test_constant_series() -> None:
    found = mean_interval(np.full(50, 0.1) + 1e-18)
    assert found.standard_error == 0.0
    assert found.ci_low == found.ci_high == found.mean == pytest.approx(0.1)
    assert mean_interval(np.full(20, 3.0)).standard_error is None


@pytest.mark.parametrize("bad", [[], [1.0, math.nan], [math.inf] * 40, [[1.0, 2.0]]])
def test_unusable_series(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        mean_interval(bad)
    with pytest.raises(ValueError, match="add up"):
        mean_interval([1.0, 2.0, 3.0], segments=(1, 1))


def test_one_segment_is_the_plain_interval_and_strata_add() -> None:
    x, y = ar1(0.3, 2, 300, seed=9)
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
    assert (merged.standard_error or 0.0) > 10.0 * both.standard_error


def test_segments_that_are_too_short_together() -> None:
    x = np.random.default_rng(8).normal(size=16)
    assert mean_interval(x, segments=(8, 8)).standard_error is None
    for wrong in ((16, 0), (8, 9), (17, -1)):
        with pytest.raises(ValueError, match="do not add up to 16 frames"):
            mean_interval(x, segments=wrong)


@pytest.mark.parametrize("power", [1, 2])
def test_value_interval_has_the_spread_of_repeated_experiments(power: int) -> None:
    """Delta method against brute force: the same experiment repeated 600 times."""
    rng = np.random.default_rng(9)
    values, errors = [], []
    for _ in range(600):
        weights = rng.integers(3, 12, 400).astype(float)
        totals = weights * np.abs(rng.normal(1.0, 0.4, 400)) ** power + 0.2 * weights**1.3
        series = FrameSeries(totals, weights, np.arange(400), (400,), power)  # type: ignore[arg-type]
        interval = series.interval()
        values.append(series.value)
        if interval.standard_error is not None:
            errors.append(interval.standard_error)
    assert len(errors) > 480
    spread = float(np.std(values))
    # A delta method gone wrong by a factor of two would show; caution alone does not do that.
    assert 0.85 <= float(np.median(errors)) / spread <= 1.25
