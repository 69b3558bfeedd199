"""Correlation time of a series of frames, seen on every scale on which it may hide.

The lag-1 autocorrelation alone is a poor witness: the error of a force is mostly fast
vibration, which lets neighbouring frames look almost independent, with a small slow part
(a turning methyl group) below it that decides the error of the mean. So the lag-1
autocorrelation is also taken of block means over 2, 4, 8 … frames, where the fast part
averages out, and the slowest AR(1) process that explains one of them counts.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["autocorrelation", "block_autocorrelation", "correlation_time", "slowest_phi"]

_FEWEST_BLOCKS = 16
# A block scale counts from two standard errors on. One would see weak slow motions a little
# more often (false alarms 8.5 % in place of 9.5 % on real differences of forces), but triple
# the correlation time it reports of series that have none.
_SIGNIFICANT = 2.0


def autocorrelation(series: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lag-1 autocorrelation, corrected for the bias that an estimated mean brings.

    The least-squares estimate φ̂ of an AR(1) process with estimated mean is low by
    (1 + 3φ)/n to first order (Marriott and Pope, Biometrika 1954, 41, 390).

    Parameters
    ----------
    series : ndarray, shape (..., n)
        Last axis in time order; n ≥ 2.

    Returns
    -------
    ndarray, shape (...,)
        φ̂ + (1 + 3φ̂)/n; 0 for a constant series. May reach beyond 1.
    """
    n = series.shape[-1]
    centred = series - series.mean(axis=-1, keepdims=True)
    before = np.square(centred[..., :-1]).sum(axis=-1)
    product = (centred[..., 1:] * centred[..., :-1]).sum(axis=-1)
    constant = before == 0.0
    raw = np.asarray(product / np.where(constant, 1.0, before), dtype=np.float64)
    return np.where(constant, 0.0, raw + (1.0 + 3.0 * raw) / n)


def block_autocorrelation(phi: NDArray[np.float64], block: int) -> NDArray[np.float64]:
    """Lag-1 autocorrelation of means over ``block`` frames of an AR(1) process.

    φ (1 - φ^m)² / (m (1 - φ²) - 2φ (1 - φ^m)) for 0 < φ < 1, from summing φ^|s - t|
    within one block of m frames and between two neighbouring ones.
    """
    decay = 1.0 - phi**block
    return np.asarray(
        phi * decay**2 / (block * (1.0 - phi**2) - 2.0 * phi * decay), dtype=np.float64
    )


@lru_cache(maxsize=64)
def _table(block: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Autocorrelation of block means and the φ of single frames behind it, both ascending."""
    phi = 1.0 - np.logspace(0.0, -5.0, 800)
    seen = phi.copy()
    seen[1:] = block_autocorrelation(phi[1:], block)
    return seen, phi


def slowest_phi(series: NDArray[np.float64]) -> NDArray[np.float64]:
    """φ of the slowest AR(1) process that explains the series on some block scale.

    Parameters
    ----------
    series : ndarray, shape (..., n)
        Last axis in time order; n ≥ 2.

    Returns
    -------
    ndarray, shape (...,)
        Within [0, 1 - 1/n].
    """
    n = series.shape[-1]
    slowest = np.clip(autocorrelation(series), 0.0, 1.0)
    block = 2
    while n // block >= _FEWEST_BLOCKS:
        blocks = n // block
        means = series[..., : blocks * block].reshape(*series.shape[:-1], blocks, block).mean(-1)
        found = autocorrelation(means)
        phi = np.interp(found, *_table(block))
        slowest = np.where(
            found > _SIGNIFICANT / math.sqrt(blocks), np.maximum(slowest, phi), slowest
        )
        block *= 2
    return np.asarray(np.minimum(slowest, 1.0 - 1.0 / n), dtype=np.float64)


def correlation_time(phi: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlation time -1/ln φ in frames; 0 for φ ≤ 0."""
    positive = np.asarray(phi) > 0.0
    return np.where(positive, -1.0 / np.log(np.where(positive, phi, 0.5)), 0.0)
