"""Durations remembered from run to run, and the order they give."""

from __future__ import annotations

import json
import statistics
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlff.products import JSON, Entry, keep
from pytest_mlff.run.needs import ProductName
from pytest_mlff.scheduling.xdist.distribution import Stopwatch
from pytest_mlff.scheduling.xdist.durations import Durations, read_durations, remember
from pytest_mlff.scheduling.xdist.groups import Group
from pytest_mlff.store import Store

if TYPE_CHECKING:
    from pathlib import Path


def group(kind: str, text: str, items: int = 1) -> Group:
    return Group(ProductName(kind, text), tuple(range(items)))


def texts(groups: list[Group]) -> list[str]:
    return [one.name.text for one in groups]


KNOWN = Durations({"law: a": 2.0, "law: b": 4.0, "law: c": 90.0, "training: t": 3600.0,
                   "own: f": 0.5})  # fmt: skip


def test_longest_first() -> None:
    order = [group("law", "a"), group("law", "c"), group("training", "t"), group("law", "b")]
    assert texts(KNOWN.in_order(order)) == ["t", "c", "b", "a"]


def test_an_unknown_group_goes_before_the_known_of_its_kind() -> None:
    order = [group("law", "a"), group("law", "c"), group("law", "new"), group("training", "t")]
    assert texts(KNOWN.in_order(order)) == ["t", "new", "c", "a"]


def test_an_unknown_group_is_estimated_by_the_median_of_its_kind() -> None:
    assert KNOWN.estimate(group("law", "new")) == statistics.median([2.0, 4.0, 90.0])


def test_own_tests_count_by_item() -> None:
    assert KNOWN.estimate(group("own", "f", 6)) == 3.0
    order = [group("law", "a"), group("own", "f", 6), group("law", "b")]
    assert texts(KNOWN.in_order(order)) == ["b", "f", "a"]


def test_with_nothing_known_trainings_come_first_and_own_tests_last() -> None:
    order = [group(kind, kind) for kind in ("own", "data", "law", "training", "pass")]
    assert texts(Durations().in_order(order)) == ["training", "law", "pass", "data", "own"]


def test_ties_keep_the_order_of_collection() -> None:
    order = [group("law", text) for text in "zxy"]
    assert texts(Durations().in_order(order)) == ["z", "x", "y"]


def test_growth_is_believed_at_once_and_shrinking_slowly() -> None:
    name = ProductName("pass", "a")
    seconds = Durations({"pass: a": 10.0})
    assert seconds.updated({name: 20.0}).seconds == {"pass: a": pytest.approx(17.0)}
    assert seconds.updated({name: 0.0}).seconds == {"pass: a": pytest.approx(8.0)}
    for _ in range(60):
        seconds = seconds.updated({name: 1.0})
    assert seconds.seconds["pass: a"] == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_nonsense_is_not_remembered(value: float) -> None:
    assert KNOWN.updated({ProductName("law", "a"): value}).seconds == KNOWN.seconds


def test_the_store_remembers(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    assert read_durations(store) == Durations()
    assert remember(store, {ProductName("law", "a"): 2.0, ProductName("law", "b"): 3.0})
    assert remember(store, {ProductName("law", "a"): 2.0, ProductName("pass", "c"): 5.0})
    assert read_durations(store).seconds == {"law: b": 3.0, "law: a": 2.0, "pass: c": 5.0}


def test_what_was_not_seen_for_longest_is_forgotten_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_mlff.scheduling.xdist.durations._MOST", 2)
    store = Store(tmp_path / "store")
    for text in ("a", "b", "a", "c"):
        remember(store, {ProductName("law", text): 1.0})
    assert set(read_durations(store).seconds) == {"law: a", "law: c"}


@pytest.mark.parametrize(
    "value",
    [{}, {"seconds": 3}, {"seconds": [["law: a", "x"], ["law: a"], [1, 2], ["law: a", -1]]}],
)
def test_a_senseless_entry_counts_as_absent(tmp_path: Path, value: dict[str, object]) -> None:
    store = Store(tmp_path / "store")
    keep(store, Entry("durations", {"format": 1}, JSON), value)
    assert read_durations(store) == Durations()


def test_a_damaged_entry_counts_as_absent(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    remember(store, {ProductName("law", "a"): 2.0})
    (path,) = store.root.glob("durations/*/*.json")
    assert json.loads(path.read_text(encoding="utf-8"))
    path.write_text(path.read_text(encoding="utf-8")[:40], encoding="utf-8")
    assert read_durations(store) == Durations()


def test_a_store_that_cannot_be_written_fails_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert not remember(Store(tmp_path / "file"), {ProductName("law", "a"): 2.0})


def test_the_stopwatch_forgets_a_try_that_does_not_count() -> None:
    watch = Stopwatch()

    def phase(when: Any, outcome: Any, seconds: float) -> pytest.TestReport:
        place = ("a.py", 1, "one")
        return pytest.TestReport("a.py::one", place, {}, outcome, None, when, duration=seconds)

    session: Any = SimpleNamespace(several_models=False, by_nodeid={})
    for report in (
        phase("setup", "passed", 100.0), phase("call", "rerun", 0.0),
        phase("setup", "passed", 1.0), phase("call", "passed", 2.0), phase("teardown", "passed", 4),
    ):  # fmt: skip
        watch.note(report)
    assert watch.by_group(session, ["a.py::one"]) == {ProductName("own", "a.py"): 7.0}
