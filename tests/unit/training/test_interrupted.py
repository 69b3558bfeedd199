"""A training that was told to end is no finished one, and costs no checkpoint."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlff.errors import MlffError
from pytest_mlff.training import child
from pytest_mlff.training.child import INTERRUPTED
from pytest_mlff.training.trainers.nequip import NequipTrainer

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("left", [None, 0, 3])
def test_an_early_end_never_looks_like_success(
    monkeypatch: pytest.MonkeyPatch, left: int | None
) -> None:
    def leave(*_: object, **__: object) -> None:
        raise SystemExit(left)  # as Lightning does on SIGTERM, with None

    monkeypatch.setattr(runpy, "run_module", leave)
    with pytest.raises(SystemExit) as ended:
        child.main([str(os.getppid()), "-cn", "train"])
    assert ended.value.code == (left or INTERRUPTED)


def test_one_that_comes_to_its_end_does(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []
    monkeypatch.setattr(runpy, "run_module", lambda name, **_: ran.append(name))
    child.main([str(os.getppid())])
    assert ran == ["nequip.scripts.train"]


@pytest.mark.parametrize(
    "codes, kept, words",
    [
        ([INTERRUPTED], True, "told to end before it was through"),
        ([-signal.SIGKILL], True, "ended with code -9"),
        ([1, 1], False, "ended with code 1: no such key"),
        ([1, INTERRUPTED], False, "told to end"),
    ],
)
def test_a_resumed_training_gives_up_its_checkpoint_only_for_a_failure(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    codes: list[int],
    kept: bool,
    words: str,
) -> None:
    """Mutant: to take every end for a checkpoint that cannot be read, and begin again."""
    left = list(codes)

    def run(command: list[str], **how: Any) -> SimpleNamespace:
        how["stdout"].write(b"no such key\n")
        return SimpleNamespace(returncode=left.pop(0))

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr("pytest_mlff.training.trainers.nequip.fill", lambda *_: {})
    (tmp_path / "last.ckpt").touch()
    fixture: Any = SimpleNamespace(variant="v", threads=1)
    with pytest.raises(MlffError, match=words):
        NequipTrainer(None, {}).fit(fixture, {}, tmp_path)
    assert left == []
    assert (tmp_path / "last.ckpt").exists() is kept
