"""The interval of a value of a simulation: Student's, around the value, on its side of zero."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from pytest_mlff.errors import NotSupportedError
from pytest_mlff.metrics.pictures import Shown
from pytest_mlff.metrics.registry import metric_named
from pytest_mlff.metrics.simulated import measured

if TYPE_CHECKING:
    from pytest_mlff.metrics.measurement import Measurement

RUN = SimpleNamespace(
    evidence={}, trajectory=SimpleNamespace(alive=np.ones((3, 2), bool), numbers=np.ones(9))
)


def of(value: float, values: np.ndarray) -> Measurement:
    return measured(metric_named("diffusivity"), RUN, value, values, Shown())  # type: ignore[arg-type]


@pytest.mark.parametrize("mean", [5.0, -5.0])
def test_it_is_students(mean: float) -> None:
    values = np.random.default_rng(0).normal(mean, 1.0, 8)
    found = of(float(values.mean()), values)
    expected = stats.t.interval(0.95, 7, values.mean(), stats.sem(values))
    assert (found.ci_low, found.ci_high) == pytest.approx(expected)
    assert (found.n_frames, found.n_atoms) == (6, 54)


def test_it_holds_the_value_and_does_not_cross_zero_from_above() -> None:
    values = np.array([0.1, 0.9, 0.2])
    assert of(float(values.mean()), values).ci_low == 0.0
    assert of(40.0, values).ci_high == 40.0
    assert of(-40.0, values).ci_low == -40.0
    two = of(0.5, values[:2])
    assert two.ci_high == pytest.approx(0.5 + stats.t(1).ppf(0.975) * 0.4)
    with pytest.raises(NotSupportedError, match="two starts"):
        of(0.1, values[:1])
