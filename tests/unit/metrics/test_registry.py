"""One registry: what joins it, what it refuses, and what becomes of a value."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_mlff.errors import MlffError
from pytest_mlff.metrics.measurement import Measurement
from pytest_mlff.metrics.registry import (
    Metric,
    add_metrics,
    is_law,
    metric_named,
    metrics,
)


def _metric(name: str = "cosine", **more: object) -> Metric:
    return Metric(name, "1", "a title", lambda _: Measurement(0.5, "1", 1, 1), **more)


@pytest.fixture(autouse=True)
def _forget():
    yield
    add_metrics(())


def test_a_run_adds_and_the_next_run_forgets() -> None:
    add_metrics([_metric()])
    assert metric_named("cosine").measured(None).value == 0.5
    assert not is_law("cosine")
    assert not is_law("gone_in_this_version")
    add_metrics([_metric("sine")])
    assert "cosine" not in metrics()
    with pytest.raises(MlffError, match=r"unknown metric 'cosine'.*sine"):
        metric_named("cosine")


@pytest.mark.parametrize(
    "added, message",
    [
        ([_metric("force_mae")], "the metric force_mae exists already"),
        ([_metric("rotation")], "the metric rotation exists already"),
        ([_metric(), _metric()], "the metric cosine exists already"),
        (["force_mae"], "gives str, not a pytest_mlff.metrics.Metric"),
    ],
)
def test_what_is_refused(added: list[object], message: str) -> None:
    with pytest.raises(MlffError, match=message):
        add_metrics(added)


def test_an_id_is_a_plain_word() -> None:
    with pytest.raises(MlffError, match="small letters"):
        _metric("Force MAE")


def test_a_value_in_another_unit_is_refused() -> None:
    wrong = Metric("m", "meV", "t", lambda _: Measurement(1.0, "eV", 1, 1))
    with pytest.raises(MlffError, match="metric m is in meV, but measured eV"):
        wrong.measured(None)


def test_needs_say_what_a_case_is() -> None:
    kinds = {one.id: one for one in metrics().values()}
    assert kinds["force_mae"].comparable
    assert kinds["rotation"].needs_model
    assert not kinds["rotation"].comparable
    assert not kinds["soap_similarity"].needs_model
    assert all(not one.needs_model for one in metrics("data").values())
    assert all(one.needs_threshold == (one.kind != "metric") for one in metrics().values())


def test_every_implementation_exists() -> None:
    from pytest_mlff.entry_points import named_object
    from pytest_mlff.laws.registry import laws

    for one in metrics().values():
        assert callable(named_object(one.measure) if isinstance(one.measure, str) else one.measure)
        if one.kind == "data":
            assert callable(one.resolved())
    for name, law in laws().items():
        assert law.id == name


@pytest.mark.parametrize(
    "found, message",
    [
        (None, "a NoneType"),
        (0.5, "a float"),
        (Measurement("0.5", "1", 1, 1), "a value of type"),
        (Measurement(True, "1", 1, 1), "a value of type"),
        (Measurement(0.5 + 0j, "1", 1, 1), "a value of type"),
        (Measurement(np.array([0.5]), "1", 1, 1), "a value of type"),
    ],
)
def test_a_measurement_is_one_real_number(found: object, message: str) -> None:
    with pytest.raises(MlffError, match=f"metric cosine measured {message}.*one real number"):
        Metric("cosine", "1", "a title", lambda _: found).measured(None)
    number = Measurement(np.float32(0.5), "1", 1, 1)
    assert Metric("cosine", "1", "a title", lambda _: number).measured(None) is number
