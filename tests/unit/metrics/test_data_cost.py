"""Gains and saved frames by hand, over variants whose errors are known."""

from __future__ import annotations

from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest

from pytest_mlff.errors import MlffError
from pytest_mlff.metrics import data_cost
from pytest_mlff.metrics.data_cost import equal_error_frames, force_gain, frames_saved

# Accurate data alone: an error of 100 / √n, and a tenth more at seed 1.
ERRORS = {
    ("accurate_only", n, s): 100.0 / np.sqrt(n) * (1.0 + 0.1 * s)
    for n in (25, 100, 400)
    for s in (0, 1)
}
ERRORS |= {("tuned", 25, 0): 10.0, ("tuned", 25, 1): 11.0}
ERRORS |= {("tuned", 100, 0): 1.0, ("tuned", 100, 1): 1.0}


class _Inputs:
    metric = SimpleNamespace(id="force_gain")
    options = MappingProxyType({})
    frames = SimpleNamespace(numbers=[1, 1])

    def __init__(self, **axes) -> None:
        self.axes = axes

    def axis(self, name: str):
        return {"seed": (0, 1), "samples": (25, 100, 400)}[name]

    def across(self, **axes) -> _Inputs:
        return _Inputs(**{**self.axes, **axes})


@pytest.fixture(autouse=True)
def errors(monkeypatch) -> None:
    def error(inputs: _Inputs) -> SimpleNamespace:
        axes = inputs.axes
        return SimpleNamespace(value=ERRORS[axes["method"], axes["samples"], axes["seed"]])

    monkeypatch.setattr(data_cost, "force_mae", error)


def test_each_seed_is_held_against_its_own_baseline() -> None:
    found = force_gain(_Inputs(method="tuned", samples=25, seed=0))
    assert found.value == pytest.approx(50.0)  # 10 for 20, 11 for 22
    assert list(found.series.totals) == pytest.approx([50.0, 50.0])
    assert (found.unit, found.evidence["replicas"]) == ("%", 2)


def test_saved_frames_are_read_off_the_learning_curve() -> None:
    found = frames_saved(_Inputs(method="tuned", samples=25, seed=0))
    assert list(found.series.totals) == pytest.approx([75.0, 75.0])
    beyond = frames_saved(_Inputs(method="tuned", samples=100, seed=0))
    assert beyond.value == pytest.approx(300.0)
    assert beyond.evidence["beyond_the_curve"] == 2


def test_interpolation_is_straight_in_logarithms_and_never_rises() -> None:
    assert equal_error_frames([10, 1000], [10.0, 1.0], 10**0.5) == (pytest.approx(100.0), False)
    assert equal_error_frames([10, 100, 1000], [5.0, 9.0, 1.0], 5.0) == (pytest.approx(10.0), False)
    assert equal_error_frames([10, 100], [5.0, 3.0], 8.0) == (pytest.approx(10.0), False)
    assert equal_error_frames([10, 100], [5.0, 3.0], 2.0) == (100.0, True)


def test_without_methods_there_is_no_baseline() -> None:
    with pytest.raises(MlffError, match="needs an axis 'method'"):
        force_gain(_Inputs(samples=25, seed=0))
