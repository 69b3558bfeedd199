"""Pairs of correlated series and of replicas, for tests of the paired test."""

from __future__ import annotations

import math

import numpy as np
from scipy.signal import lfilter

from pytest_mlff.statistics.evidence import FrameSeries


def series_of(totals: np.ndarray, power: int = 1, segments: tuple[int, ...] = ()) -> FrameSeries:
    n = len(totals)
    return FrameSeries(
        np.asarray(totals, dtype=float),
        np.full(n, 63.0),
        np.arange(n),
        segments or (n,),
        power,  # type: ignore[arg-type]
    )


def ar1(phi: float, shape: tuple[int, int], seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(shape)
    noise[:, 0] /= math.sqrt(1.0 - phi**2)
    return np.asarray(lfilter([1.0], [1.0, -phi], noise, axis=1)) * math.sqrt(1.0 - phi**2)


def pair(n: int = 800, change: float = 0.0, seed: int = 0) -> tuple[FrameSeries, FrameSeries]:
    b = 10.0 + 2.0 * ar1(0.4, (1, n), seed)[0]
    a = (1.0 + change) * b + 0.5 * ar1(0.3, (1, n), seed + 1)[0]
    return series_of(a), series_of(b)


def replicas(
    n: int, size: int, change: float = 0.0, seed: int = 0, spread: float = 0.3
) -> tuple[FrameSeries, FrameSeries]:
    """Replicas whose frames are the same all over: the worst there is within a replica."""
    rng = np.random.default_rng(seed)
    b = np.repeat(10.0 + rng.normal(size=n), size)
    a = (1.0 + change) * b + np.repeat(spread * rng.normal(size=n), size)
    order, segments = np.arange(n * size), (size,) * n
    return tuple(  # type: ignore[return-value]
        FrameSeries(x, np.ones(n * size), order, segments, 1, independent=True) for x in (a, b)
    )
