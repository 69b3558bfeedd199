"""How far two distributions of distances are apart: g(r) as in EGraFFBench, h(r) as in MDsim."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def wright_factor(g: ArrayLike, g_ref: ArrayLike) -> float:
    """Relative squared deviation of a radial distribution function from its reference.

    WF = Σ_r (g − g_ref)² / Σ_r g_ref², without a square root.

    Parameters
    ----------
    g, g_ref : array_like, shape (n_bins,)
        Radial distribution functions on the same bins.

    Returns
    -------
    float
        In %; 0 for equal curves, 100 for a ``g`` of zeros.

    Raises
    ------
    MlffError
        If the curves differ in shape, are empty, not finite or negative, or the reference
        is zero everywhere.

    References
    ----------
    Wright, J. Non-Cryst. Solids 1993, 159, 264; Bihani et al., EGraFFBench, Digital Discovery
    2024, 3, 759.
    """
    curve, reference = _curves(g, g_ref)
    return float(100.0 * ((curve - reference) ** 2).sum() / (reference**2).sum())


def rdf_jsd(g: ArrayLike, g_ref: ArrayLike) -> float:
    """Jensen-Shannon divergence of two radial distribution functions, each taken as weights.

    ½ KL(p‖m) + ½ KL(q‖m) with p, q the curves normalised to sum 1, m their mean, and
    logarithms to base 2: from 0 (equal shapes) to 1 (no common bin).

    Parameters
    ----------
    g, g_ref : array_like, shape (n_bins,)
        Radial distribution functions on the same bins.

    Raises
    ------
    MlffError
        If the curves differ in shape, are empty, not finite or negative, or one is zero
        everywhere.

    References
    ----------
    Lin, IEEE Trans. Inf. Theory 1991, 37, 145; Bihani et al., EGraFFBench, Digital Discovery
    2024, 3, 759 (which leaves base and normalisation open).
    """
    curve, reference = _curves(g, g_ref)
    if not curve.any():
        raise MlffError("a radial distribution function is zero everywhere: it has no shape")
    p, q = curve / curve.sum(), reference / reference.sum()
    middle = (p + q) / 2.0
    # Rounding can leave equal curves a hair below zero.
    return max(0.0, (_kl(p, middle) + _kl(q, middle)) / 2.0)


def distance_distribution_mae(h: ArrayLike, h_ref: ArrayLike, r_max: float) -> float:
    """Absolute difference of two distributions of distances, integrated over distance.

    mean_r |h − h_ref| · r_max: from 0 (equal) to 2 (no common distance).

    Parameters
    ----------
    h, h_ref : array_like, shape (n_bins,)
        Densities of a pair's distance in 1/Å, on the same even bins from 0 to ``r_max``.
    r_max : float
        Å.

    Raises
    ------
    MlffError
        If the curves differ in shape, are empty, not finite or negative, the reference is zero
        everywhere, or ``r_max`` is not above 0.

    References
    ----------
    Fu et al., Forces are not enough, arXiv 2210.07237.
    """
    curve, reference = _curves(h, h_ref)
    if not (np.isfinite(r_max) and r_max > 0.0):
        raise MlffError(f"r_max is {r_max}, must be above 0")
    return float(np.abs(curve - reference).mean() * r_max)


def _kl(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    some = p > 0.0
    return float((p[some] * np.log2(p[some] / q[some])).sum())


def _curves(g: ArrayLike, g_ref: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    curve, reference = np.asarray(g, dtype=np.float64), np.asarray(g_ref, dtype=np.float64)
    if curve.shape != reference.shape or curve.ndim != 1 or curve.size == 0:
        raise MlffError(
            "two distributions of distances need the same bins, one axis each: "
            f"their shapes are {curve.shape} and {reference.shape}"
        )
    for name, values in (("g", curve), ("g_ref", reference)):
        bad = ~np.isfinite(values) | (values < 0.0)
        if bad.any():
            first = int(np.argmax(bad))
            raise MlffError(
                f"{name} is {values[first]} in bin {first}: a distribution of distances is "
                "finite and not negative"
            )
    if not reference.any():
        raise MlffError("the reference distribution of distances is zero everywhere")
    return curve, reference
