"""Windows, picks and sets of frames, against brute force."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlff.datasets.splits import cut, pick_frames, seeded_order, window_bounds
from pytest_mlff.errors import MlffError, NotSupportedError
from pytest_mlff.specs import ResolvedSelection, ResolvedSelections

if TYPE_CHECKING:
    from collections.abc import Callable

    Sources = Callable[..., Any]


def Selection(
    molecules: tuple[str, ...],
    start: float = 0,
    end: float = 100,
    pick: Any = "all",
    count: int | None = None,
) -> ResolvedSelection:
    return ResolvedSelection(molecules, start, end, pick, count)


def _cut(source: Any, seed: int = 1, **selections: ResolvedSelection) -> Any:
    resolved = ResolvedSelections(
        selections.get("train"), selections.get("validation"), selections["test"]
    )
    variant = SimpleNamespace(id="v", spec=SimpleNamespace(seed=seed), selections=resolved)
    return cut(variant, source)


@given(st.integers(0, 200_000), st.integers(0, 999), st.integers(1, 1000))
def test_windows_equal_integer_arithmetic(n_frames: int, first: int, width: int) -> None:
    """Percentages with one decimal, given as floats, against integers in tenths."""
    last = min(first + width, 1000)
    start, stop = window_bounds(n_frames, first / 10, last / 10)
    assert start == n_frames * first // 1000
    assert stop == n_frames * last // 1000


def test_windows_where_floats_go_wrong() -> None:
    assert int(1000 * 0.29) == 290 or int(100 * 0.29) == 28  # what a naive product does
    assert window_bounds(100, 0, 29) == (0, 29)
    # 0.1 + 0.2 is a little more than 0.3, 3 * 1.1 a little more than 3.3
    assert window_bounds(1000, 0.1 + 0.2, 3 * 1.1) == (3, 33)
    assert window_bounds(9633, 0, 90) == (0, 8669)
    assert window_bounds(9633, 90, 100) == (8669, 9633)
    third = Fraction(100, 3)
    assert window_bounds(999, 0, float(third)) == (0, 333)


@pytest.mark.parametrize("start, end", [(10, 10), (50, 10), (-1, 5), (0, 101), (float("nan"), 5)])
def test_windows_that_make_no_sense(start: float, end: float) -> None:
    with pytest.raises(MlffError, match="start must lie before end"):
        window_bounds(100, start, end)


def test_seeded_order_is_one_and_the_same_everywhere() -> None:
    expected = seeded_order(50, 7, "aspirin")
    assert sorted(expected.tolist()) == list(range(50))
    # Written down once: another version, platform or process must give the same.
    assert expected[:8].tolist() == [8, 47, 39, 15, 36, 0, 21, 24]
    code = "from pytest_mlff.datasets.splits import seeded_order as s; print(*s(50, 7, 'aspirin'))"
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={"PYTHONHASHSEED": "99", "PYTHONPATH": ":".join(sys.path), "PATH": ""},
    )  # fmt: skip
    assert other.stdout.split() == [str(one) for one in expected]
    assert seeded_order(50, 8, "aspirin").tolist() != expected.tolist()
    assert seeded_order(50, 7, "ethanol").tolist() != expected.tolist()


def test_seeded_order_is_uniform() -> None:
    """Mean and variance of the position of one item over seeds, as of a uniform draw."""
    places = np.array([int(np.argmax(seeded_order(20, seed, "x") == 4)) for seed in range(4000)])
    deviation = np.sqrt((20**2 - 1) / 12)
    assert abs(places.mean() - 9.5) < 4 * deviation / np.sqrt(4000)
    counts = np.bincount(places, minlength=20)
    chi2 = ((counts - 200) ** 2 / 200).sum()
    assert chi2 < 19 + 5 * np.sqrt(2 * 19)


@given(st.integers(1, 300), st.data())
def test_picks(size: int, data: Any) -> None:
    count = data.draw(st.integers(1, size))
    smaller = data.draw(st.integers(1, count))
    order = seeded_order(size, 1, "m")
    first = pick_frames(size, "first", count, order)
    evenly = pick_frames(size, "evenly", count, order)
    random = pick_frames(size, "random", count, order)
    assert first.tolist() == list(range(count))
    assert evenly.tolist() == [k * size // count for k in range(count)]
    gaps = np.diff([*evenly, size])
    assert set(gaps.tolist()) <= {size // count, size // count + 1}
    for picked in (evenly, random):
        assert (np.diff(picked) > 0).all()
        assert len(picked) == count
        assert picked.min() >= 0
        assert picked.max() < size
    nested = pick_frames(size, "random", smaller, order)
    assert set(nested.tolist()) <= set(random.tolist())
    assert pick_frames(size, "all", None, order).tolist() == list(range(size))


@pytest.mark.parametrize(
    "pick, count, message",
    [
        ("first", 11, "asks for 11 frames, its window holds 10"),
        ("random", 0, "at least 1, not 0"),
        ("random", -3, "at least 1, not -3"),
        ("all", 5, "takes no count"),
        ("some", 5, "none of all, first, evenly, random"),
    ],
)
def test_picks_that_cannot_be(pick: str, count: int, message: str) -> None:
    with pytest.raises(MlffError, match=message):
        pick_frames(10, pick, count, np.arange(10))


def test_cut_of_several_molecules(memory_source: Sources) -> None:
    source = memory_source({"aspirin": 100, "ethanol": 50, "uracil": 10})
    sets = _cut(
        source,
        train=Selection(("aspirin", "ethanol"), 0, 90, "random", 20),
        test=Selection(("aspirin", "ethanol"), 90, 100),
    )
    assert len(sets.train) == 40
    assert list(sets.train.indices) == ["aspirin", "ethanol"]
    assert sets.test.indices["ethanol"].tolist() == [45, 46, 47, 48, 49]
    for molecule, limit in (("aspirin", 90), ("ethanol", 45)):
        chosen = sets.train.indices[molecule]
        assert (np.diff(chosen) > 0).all()
        assert chosen.max() < limit
    # x of atom 0 is the frame number: these are the frames that the indices name
    x = sets.train_frames.positions[::2, 0]
    np.testing.assert_array_equal(x, np.concatenate(list(sets.train.indices.values())))
    assert sets.validation is None
    assert len(sets.test_frames) == 15
    with pytest.raises(ValueError, match="read-only"):  # all cases share them
        sets.test_frames.forces[:] = 0.0
    assert sets.test_frames.time_index is None


def test_one_molecule_keeps_its_time(memory_source: Sources) -> None:
    sets = _cut(memory_source({"aspirin": 40}), test=Selection(("aspirin",), 50, 100))
    assert sets.test_frames.time_index.tolist() == [10 * k for k in range(20, 40)]


def test_digests_follow_the_content(memory_source: Sources) -> None:
    source = memory_source({"aspirin": 40})

    def digests(seed: int = 1, count: int = 5) -> dict[str, str]:
        sets = _cut(
            source,
            seed,
            train=Selection(("aspirin",), 0, 50, "random", count),
            test=Selection(("aspirin",), 50, 100),
        )
        return {name: one.digest for name, one in sets.named.items()}

    assert digests() == digests()
    assert set(digests()) == {"train", "test"}
    assert digests(seed=2)["train"] != digests()["train"]
    assert digests(count=6)["train"] != digests()["train"]
    assert digests(seed=2)["test"] == digests()["test"]


def test_too_small_a_window_says_both_numbers(memory_source: Sources) -> None:
    source = memory_source({"aspirin": 9633})
    with pytest.raises(NotSupportedError) as caught:
        _cut(
            source,
            train=Selection(("aspirin",), 0, 90, "random", 15000),
            test=Selection(("aspirin",), 90, 100),
        )
    assert str(caught.value) == (
        "v: train set of aspirin: asks for 15000 frames, its window holds 8669"
    )


def test_an_empty_window_is_unsupported(memory_source: Sources) -> None:
    with pytest.raises(NotSupportedError, match="asks for frames, its window holds 0"):
        _cut(memory_source({"aspirin": 5}), test=Selection(("aspirin",), 0, 10))


@pytest.mark.parametrize(
    "roles",
    [
        {"train": Selection(("m",), 0, 60), "test": Selection(("m",), 50, 100)},
        {
            "validation": Selection(("m",), 90, 100),
            "test": Selection(("m",), 90, 100),
        },
        {
            "train": Selection(("m",), 0, 50, "first", 5),
            "validation": Selection(("m",), 4, 50, "first", 5),
            "test": Selection(("m",), 90, 100),
        },
    ],
)
def test_shared_frames_are_refused(memory_source: Sources, roles: dict[str, Selection]) -> None:
    with pytest.raises(MlffError, match=r"^v: \w+ and \w+ share \d+ frames of m"):
        _cut(memory_source({"m": 100}), **roles)


@given(st.integers(1, 80), st.integers(1, 80))
def test_random_validation_from_the_training_window(
    memory_source: Sources, n_train: int, n_validation: int
) -> None:
    source = memory_source({"m": 100})
    roles = {
        "train": Selection(("m",), 0, 90, "random", n_train),
        "validation": Selection(("m",), 0, 90, "random", n_validation),
        "test": Selection(("m",), 90, 100),
    }
    if n_train + n_validation > 90:
        with pytest.raises(NotSupportedError, match="their window holds 90"):
            _cut(source, **roles)
        return
    sets = _cut(source, **roles)
    assert not set(sets.train.indices["m"]) & set(sets.validation.indices["m"])
    # The same validation frames for every training size.
    smallest = _cut(source, **(roles | {"train": Selection(("m",), 0, 90, "random", 1)}))
    np.testing.assert_array_equal(smallest.validation.indices["m"], sets.validation.indices["m"])


def test_no_time_order_no_time_window(memory_source: Sources) -> None:
    source = memory_source({"m": 100}, time_ordered=False)
    assert len(_cut(source, test=Selection(("m",))).test) == 100
    with pytest.raises(MlffError, match=r"memory m: no known time order, .*90–100 %.*time_ordered"):
        _cut(source, test=Selection(("m",), 90, 100))
