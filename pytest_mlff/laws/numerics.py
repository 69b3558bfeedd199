"""Numerical derivatives and path averages with their own error estimate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DEGREE = 3
_INTERVALS = 12
_TRUST = 3.0
"""Factor on the disagreement of coarser rules: over 20,000 kinks at random places, the rule that
is used was never off by more than 1.6 times that."""


@dataclass(frozen=True)
class Derivative:
    """A numerical result and the estimated bound of its error, elementwise."""

    value: NDArray[np.float64]
    error: NDArray[np.float64]


def mean_norm(vectors: NDArray[np.float64]) -> float:
    """Mean length of vectors, shape (n, 3)."""
    return float(np.linalg.norm(vectors, axis=1).mean())


def roughness(values: NDArray[np.float64]) -> float:
    """Largest distance of equally spaced values, shape (points, n), from cubics."""
    design = np.vander(np.linspace(-1.0, 1.0, len(values)), _DEGREE + 1)
    # Without their first value, energies of 10⁴ eV keep their last places in the fit.
    centred = values - values[0]
    fit = design @ np.linalg.lstsq(design, centred, rcond=None)[0]
    return float(np.abs(centred - fit).max())


def path(half: float) -> NDArray[np.float64]:
    """Where a function must be known for its mean over ±half, from last to first, shape (13,)."""
    return half * np.cos(np.pi * np.arange(_INTERVALS + 1) / _INTERVALS)


def mean_over_path(values: NDArray[np.float64]) -> Derivative:
    """Mean of a function over a path, by Clenshaw-Curtis quadrature.

    The rule is exact for smooth functions as good as always, and off by little for one with a
    kink, which the force of a model with a cosine cutoff has wherever an atom crosses the cutoff
    (a difference quotient is off there by the kink times the step). How far the rules of every
    second and every third point disagree with it bounds its error: one of them alone agrees by
    accident now and then.

    Parameters
    ----------
    values : ndarray, shape (13, …)
        The function at `path`.
    """
    found = [np.tensordot(_weights(skip), values[::skip], 1) for skip in (1, 2, 3)]
    error = _TRUST * np.max([np.abs(one - found[0]) for one in found[1:]], axis=0)
    return Derivative(np.asarray(found[0]), np.asarray(error))


@cache
def _weights(skip: int) -> NDArray[np.float64]:
    """Weights of every ``skip``-th point of `path`, which average Chebyshev polynomials exactly."""
    places = path(1.0)[::skip]
    orders = np.arange(len(places))
    means = np.zeros(len(places))
    means[::2] = 1.0 / (1.0 - orders[::2] ** 2.0)
    basis = np.polynomial.chebyshev.chebvander(places, len(places) - 1)
    return np.asarray(np.linalg.solve(basis.T, means))


def offsets(step: float, levels: int) -> NDArray[np.float64]:
    """Where a function must be known: ±step, ±step/2, …, shape (2 × levels,)."""
    steps = step * 0.5 ** np.arange(levels)
    return np.stack([steps, -steps], axis=1).reshape(-1)


def richardson(
    values: NDArray[Any], step: float, levels: int, noise: float | NDArray[np.float64]
) -> Derivative:
    """Central differences, Richardson-extrapolated to step zero.

    In the tableau of Ridders (Adv. Eng. Software 1982, 4, 75) entry (l, m) eliminates the
    error terms up to h^(2m) from the differences at h = step / 2^l. Here the answer is entry
    (l, 2) for the l with the smaller error. Its truncation error is the *largest* of the
    differences between it, its neighbours and their parents: a function with a jump in some
    high derivative (every smoothed cutoff has one) makes two entries agree by accident now and
    then, but not all. To that comes ``noise`` / h.

    Parameters
    ----------
    values : ndarray, shape (2 × levels, …)
        The function at `offsets`.
    step : float
        Largest step.
    levels : int
        Number of halvings plus one, at least 3.
    noise : float or ndarray
        Bound of the error of one value.
    """
    pairs = np.asarray(values, dtype=np.float64).reshape(levels, 2, *values.shape[1:])
    steps = step * 0.5 ** np.arange(levels)
    shape = (levels,) + (1,) * (pairs.ndim - 2)
    plain = (pairs[:, 0] - pairs[:, 1]) / (2.0 * steps.reshape(shape))
    once = plain[1:] + np.diff(plain, axis=0) / 3.0
    twice = once[1:] + np.diff(once, axis=0) / 15.0
    best = twice[0]
    error = np.full(best.shape, np.inf)
    for index in range(levels - 2):
        family = [once[index], once[index + 1], *twice[max(0, index - 1) : index + 1]]
        spread = np.max([np.abs(twice[index] - one) for one in family], axis=0)
        estimate = spread + 1.5 * np.asarray(noise) / steps[index + 2]
        better = estimate < error
        best = np.where(better, twice[index], best)
        error = np.where(better, estimate, error)
    return Derivative(np.asarray(best), np.asarray(error))
