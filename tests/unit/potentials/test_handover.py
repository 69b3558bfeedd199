"""A model's process that one process starts and another takes over."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.potentials.failures import ModelFailure
from pytest_mlff.potentials.process import Limits, ProcessPotential, offer_potential, open_potential

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL = """
import os
from ase.calculators.calculator import Calculator, all_changes

class Springs(Calculator):
    implemented_properties = ["energy", "forces"]

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        if 2 in atoms.numbers:
            os._exit(3)
        if 3 in atoms.numbers:
            os.kill(os.getpid(), 9)
        if 7 in atoms.numbers:
            held = bytearray(2**31)
        away = atoms.positions - atoms.positions.mean(axis=0)
        self.results = {"energy": float((away**2).sum()), "forces": -2 * away}

def make(dtype=None):
    print("some words", flush=True)
    return Springs()

def other(): return Springs()
def waits(): import time; time.sleep(1000)
"""
ONE = """
import sys, time
from pytest_mlff.potentials.process import offer_potential, open_potential
"""


def frame(number: int = 1) -> Frames:
    return Frames.of_one_molecule(np.array([number]), np.zeros((1, 1, 3)))


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def children() -> set[int]:
    """Processes of models that this one has started."""
    found = Path("/proc/self/task").glob("*/children")
    return {int(pid) for one in found for pid in one.read_text().split() if lives(int(pid))}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository with a model."""
    (tmp_path / "models.py").write_text(MODEL)
    return tmp_path


def taken(folder: Path, limits: Limits | None = None) -> tuple[ProcessPotential, int]:
    """A potential whose process was offered, and the process that was."""
    before = children()
    offer = offer_potential("models.py:make", cwd=folder, limits=limits)
    assert offer is not None
    (pid,) = children() - before
    potential = open_potential("models.py:make", cwd=folder, limits=limits, offered=offer.address)
    assert isinstance(potential, ProcessPotential)
    assert not Path(offer.address).parent.exists()
    return potential, pid


def test_who_asks_for_the_same_has_it(folder: Path) -> None:
    potential, pid = taken(folder)
    assert potential.pid == pid
    assert potential.predict(frame()).energy == [0.0]
    assert potential.info.digest == open_potential("models.py:make", cwd=folder).info.digest
    potential.close()
    assert not lives(pid)


@pytest.mark.parametrize(
    "number, ending", [(2, "exit code 3; its last lines: some words"), (3, "ended by SIGKILL")]
)
def test_it_is_known_how_it_ends_and_another_is_started(
    folder: Path, number: int, ending: str
) -> None:
    potential, pid = taken(folder)
    with pytest.raises(ModelFailure, match=ending):
        potential.predict(frame(number))
    assert potential.predict(frame()).energy == [0.0]
    assert potential.pid != pid


def test_its_memory_is_limited(folder: Path) -> None:
    potential, pid = taken(folder, Limits(memory=2**30))
    with pytest.raises(Exception, match="MemoryError"):
        potential.predict(frame(7))
    assert potential.pid == pid


def test_loading_is_limited_in_time(folder: Path) -> None:
    limits = Limits(timeout=0.5)
    offer = offer_potential("models.py:waits", cwd=folder, limits=limits)
    assert offer is not None
    with pytest.raises(ModelFailure, match=r"no word from the model for 0.5 s"):
        open_potential("models.py:waits", cwd=folder, limits=limits, offered=offer.address)


@pytest.mark.parametrize("changed", ["source", "dtype", "variable", "path", "memory"])
def test_who_asks_for_another_has_its_own(
    folder: Path, changed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = children()
    offer = offer_potential("models.py:make", cwd=folder)
    assert offer is not None
    (pid,) = children() - before
    source = "models.py:other" if changed == "source" else "models.py:make"
    limits = Limits(memory=2**33) if changed == "memory" else None
    if changed == "variable":
        monkeypatch.setenv("SCALE", "2")
    if changed == "path":
        monkeypatch.syspath_prepend(folder / "elsewhere")
    dtype = "float32" if changed == "dtype" else None
    potential = open_potential(
        source, cwd=folder, dtype=dtype, limits=limits, offered=offer.address
    )
    assert isinstance(potential, ProcessPotential)
    assert potential.pid != pid
    assert potential.predict(frame()).energy == [0.0]
    wait_for(lambda: not lives(pid))


def test_one_alone_has_it(folder: Path) -> None:
    before = children()
    offer = offer_potential("models.py:make", cwd=folder)
    assert offer is not None
    (offered,) = children() - before
    both = [open_potential("models.py:make", cwd=folder, offered=offer.address) for _ in range(2)]
    assert [one.pid == offered for one in both] == [True, False]  # type: ignore[attr-defined]


def test_what_nobody_takes_ends(folder: Path) -> None:
    before = children()
    offer = offer_potential("models.py:waits", cwd=folder)
    assert offer is not None
    (pid,) = children() - before
    offer.close()
    wait_for(lambda: not lives(pid))
    wait_for(lambda: not Path(offer.address).parent.exists())


def test_it_ends_with_one_who_takes_it_and_says_no_more(folder: Path) -> None:
    before = children()
    offer = offer_potential("models.py:waits", cwd=folder)
    assert offer is not None
    (pid,) = children() - before
    with socket.socket(socket.AF_UNIX) as taker:
        taker.connect(offer.address)
    wait_for(lambda: not lives(pid))


@pytest.mark.parametrize("dead", ["who offers", "who takes"])
def test_it_dies_with_either_side(folder: Path, dead: str) -> None:
    def begin(code: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", ONE + code], cwd=folder, stdout=subprocess.PIPE, text=True
        )

    def word(of: subprocess.Popen[str]) -> str:
        assert of.stdout is not None
        return of.stdout.readline().strip()

    offering = begin(
        "offer = offer_potential('models.py:make')\nprint(offer.address, flush=True)\n"
        "time.sleep(1000)"
    )
    taking = begin(
        f"model = open_potential('models.py:make', offered={word(offering)!r})\n"
        "print(model.pid, flush=True)\ntime.sleep(1000)"
    )
    pid = int(word(taking))
    parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
    assert int(parent) == offering.pid
    try:
        (offering if dead == "who offers" else taking).kill()
        wait_for(lambda: not lives(pid))
    finally:
        for one in (offering, taking):
            one.kill()
            one.communicate()
