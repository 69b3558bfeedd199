"""Rounding what was rounded changes nothing, so files that are read and written keep still."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.baselines import CASES, record, written

from pytest_mlff.errors import MlffError
from pytest_mlff.gate.baseline import load_baseline, save_baseline
from pytest_mlff.gate.records import Identity, as_stored, pack, unpack
from pytest_mlff.statistics.evidence import FrameSeries, Pooled

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def series(values: NDArray[np.float64], power: int = 1) -> FrameSeries:
    n = len(values)
    weights = np.random.default_rng(1).integers(3, 60, n).astype(float)
    return FrameSeries(values**power * weights, weights, np.arange(n), (n,), power)  # type: ignore[arg-type]


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("kind", ["gamma", "wide", "tiny", "huge", "zero", "edge", "subnormal"])
def test_stored_once_is_stored_for_good(kind: str, power: int) -> None:
    rng = np.random.default_rng(7)
    values = {
        "gamma": rng.gamma(4.0, 10.0, 500),
        "wide": 10.0 ** rng.uniform(-12, 6, 500),
        "tiny": rng.gamma(4.0, 1e-140, 500),
        "huge": rng.gamma(4.0, 1e90, 500),
        "zero": np.zeros(50),
        # The largest rounds up to a power of two, whose scale is another.
        "edge": np.append(rng.uniform(1e-9, 2.0, 499), 2.0 * (1 - 1e-6)),
        "subnormal": rng.gamma(4.0, 1e-310, 500) if power == 1 else rng.gamma(4.0, 1e-160, 500),
    }[kind]
    once = as_stored(series(values, power))
    twice = as_stored(once)
    np.testing.assert_array_equal(once.totals, twice.totals)
    np.testing.assert_array_equal(once.weights, twice.weights)
    first: dict[str, NDArray[np.float16]] = {}
    again: dict[str, NDArray[np.float16]] = {}
    one = record(CASES[0])
    entry = pack(one, first)
    assert pack(unpack(CASES[0], entry, first), again) == entry
    assert first.keys() == again.keys()


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e12, -1e-12, -1e12])
def test_rounding_is_half_a_unit_in_the_eleventh_bit(unit: float) -> None:
    values = unit * 10.0 ** np.random.default_rng(3).uniform(-6, 1, 2000)
    values[0] *= -1.0  # gains have either sign
    back = as_stored(series(values)).per_frame
    assert np.abs(back / values - 1.0).max() <= 2.0**-11


def test_systems_hold_no_systems() -> None:
    arrays: dict[str, NDArray[np.float16]] = {}
    part = series(np.ones(5))
    whole = replace(record(CASES[0]), series=Pooled((part, part)))
    entry = pack(whole, arrays)
    assert unpack(CASES[0], entry, arrays).series.value == 1.0
    for systems in ([], [entry["series"], entry["series"]["systems"][0]]):
        wrong = {**entry, "series": {"systems": systems}}
        with pytest.raises(MlffError, match="its systems are none"):
            unpack(CASES[0], wrong, arrays)


def test_reading_and_writing_leaves_every_byte(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    written(path, *(record(name, noise=3.0, seed=5) for name in CASES))
    before = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
    for _ in range(3):
        save_baseline(load_baseline(path))
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == before
    assert json.loads(path.read_text())["cases"].keys() == set(CASES)


@pytest.mark.parametrize("length, shown", [(16, "x" * 16), (17, "x" * 12 + "…")])
def test_what_differs_is_shown_whole_up_to_sixteen_letters(length: int, shown: str) -> None:
    here = Identity("x" * length, "s", "float32", "1")
    other = Identity("other", "s", "float32", "1")
    assert here.difference(other) == f"test data (digest) is {shown} here and other there"
