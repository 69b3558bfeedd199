"""Bias-aware weights by hand and in their limits; score matching on wells whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pytest_mlff.errors import MlffError
from pytest_mlff.training import bias_aware_weights, score_matching_loss
from pytest_mlff.training.losses import denoising_forces

COUNTS = np.array([2, 1, 3])
CHEAP = np.zeros((6, 3))


def _teacher(*distances: float) -> np.ndarray:
    return np.repeat(np.array(distances), COUNTS)[:, np.newaxis] * np.ones(3)


def test_weights_by_hand() -> None:
    gamma = 0.7
    weights = bias_aware_weights(_teacher(0.0, gamma, 2 * gamma), CHEAP, COUNTS, gamma)
    raw = np.array([1.0, math.exp(-1.0), math.exp(-2.0)])
    assert weights == pytest.approx(raw / raw.mean())
    assert weights.mean() == pytest.approx(1.0)


def test_distance_is_the_mean_of_absolute_components() -> None:
    teacher = np.array([[3.0, 0.0, 0.0], [0.0, -3.0, 0.0], [1.0, -1.0, 1.0]])
    weights = bias_aware_weights(teacher, np.zeros((3, 3)), [2, 1], 1.0)
    # Both frames are 1 away on average; with a root mean square the first would be √3 away.
    assert weights == pytest.approx([1.0, 1.0])


def test_limits_of_gamma() -> None:
    teacher = _teacher(0.2, 0.1, 5.0)
    assert bias_aware_weights(teacher, CHEAP, COUNTS, 1e-12) == pytest.approx([0.0, 3.0, 0.0])
    assert bias_aware_weights(teacher, CHEAP, COUNTS, math.inf) == pytest.approx(np.ones(3))
    assert bias_aware_weights(teacher, teacher, COUNTS, 0.3) == pytest.approx(np.ones(3))


def test_corrupted_frames_are_pushed_down_and_switched_off_weights_are_caught() -> None:
    rng = np.random.default_rng(0)
    counts = np.full(90, 5)
    cheap = rng.normal(size=(450, 3))
    corrupted = np.arange(90) % 3 == 0
    noise = np.where(np.repeat(corrupted, 5)[:, np.newaxis], 0.8, 0.1)
    teacher = cheap + noise * rng.normal(size=cheap.shape)

    def auc(weights: np.ndarray) -> float:
        pairs = weights[~corrupted][:, np.newaxis] - weights[corrupted]
        return float(((pairs > 0) + 0.5 * (pairs == 0)).mean())

    assert auc(bias_aware_weights(teacher, cheap, counts, 0.1)) >= 0.95
    assert auc(np.ones(90)) == pytest.approx(0.5)


def _fitted(x, y, weights=None, prior=None, stiffness: float = 1.0) -> np.ndarray:
    """Weighted ridge regression towards a prior: a model that is begun from another."""
    w = np.ones(len(x)) if weights is None else weights
    start = np.zeros(x.shape[1]) if prior is None else prior
    normal = (x * w[:, None]).T @ x + stiffness * np.eye(x.shape[1])
    return start + np.linalg.solve(normal, (x * w[:, None]).T @ (y - x @ start))


def _gain_of_weights(seed: int, *, switched_off: bool = False) -> float:
    """Error after fine-tuning without weights less that with them; a third of cheap is corrupt."""
    rng = np.random.default_rng(seed)
    n_frames, n_atoms, size = 60, 9, 40
    truth = rng.normal(size=size)
    x = rng.normal(size=(n_frames * n_atoms, size))
    corrupted = np.repeat(np.arange(n_frames) % 3 == 0, n_atoms)
    near, far = (truth + width * rng.normal(size=size) for width in (0.1, 1.0))
    cheap = np.where(corrupted, x @ far, x @ near)
    few = rng.normal(size=(20, size))
    accurate = few @ truth
    teacher = x @ _fitted(few, accurate, stiffness=0.1)

    def components(y: np.ndarray) -> np.ndarray:  # one stands for all three of an atom
        return np.repeat(y[:, None], 3, axis=1)

    gamma = float(np.median(np.abs(teacher - cheap).reshape(n_frames, n_atoms).mean(axis=1)))
    counts = np.full(n_frames, n_atoms)
    weights = bias_aware_weights(components(teacher), components(cheap), counts, gamma)
    if switched_off:
        weights = np.ones(n_frames)
    errors = []
    for w in (None, np.repeat(weights, n_atoms)):
        tuned = _fitted(few, accurate, prior=_fitted(x, cheap, w))
        errors.append(float(np.abs(tuned - truth).mean()))
    return errors[0] - errors[1]


def test_weights_lower_the_error_after_fine_tuning_and_none_do_not() -> None:
    gains = np.array([_gain_of_weights(seed) for seed in range(20)])
    assert gains.mean() > 4 * gains.std(ddof=1) / math.sqrt(len(gains))  # paired over seeds
    assert all(_gain_of_weights(seed, switched_off=True) == 0.0 for seed in range(3))


def test_denoising_labels_have_the_score_of_the_smoothed_well() -> None:
    # A well of width s, smoothed by σ, is one of width √(s² + σ²), with forces −kT x / (s² + σ²).
    kT, sigma, width = 0.043, 0.2, 0.3
    x = np.random.default_rng(0).normal(scale=width, size=(200_000, 3))
    shaken, forces = denoising_forces(x, sigma, kT, seed=1)
    slope = float((shaken * forces).sum() / (shaken**2).sum())
    assert slope == pytest.approx(-kT / (width**2 + sigma**2), rel=0.02)


@pytest.mark.parametrize(
    "teacher, counts, gamma, said",
    [
        (CHEAP, COUNTS, 0.0, "gamma"),
        (CHEAP, COUNTS, -1.0, "gamma"),
        (CHEAP, COUNTS, math.nan, "gamma"),
        (CHEAP[:5], COUNTS, 1.0, "shape"),
        (CHEAP, [2, 1, 2], 1.0, "add up to 5"),
        (CHEAP, [6, 0], 1.0, "one or more"),
        (CHEAP, [], 1.0, "one or more"),
        (CHEAP + np.nan, COUNTS, 1.0, "not finite"),
    ],
)
def test_weights_of_bad_input(teacher, counts, gamma: float, said: str) -> None:
    with pytest.raises(MlffError, match=said):
        bias_aware_weights(teacher, CHEAP, counts, gamma)


def _well(n_frames: int, n_atoms: int, k: float, kT: float) -> np.ndarray:
    rng = np.random.default_rng(1)
    return rng.normal(scale=math.sqrt(kT / k), size=(n_frames, n_atoms, 3))


@pytest.mark.parametrize("n_atoms", [1, 4])
def test_a_harmonic_well_has_its_closed_form_at_the_minimum(n_atoms: int) -> None:
    k, kT = 2.3, 0.043
    x = _well(40_000, n_atoms, k, kT)

    def loss(stiffness: float) -> float:
        divergence = np.full(len(x), -3.0 * n_atoms * stiffness)
        return float(score_matching_loss(-stiffness * x, divergence, kT))

    # ½k²Σx² has the relative standard error √(2 / 3 N n), and it is half of the loss's size.
    noise = 4 * math.sqrt(2.0 / x.size) * 1.5 * k * kT * n_atoms
    assert loss(k) == pytest.approx(-1.5 * k * kT * n_atoms, abs=noise)
    # The minimum over k lies at kT / mean(x²), the estimate of k that the frames allow.
    best = kT / float((x**2).mean())
    assert loss(best) < min(loss(0.98 * best), loss(1.02 * best))


def test_force_constants_of_coupled_wells_are_recovered() -> None:
    rng = np.random.default_rng(5)
    hessian = torch.tensor([[3.0, -1.0, 0.2], [-1.0, 2.0, 0.1], [0.2, 0.1, 1.5]])
    hessian = hessian.double()
    kT = 0.05
    covariance = kT * np.linalg.inv(hessian.numpy())
    x = torch.tensor(rng.multivariate_normal(np.zeros(3), covariance, size=200_000))
    guess = torch.eye(3, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([guess], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        symmetric = (guess + guess.T) / 2
        forces = -(x @ symmetric)[:, None, :]
        value = score_matching_loss(forces, -torch.trace(symmetric).expand(len(x)), kT)
        value.backward()
        return value

    optimiser.step(closure)
    found = ((guess + guess.T) / 2).detach()
    assert float((found - hessian).abs().max()) < 0.02 * float(hessian.max())


def test_hutchinson_gives_the_exact_trace_on_average() -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 3, dtype=torch.float64)

    def forces(where: torch.Tensor) -> torch.Tensor:
        return -where * (1.0 + (where**2).sum())

    jacobian = torch.autograd.functional.jacobian(forces, x).reshape(9, 9)
    probes = torch.sign(torch.randn(4000, 9, dtype=torch.float64))
    estimates = ((probes @ jacobian) * probes).sum(1)
    error = float(estimates.std()) / math.sqrt(len(estimates))
    assert float(estimates.mean()) == pytest.approx(float(torch.trace(jacobian)), abs=4 * error)
    exact = score_matching_loss(forces(x), torch.trace(jacobian), 0.04)
    drawn = score_matching_loss(forces(x), estimates.mean(), 0.04)
    assert float(drawn) == pytest.approx(float(exact), abs=4 * 0.04 * error)


def test_precisions_and_libraries_agree() -> None:
    rng = np.random.default_rng(2)
    forces, divergence = rng.normal(size=(7, 4, 3)), rng.normal(size=7)
    by_hand = np.mean(
        [0.5 * (f**2).sum() + 0.1 * d for f, d in zip(forces, divergence, strict=True)]
    )
    assert float(score_matching_loss(forces, divergence, 0.1)) == pytest.approx(by_hand)
    double = score_matching_loss(torch.tensor(forces), torch.tensor(divergence), 0.1)
    assert float(double) == pytest.approx(by_hand)
    single = score_matching_loss(
        torch.tensor(forces).float(), torch.tensor(divergence).float(), 0.1
    )
    assert single.dtype == torch.float32
    assert float(single) == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize("kT", [0.0, -1.0, math.nan, math.inf])
def test_a_temperature_that_is_none(kT: float) -> None:
    with pytest.raises(MlffError, match="kT"):
        score_matching_loss(np.zeros((2, 3)), 0.0, kT)


@pytest.mark.parametrize("divergence", [np.zeros(3), np.zeros((2, 1)), np.zeros((2, 4, 3))])
def test_a_divergence_that_does_not_fit(divergence: np.ndarray) -> None:
    # (n, 1) beside (n,) would broadcast to n × n numbers.
    with pytest.raises(MlffError, match="does not fit"):
        score_matching_loss(np.zeros((2, 4, 3)), divergence, 0.1)
