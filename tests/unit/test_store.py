"""The store: whole entries or none, also when files are damaged or processes race."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_mlff.errors import MlffError
from pytest_mlff.store import Store, can_write, digest_of, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

KEY = {"model": "abc", "frames": 3}


def test_json_comes_back(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.get_json("batch", KEY) is None
    store.put_json("batch", KEY, {"size": 64})
    assert store.get_json("batch", KEY) == {"size": 64}
    assert store.get_json("batch", {**KEY, "frames": 4}) is None
    assert (tmp_path / ".gitignore").read_text() == "*\n"


def test_the_order_of_keys_does_not_matter() -> None:
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    assert digest_of({"a": 1, "b": 2}) != digest_of({"a": 2, "b": 1})


def test_arrays_come_back_to_the_bit(tmp_path: Path) -> None:
    store = Store(tmp_path)
    arrays = {"energy": np.random.default_rng(0).normal(size=7), "empty": np.zeros((0, 3))}
    store.put_arrays("predictions", KEY, arrays)
    found = store.get_arrays("predictions", KEY)
    assert found is not None
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "emptied"])
def test_a_damaged_entry_counts_as_absent(tmp_path: Path, damage: str) -> None:
    store = Store(tmp_path)
    store.put_arrays("predictions", KEY, {"energy": np.arange(5.0)})
    path = store.path("predictions", KEY, ".npz")
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        content = content[:-10]
    elif damage == "emptied":
        content = bytearray()
    else:
        content[-20] ^= 1
    path.write_bytes(bytes(content))
    assert store.get_arrays("predictions", KEY) is None


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


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file")
    with pytest.raises(MlffError, match="--mlff-store"):
        store.put_json("batch", KEY, {"size": 1})
    assert not can_write(tmp_path / "file")
    assert can_write(tmp_path / "new")


COUNT_UP = """
import sys
from pathlib import Path
from pytest_mlff.store import Store
store, key = Store(Path(sys.argv[1])), {"model": "abc"}
for _ in range(25):
    with store.lock("counter", key):
        value = (store.get_json("counter", key) or {"n": 0})["n"]
        store.put_json("counter", key, {"n": value + 1})
"""


def test_the_lock_keeps_processes_apart(tmp_path: Path) -> None:
    command = [sys.executable, "-c", COUNT_UP, str(tmp_path)]
    workers = [subprocess.Popen(command) for _ in range(3)]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    assert Store(tmp_path).get_json("counter", {"model": "abc"}) == {"n": 75}
