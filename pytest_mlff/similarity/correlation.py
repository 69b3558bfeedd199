"""Rank correlation of a few pairs, such as one per training window, and how sure it is.

The interval is Fisher's with the variance of Bonett and Wright (Psychometrika 2000, 65,
23): tanh(artanh r ± z sqrt((1 + r²/2)/(n - 3))). They recommend it from ten pairs on, so
below there is none. The p-value is that of the permutation test. Both take the pairs for
independent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST_PAIRS: Final = 10
"""Fewer pairs than this have no interval."""

_LARGEST_EXACT: Final = 15
_PERMUTATIONS: Final = 99_999


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's rank correlation.

    Attributes
    ----------
    value : float or None
        Within [-1, 1]; None below three pairs or where one side is constant.
    n : int
        Pairs.
    ci_low, ci_high : float or None
        Two-sided interval; None where undecided.
    p_value : float or None
        Probability of an |r| at least as large if the pairing were by chance.
    p_exact : bool
        Whether all permutations were counted, rather than drawn.
    reason : str
        Why there is no value or no interval; empty where there are both.
    """

    value: float | None
    n: int
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    p_exact: bool
    reason: str = ""

    @property
    def decided(self) -> bool:
        """Whether there is an interval."""
        return self.ci_low is not None


def ranks(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Twice the rank of each value from 1 on; equal values share the mean of their ranks."""
    ordered = np.sort(values)
    below = np.searchsorted(ordered, values, side="left")
    upto = np.searchsorted(ordered, values, side="right")
    return np.asarray(below + upto + 1, dtype=np.int64)


def permutation_p(
    x: NDArray[np.int64], y: NDArray[np.int64], *, seed: int = 0
) -> tuple[float, bool]:
    """Two-sided p-value of the sum of products of ranks under all pairings.

    Up to 15 pairs every permutation is counted: layer by layer, over which values of y the
    first k values of x have taken, the number of ways to each sum. Beyond, 99,999 drawn
    permutations and the observed one (Phipson and Smyth, Stat. Appl. Genet. Mol. Biol. 2010,
    9, 39) give a test that holds its level, too.

    Parameters
    ----------
    x, y : ndarray of int, shape (n,)
        From :func:`ranks`.
    seed : int
        For the drawn permutations.

    Returns
    -------
    float
        The p-value.
    bool
        Whether it is exact.
    """
    n = len(x)
    # Integers throughout: n Σxy - Σx Σy decides "as large" without rounding.
    centre = int(x.sum()) * int(y.sum())
    observed = abs(n * int(x @ y) - centre)
    if n > _LARGEST_EXACT:
        rng = np.random.default_rng(seed)
        extreme = sum(
            abs(n * int(x @ rng.permutation(y)) - centre) >= observed for _ in range(_PERMUTATIONS)
        )
        return (1 + extreme) / (1 + _PERMUTATIONS), False
    offset, ways = _all_sums(x, y)
    sums = offset + np.arange(len(ways))
    extreme = int(ways[np.abs(n * sums - centre) >= observed].sum())
    return extreme / math.factorial(n), True


def _all_sums(x: NDArray[np.int64], y: NDArray[np.int64]) -> tuple[int, NDArray[np.int64]]:
    """Smallest Σ x_i y_π(i), and the number of permutations to it and to each larger sum."""
    layer: dict[int, tuple[int, NDArray[np.int64]]] = {0: (0, np.ones(1, dtype=np.int64))}
    for value in x.tolist():
        parts: dict[int, list[tuple[int, NDArray[np.int64]]]] = {}
        for taken, (low, ways) in layer.items():
            for place, partner in enumerate(y.tolist()):
                if not taken >> place & 1:
                    entry = (low + value * partner, ways)
                    parts.setdefault(taken | 1 << place, []).append(entry)
        layer = {taken: _added(entries) for taken, entries in parts.items()}
    return layer[(1 << len(x)) - 1]


def _added(entries: Sequence[tuple[int, NDArray[np.int64]]]) -> tuple[int, NDArray[np.int64]]:
    low = min(start for start, _ in entries)
    total = np.zeros(max(start + len(ways) for start, ways in entries) - low, dtype=np.int64)
    for start, ways in entries:
        total[start - low : start - low + len(ways)] += ways
    return low, total


def bonett_wright_interval(value: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of a rank correlation: Bonett and Wright 2000; see the head of this module.

    Parameters
    ----------
    value : float
        Spearman's correlation, within (-1, 1).
    n : int
        Independent pairs, at least 4.
    level : float
        Confidence level.
    """
    from scipy.special import ndtri

    half = float(ndtri(0.5 + level / 2.0)) * math.sqrt((1.0 + value**2 / 2.0) / (n - 3))
    z = math.atanh(value)
    return math.tanh(z - half), math.tanh(z + half)


def rank_correlation(
    x: Sequence[float] | NDArray[np.float64],
    y: Sequence[float] | NDArray[np.float64],
    *,
    level: float = 0.95,
    seed: int = 0,
    p_value: bool = True,
) -> RankCorrelation:
    """Spearman's rank correlation of independent pairs, with interval and p-value.

    Parameters
    ----------
    x, y : array_like, shape (n,)
        Finite values.
    level : float
        Confidence level.
    seed : int
        For the drawn permutations of more than 15 pairs.
    p_value : bool
        Whether to work out the p-value, which takes far longer than the rest.

    Raises
    ------
    ValueError
        If the lengths differ or a value is not finite.
    """
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"pairs of shapes {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("a rank correlation needs finite values")
    n = len(a)
    if n < 3:
        return RankCorrelation(None, n, None, None, None, False, f"{n} pairs are too few")
    if np.ptp(a) == 0.0 or np.ptp(b) == 0.0:
        return RankCorrelation(None, n, None, None, None, False, "all values of one side are equal")
    p, q = ranks(a), ranks(b)
    covariance = n * int(p @ q) - int(p.sum()) * int(q.sum())
    norms = [n * int(r @ r) - int(r.sum()) ** 2 for r in (p, q)]
    value = covariance / math.sqrt(norms[0] * norms[1])
    chance, exact = permutation_p(p, q, seed=seed) if p_value else (None, False)
    if n < FEWEST_PAIRS:
        reason = f"undecided: {n} pairs, an interval needs {FEWEST_PAIRS}"
        return RankCorrelation(value, n, None, None, chance, exact, reason)
    if abs(value) >= 1.0 - 1e-12:
        reason = "undecided: the order agrees fully, which Fisher's interval cannot describe"
        return RankCorrelation(value, n, None, None, chance, exact, reason)
    low, high = bonett_wright_interval(value, n, level)
    return RankCorrelation(value, n, low, high, chance, exact)
