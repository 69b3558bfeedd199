"""Ratio of errors outside and inside: closed form, interval, and the mutants it catches."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_mlff.errors import NotSupportedError
from pytest_mlff.metrics.measurement import Measurement, measurement_of
from pytest_mlff.metrics.ood import ratio_of
from pytest_mlff.statistics.evidence import Replicates


def errors(values: np.ndarray) -> Measurement:
    """Mean of independent errors."""
    n = len(values)
    return measurement_of(Replicates(values, np.ones(n), np.arange(n)), "meV/Å", n)


def test_closed_form() -> None:
    """Means 6 and 2; standard errors by hand; Welch's degrees of freedom; Student from a table."""
    outside, inside = np.array([4.0, 8, 4, 8, 6, 6]), np.array([1.0, 3, 1, 3, 2, 2])
    found = ratio_of(errors(outside), errors(inside))
    assert found.value == pytest.approx(3.0)
    s_out, s_in = math.sqrt(16 / 5 / 6), math.sqrt(4 / 5 / 6)
    a, b = (s_out / 6) ** 2, (s_in / 2) ** 2
    dof = (a + b) ** 2 / (a**2 / 5 + b**2 / 5)
    assert found.evidence["dof"] == pytest.approx(dof)
    assert 8.0 < dof < 9.0
    # Student's t at 0.975: 2.3060 for 8 and 2.2622 for 9 degrees of freedom.
    half = math.log(found.ci_high / found.value) / math.sqrt(a + b)
    assert 2.2622 < half < 2.3060
    assert found.ci_low == pytest.approx(found.value**2 / found.ci_high)
    # Mutants: the ratio upside down, and an interval of the outer error alone.
    assert ratio_of(errors(inside), errors(outside)).value == pytest.approx(1 / 3)
    assert math.sqrt(a + b) > 1.3 * math.sqrt(a)


def test_interval_covers() -> None:
    """95 of 100 intervals hold the true ratio; without the inner error's noise far fewer do."""
    rng = np.random.default_rng(7)
    hits = narrow = 0
    for _ in range(400):
        outside, inside = errors(rng.gamma(9, 5, 40)), errors(rng.gamma(4, 5, 12))
        found = ratio_of(outside, inside)
        hits += found.ci_low < 9 / 4 < found.ci_high
        outer = float(outside.evidence["standard_error"]) / outside.value
        narrow += abs(math.log(found.value / (9 / 4))) < 2.02 * outer
    assert 0.92 < hits / 400 < 0.98
    assert narrow / 400 < 0.7, "the mutant would pass"


def test_what_says_nothing() -> None:
    none = errors(np.zeros(6))
    with pytest.raises(NotSupportedError, match="in distribution is 0"):
        ratio_of(errors(np.ones(6)), none)
    few = ratio_of(errors(np.array([1.0, 2.0])), errors(np.array([1.0, 2.0, 3.0])))
    assert few.ci_low is None
    assert "undecided" in few.evidence
    broken = Measurement(math.nan, "meV/Å", 3, 9, evidence={"nonfinite_frames": 1})
    found = ratio_of(broken, errors(np.ones(6)))
    assert math.isnan(found.value)
    assert found.nonfinite_frames == 1
