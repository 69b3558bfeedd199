"""Flipped bits in a real store change no number and end in no traceback.

Many more points are the business of ``tests/benchmarks/store_flips.py``.
"""

from __future__ import annotations

import random
import shutil
import sys
from typing import TYPE_CHECKING

import pytest
from support.faults import Scene
from support.flips import Bench, flip, problems

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    before = list(sys.path), set(sys.modules)
    yield Bench(Scene(tmp_path_factory.mktemp("flips")))
    sys.path[:] = before[0]
    for name in {"spring"} & (set(sys.modules) - before[1]):
        del sys.modules[name]


def _names(bench: Bench, pattern: str) -> list[Path]:
    return [one for one in bench.files() if one.match(pattern)]


def test_undisturbed_everything_comes_from_the_store(bench: Bench) -> None:
    bench.restore()
    assert problems(bench, []) == ([], 0)


@pytest.mark.parametrize(
    "pattern", ["predictions/*/*.npz", "trainings/*/*.json", "*/model.spring", "integrity/*/*.json"]
)
def test_each_kind_of_file(bench: Bench, pattern: str) -> None:
    bench.restore()
    name = _names(bench, pattern)[0]
    flip(bench.scene.store / name, random.Random(pattern))
    assert problems(bench, [name]) == ([], 1)
    assert problems(bench, []) == ([], 0)  # it was repaired


def test_random_files(bench: Bench) -> None:
    for number in range(8):
        draw = random.Random(number)
        bench.restore()
        chosen = draw.sample(bench.files(), 3)
        for one in chosen:
            flip(bench.scene.store / one, draw)
        assert problems(bench, chosen)[0] == []


def _swap(bench: Bench) -> list[Path]:
    """The pass of one model in the place of another's: same frames, same shapes."""
    bench.restore()
    first, second, *_ = _names(bench, "predictions/*/*.npz")
    shutil.copyfile(bench.whole / second, bench.scene.store / first)
    return [first]


def test_a_swapped_pass_is_computed_again(bench: Bench) -> None:
    assert problems(bench, _swap(bench)) == ([], 1)


def test_the_bench_sees_a_wrong_number(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    # The mutant: a store that checks neither key nor checksum, and no model is asked.
    def unchecked(_kind: str, _key: object, suffix: str, written: bytes) -> bytes:
        content = written.partition(b"\n")[2]
        return content[len('"value": ') : -2] if suffix == ".json" else content

    monkeypatch.setattr("pytest_mlff.store.unpack", unchecked)
    monkeypatch.setattr("pytest_mlff.run.predictions.disagreement", lambda *_: None)
    found, _ = problems(bench, _swap(bench))
    assert any(line.startswith("wrong: ") for line in found)
