"""Models in processes of their own: same numbers, cheap, told apart by their code."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from socket import socketpair
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.errors import MlffError, NotSupportedError
from pytest_mlff.potentials import evaluate, load_potential
from pytest_mlff.potentials.failures import FrameError, ModelFailure
from pytest_mlff.potentials.host.probes import answers_of_threads, memory_after
from pytest_mlff.potentials.host.wire import Channel
from pytest_mlff.potentials.process import Limits, ProcessPotential, open_potential
from pytest_mlff.potentials.process.client import Waiting
from pytest_mlff.store import Store

if TYPE_CHECKING:
    from pathlib import Path

MODEL = """
import numpy as np
from ase.calculators.calculator import Calculator, all_changes
import helper

class Springs(Calculator):
    implemented_properties = ["energy", "forces", "stress"]

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        if 2 in atoms.numbers:
            raise ValueError("no helium")
        away = atoms.positions - atoms.positions.mean(axis=0)
        self.results = {"energy": helper.K * float((away**2).sum()), "forces": -2 * helper.K * away,
                        "stress": np.arange(6.0)}

def make(): return Springs()

class Choosy:
    def __init__(self):
        from pytest_mlff.potentials import PotentialInfo
        self.info = PotentialInfo("c", "own", "s", None, None, None, "cpu", "float64", {})

    def predict(self, frames):
        from pytest_mlff.errors import NotSupportedError
        raise NotSupportedError("knows no He")

def choosy(): return Choosy()

class Late(Springs):
    def calculate(self, *arguments, **keywords):
        import later
        super().calculate(*arguments, **keywords)
        self.results["energy"] *= later.SCALE

def late(): return Late()

def weighted():
    helper.K = float((helper.HERE / "weights.txt").read_text())
    return Springs()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository with a model, its helper and one that it imports late."""
    (tmp_path / "models.py").write_text(MODEL)
    (tmp_path / "helper.py").write_text(
        "from pathlib import Path\nK = 0.5\nHERE = Path(__file__).parent\n"
    )
    (tmp_path / "later.py").write_text("SCALE = 1.0\n")
    (tmp_path / "weights.txt").write_text("0.5")
    return tmp_path


def frames(count: int = 5) -> Frames:
    rng = np.random.default_rng(0)
    isolated = Frames.of_one_molecule(np.array([6, 1, 1]), rng.normal(size=(count, 3, 3)))
    crystal = Frames(
        np.array([8, 8]), rng.normal(size=(2, 3)), np.array([2]), 5 * np.eye(3)[None],
        np.ones((1, 3), dtype=bool),
    )  # fmt: skip
    return Frames.concatenate([isolated, crystal])


def assert_same(potential: object, other: object) -> None:
    for name in ("energy", "forces", "stress"):
        assert_array_equal(getattr(potential, name), getattr(other, name))


def test_the_same_numbers_as_in_process(folder: Path) -> None:
    apart = open_potential("models.py:make", cwd=folder)
    here = load_potential("models.py:make", cwd=folder)
    assert isinstance(apart, ProcessPotential)
    assert apart.one_by_one
    assert_same(apart.predict(frames()), here.predict(frames()))
    seen: list[tuple[int, int]] = []
    found = evaluate(apart, frames(), progress=lambda done, total: seen.append((done, total)))
    assert_same(found, here.predict(frames()))
    assert evaluate(apart, frames().select([])).energy.shape == (0,)
    sys.modules.pop("helper")


def test_labels_stay_with_the_judge(folder: Path) -> None:
    (folder / "spy.py").write_text(
        "class Spy:\n"
        "    info = None\n"
        "    def predict(self, frames):\n"
        "        raise RuntimeError(f'{frames.energy} {frames.forces} {frames.stress}')\n"
        "def make():\n"
        "    from pytest_mlff.potentials import PotentialInfo\n"
        "    spy = Spy()\n"
        "    spy.info = PotentialInfo('spy', 'own', 's', None, None, None, 'cpu', 'float64', {})\n"
        "    return spy\n"
    )
    labelled = Frames.of_one_molecule(np.array([1]), np.zeros((1, 1, 3)), energy=np.ones(1))
    with pytest.raises(Exception, match=r"^None None None$") as caught:
        open_potential("spy.py:make", cwd=folder).predict(labelled)
    assert type(caught.value).__name__ == "RuntimeError"


def test_threads_and_memory_are_the_models(folder: Path) -> None:
    potential = open_potential("models.py:make", cwd=folder)
    one = frames(1).select([0])
    answers = answers_of_threads(potential, [one, one, one], 2)
    assert [len(some) for some in answers] == [2, 2, 2]
    assert_same(answers[2][1], potential.predict(one))
    resident, device, objects = memory_after(potential, one, 3)
    assert resident > 1e6
    assert device == 0
    assert objects > 1e4


def test_errors_keep_their_kind(folder: Path) -> None:
    potential = open_potential("models.py:make", cwd=folder)
    helium = Frames.of_one_molecule(np.array([2]), np.zeros((1, 1, 3)))
    with pytest.raises(FrameError, match=r"frame 6 .*no helium"):
        evaluate(potential, Frames.concatenate([frames(), helium]))
    with pytest.raises(NotSupportedError, match="knows no He"):
        open_potential("models.py:choosy", cwd=folder).predict(helium)
    with pytest.raises(MlffError, match="no such file"):
        open_potential("nowhere.py:make", cwd=folder)
    with pytest.raises(MlffError, match="has no 'nothing'"):
        open_potential("models.py:nothing", cwd=folder)


def test_a_killed_process_is_started_anew_once_it_is_needed(folder: Path) -> None:
    potential = open_potential("models.py:make", cwd=folder)
    assert isinstance(potential, ProcessPotential)
    before = potential.predict(frames())
    first = potential.pid
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    os.kill(first, signal.SIGKILL)
    try:
        after = potential.predict(frames())
    except ModelFailure as error:
        assert "SIGKILL" in str(error)  # noqa: PT017 - it may or may not be noticed beforehand
        after = potential.predict(frames())
    assert potential.pid != first
    assert_same(before, after)


def test_half_a_message_is_a_hang() -> None:
    model, judge = (Channel(one) for one in socketpair())
    model.sock.sendall(b"x")
    with pytest.raises(TimeoutError):
        Waiting("model", 0.1, None).message(judge)


def test_a_byte_now_and_then_is_a_hang() -> None:
    model, judge = (Channel(one) for one in socketpair())
    ended = threading.Event()

    def trickle() -> None:
        while not ended.wait(0.02):
            model.sock.sendall(b" ")

    # Each byte comes well within the limit, and the header that they begin is a long one.
    model.sock.sendall((2**20).to_bytes(8, "little") + (0).to_bytes(8, "little"))
    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        with pytest.raises(TimeoutError):
            Waiting("model", 0.5, None).message(judge)
    finally:
        ended.set()
        thread.join()


def test_only_more_frames_than_before_are_a_word() -> None:
    waiting = Waiting("model", 0.5, None, count=3)
    assert [waiting.heard(done) for done in (0, 1, 1, 3, 2, 4)] == [
        False, True, False, True, False, False,
    ]  # fmt: skip
    model, judge = (Channel(one) for one in socketpair())
    begun = time.monotonic()
    with pytest.raises(TimeoutError):  # noqa: PT012 - it is the last word that comes too late
        while time.monotonic() < begun + 30:
            model.send({"done": 3, "total": 3})
            waiting.heard(waiting.message(judge)[0]["done"])


def test_a_message_may_come_in_pieces() -> None:
    record: list[bytes] = []
    Channel(SimpleNamespace(sendall=record.append)).send({"do": "it"}, {"x": np.arange(3)})  # type: ignore[arg-type]
    (message,) = record
    ours, theirs = (Channel(one) for one in socketpair())
    theirs.sock.settimeout(0)
    for cut in (1, 15, 16, 17, len(message) - 1, len(message)):
        ours.sock.sendall(message[:cut])
        if cut < len(message):
            with pytest.raises(BlockingIOError):
                theirs.receive()
        # The rest, and the beginning of the next.
        ours.sock.sendall(message[cut:] + message[:5])
        header, arrays = theirs.receive()
        assert header == {"do": "it"}
        assert_array_equal(arrays["x"], [0, 1, 2])
        arrays["x"][0] = 7  # its own memory
        ours.sock.sendall(message[5:])
        assert_array_equal(theirs.receive()[1]["x"], [0, 1, 2])


def test_memory_is_limited(folder: Path) -> None:
    (folder / "eater.py").write_text(
        MODEL.replace("if 2 in", "held = bytearray(2**31)\n        if 2 in")
    )
    potential = open_potential("eater.py:make", cwd=folder, limits=Limits(memory=2**30))
    with pytest.raises(FrameError, match="MemoryError"):
        potential.predict(frames())


@pytest.mark.parametrize(
    "model, changed, text",
    [
        ("make", "models.py", MODEL + "\n"),
        ("make", "helper.py", "K = 0.6\n"),
        ("weighted", "weights.txt", "0.6"),
    ],
)
def test_code_and_data_are_part_of_the_digest(
    folder: Path, model: str, changed: str, text: str
) -> None:
    def digest() -> str | None:
        return open_potential(f"models.py:{model}", cwd=folder).info.digest

    before = digest()
    assert before is not None
    assert digest() == before
    (folder / changed).write_text(text)
    assert digest() != before


def test_code_that_is_imported_late_counts_too(folder: Path) -> None:
    store = Store(folder / "store")

    def opened() -> ProcessPotential:
        potential = open_potential("models.py:late", cwd=folder, store=store)
        assert isinstance(potential, ProcessPotential)
        return potential

    first = opened()
    at_load = first.info.digest
    evaluate(first, frames(), store=store)
    known = first.info.digest
    assert known != at_load
    assert opened().info.digest == known
    (folder / "later.py").write_text("SCALE = 2.0\n")
    assert opened().info.digest not in (known, at_load)


def test_each_model_sees_its_own_helper(folder: Path) -> None:
    (folder / "other").mkdir()
    (folder / "other" / "models.py").write_text(MODEL)
    (folder / "other" / "helper.py").write_text("K = 5.0\n")
    one = open_potential("models.py:make", cwd=folder).predict(frames())
    other = open_potential("other/models.py:make", cwd=folder).predict(frames())
    assert_array_equal(other.energy, 10 * one.energy)
