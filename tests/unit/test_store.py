"""The store: whole entries or none, also when files are damaged or processes race."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_mlff.products import ARRAYS, JSON, Entry, Product, find, keep, once
from pytest_mlff.store import Store, StoreWarning, can_write, digest_of, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

KEY = {"model": "abc", "frames": 3}
BATCH = Entry("batch", KEY, JSON)
PASS = Entry("predictions", KEY, ARRAYS)


def test_json_comes_back(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert find(store, BATCH) is None
    assert keep(store, BATCH, {"size": 64})
    assert find(store, BATCH) == {"size": 64}
    assert find(store, Entry("batch", {**KEY, "frames": 4}, JSON)) is None
    assert (tmp_path / ".gitignore").read_text() == "*\n"


def test_the_order_of_keys_does_not_matter() -> None:
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    assert digest_of({"a": 1, "b": 2}) != digest_of({"a": 2, "b": 1})


def test_arrays_come_back_to_the_bit(tmp_path: Path) -> None:
    store = Store(tmp_path)
    arrays = {"energy": np.random.default_rng(0).normal(size=7), "empty": np.zeros((0, 3))}
    keep(store, PASS, arrays)
    found = find(store, PASS)
    assert found is not None
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.json"
    write_atomically(path, b"old")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["report.json"]


def test_a_store_that_cannot_be_written_gives_one_warning(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file")
    made: list[int] = []
    product = Product("batch", KEY, JSON, make=lambda: made.append(1) or {"size": 1})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert once(store, product) == once(store, product) == {"size": 1}
        assert not keep(store, PASS, {"energy": np.zeros(1)})
    assert len(made) == 2
    (warning,) = caught
    assert warning.category is StoreWarning
    assert "--mlff-store" in str(warning.message)
    assert not can_write(tmp_path / "file")
    assert can_write(tmp_path / "new")


@pytest.mark.filterwarnings("error")
def test_warnings_as_errors_do_not_cost_the_measurement(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert not keep(Store(tmp_path / "file"), BATCH, {"size": 1})
    assert "cannot be written" in capsys.readouterr().err


COUNT_UP = """
import sys
from pathlib import Path
from pytest_mlff.products import JSON, Entry, find, keep
from pytest_mlff.store import Store
store, entry = Store(Path(sys.argv[1])), Entry("counter", {"model": "abc"}, JSON)
for _ in range(25):
    with store.lock(entry.kind, entry.key):
        value = (find(store, entry) or {"n": 0})["n"]
        keep(store, entry, {"n": value + 1})
"""


def test_the_lock_keeps_processes_apart(tmp_path: Path) -> None:
    command = [sys.executable, "-c", COUNT_UP, str(tmp_path)]
    workers = [subprocess.Popen(command) for _ in range(3)]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    assert find(Store(tmp_path), Entry("counter", {"model": "abc"}, JSON)) == {"n": 75}


def test_a_device_or_pipe_is_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        with pytest.raises(OSError, match="no regular file"):
            write_atomically(tmp_path / name, b"x")
    assert (tmp_path / "pipe").is_fifo()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["link", "pipe"]
