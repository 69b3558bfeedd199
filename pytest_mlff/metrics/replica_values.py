"""From replicas to one number of each independent start."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.errors import NotSupportedError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def per_start(values: NDArray[np.float64], start_of: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean over the replicas of each start, shape (n_starts,).

    Replicas that share a start are no independent evidence, so they count once together.
    """
    return np.array([values[start_of == one].mean() for one in np.unique(start_of)])


def pseudo_values(
    measure: Callable[[NDArray[np.bool_]], float], start_of: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Jackknife pseudo-values of a number that is taken of all replicas together.

    n θ − (n − 1) θ₋ᵢ, with θ the number of all replicas and θ₋ᵢ without those of start i. They
    behave like independent measurements: their mean is the number less its bias of order 1/n,
    their spread gives its standard error (Tukey, Ann. Math. Stat. 1958, 29, 614).

    Parameters
    ----------
    measure : callable
        From a mask of replicas, shape (n_replicas,), to the number.
    start_of : ndarray of int64, shape (n_replicas,)
        Start of each replica.

    Returns
    -------
    ndarray, shape (n_starts,)

    Raises
    ------
    NotSupportedError
        With one start, from which no spread can be told.
    """
    starts = np.unique(start_of)
    if len(starts) < 2:
        raise NotSupportedError("one start cannot tell how much independent starts differ")
    whole = measure(np.ones(len(start_of), dtype=bool))
    without = np.array([measure(start_of != one) for one in starts])
    return np.asarray(len(starts) * whole - (len(starts) - 1) * without)
