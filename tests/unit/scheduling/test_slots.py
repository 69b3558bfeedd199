"""GPU slots: held by a lock, freed by death."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_mlff.errors import MlffError
from pytest_mlff.scheduling.gpu.gpus import Gpu
from pytest_mlff.scheduling.gpu.slots import Slot, runtime_folder, take_slot
from pytest_mlff.scheduling.xdist.auto import worker_gpus

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytest.importorskip("fcntl")

TWO = (Gpu("0", "GPU-a"), Gpu("1", "GPU-b"))


@pytest.fixture
def take(tmp_path: Path) -> Callable[..., Slot]:
    def take(*, per_gpu: int = 1, patience: float = 0.0, said: list[str] | None = None) -> Slot:
        lines = [] if said is None else said
        return take_slot(TWO, per_gpu, tmp_path, patience=patience, say=lines.append)

    return take


def test_every_worker_gets_a_gpu_of_its_own(take: Callable[..., Slot]) -> None:
    held = [take(), take()]
    assert [slot.gpu.entry for slot in held] == ["0", "1"]
    with pytest.raises(MlffError, match="all 2 GPU slots are taken"):
        take()


def test_workers_spread_before_they_share(take: Callable[..., Slot]) -> None:
    held = [take(per_gpu=2) for _ in range(4)]
    assert [slot.gpu.entry for slot in held] == ["0", "1", "0", "1"]
    with pytest.raises(MlffError, match="all 4 GPU slots"):
        take(per_gpu=2)


def test_a_freed_slot_is_taken_again(take: Callable[..., Slot]) -> None:
    first, second = take(), take()
    first.held.close()
    again = take()
    assert again.gpu == first.gpu
    second.held.close()


def test_the_message_names_holders_and_is_one_line(take: Callable[..., Slot]) -> None:
    held = [take(), take()]
    with pytest.raises(MlffError) as caught:
        take()
    assert f"(by processes {os.getpid()}, {os.getpid()})" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "--mlff-per-gpu" in str(caught.value)
    assert len(held) == 2


HOLDER = """
import sys
from pathlib import Path
from pytest_mlff.scheduling.gpu.gpus import Gpu
from pytest_mlff.scheduling.gpu.slots import take_slot
gpus = [Gpu("0", "GPU-a"), Gpu("1", "GPU-b")]
slot = take_slot(gpus, 1, Path(sys.argv[1]), patience=0, say=print)
print(slot.gpu.entry, flush=True)
sys.stdin.readline()
"""


def holder(folder: Path) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_a_killed_holder_leaves_its_slot(tmp_path: Path, take: Callable[..., Slot]) -> None:
    process, entry = holder(tmp_path)
    mine = take()
    assert {entry, mine.gpu.entry} == {"0", "1"}
    with pytest.raises(MlffError, match=str(process.pid)):
        take()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert take().gpu.entry == entry


def test_one_waits_for_a_slot(tmp_path: Path, take: Callable[..., Slot]) -> None:
    process, entry = holder(tmp_path)
    mine = take()
    said: list[str] = []
    process.stdin.close()  # type: ignore[union-attr]
    got = take(patience=60.0, said=said)
    process.wait()
    process.stdout.close()  # type: ignore[union-attr]
    assert got.gpu.entry == entry != mine.gpu.entry
    assert len(said) <= 1


def test_waiting_is_said_once(take: Callable[..., Slot]) -> None:
    held = [take(), take()]
    said: list[str] = []
    with pytest.raises(MlffError, match=r"none became free within 0\.5 s"):
        take(patience=0.5, said=said)
    assert len(said) == 1
    assert "waiting for up to 0.5 s" in said[0]
    assert len(held) == 2


def test_the_folder_is_private(tmp_path: Path) -> None:
    folder = runtime_folder({"XDG_RUNTIME_DIR": str(tmp_path)})
    assert folder == tmp_path / "pytest-mlff"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert runtime_folder({"XDG_RUNTIME_DIR": str(tmp_path)}) == folder


def test_a_folder_for_temporary_files_serves_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = runtime_folder({"XDG_RUNTIME_DIR": str(tmp_path / "not there")})
    assert folder == tmp_path / f"pytest-mlff-{os.getuid()}"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "pytest-mlff").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MlffError, match="not a folder of yours"):
        runtime_folder({"XDG_RUNTIME_DIR": str(tmp_path)})


def test_a_linked_lock_file_is_refused(tmp_path: Path, take: Callable[..., Slot]) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious", encoding="utf-8")
    (tmp_path / "GPU-a.0.lock").symlink_to(victim)
    with pytest.raises(MlffError, match="cannot open"):
        take()
    assert victim.read_text(encoding="utf-8") == "precious"


def test_odd_names_make_plain_files(tmp_path: Path) -> None:
    slot = take_slot([Gpu("x", "MIG-GPU-a/3/0")], 1, tmp_path, patience=0, say=print)
    assert slot.path == tmp_path / "MIG-GPU-a_3_0.0.lock"


NO_DRIVER = {"PATH": "", "CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b,GPU-c"}


@pytest.mark.parametrize(
    "device, gpus, per_gpu, workers, expected",
    [
        ("auto", None, 1, 3, "abc"),
        ("cuda", None, 1, 2, "abc"),
        ("auto", "0,2", 1, 2, "ac"),
        ("auto", "1", 4, 4, "b"),
        ("cpu", None, 1, 9, ""),
        ("auto", None, 1, 4, ""),  # no driver: CUDA_VISIBLE_DEVICES is a left-over
    ],
)
def test_gpus_of_a_run(
    device: str, gpus: str | None, per_gpu: int, workers: int, expected: str
) -> None:
    found = worker_gpus(device, gpus, per_gpu, workers, NO_DRIVER)
    assert "".join(gpu.entry[-1] for gpu in found) == expected


@pytest.mark.parametrize(
    "device, gpus, per_gpu, workers, said",
    [
        ("cuda", None, 1, 4, "4 workers, but 3 GPU slots: take -n 3, --mlff-per-gpu=2 or"),
        ("auto", "1", 1, 2, "2 workers, but 1 GPU slot: take -n 1, --mlff-per-gpu=2 or"),
        ("auto", "0,1", 2, 5, "5 workers, but 4 GPU slots: take -n 4, --mlff-per-gpu=3 or"),
        ("cpu", "0", 1, 1, "nothing to choose with --mlff-device=cpu"),
        ("auto", "x", 1, 1, "'x' is no index"),
    ],
)
def test_what_cannot_work_is_said_before_it_starts(
    device: str, gpus: str | None, per_gpu: int, workers: int, said: str
) -> None:
    with pytest.raises(MlffError) as caught:
        worker_gpus(device, gpus, per_gpu, workers, NO_DRIVER)
    assert said in str(caught.value)
