"""GPU slots with faked devices: every worker sees one, two runs never the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.repos import model_repo

if TYPE_CHECKING:
    from pytest import Pytester, RunResult

pytest.importorskip("xdist")
pytest.importorskip("fcntl")

HEAD = ["-p", "no:cacheprovider",
        "--mlff-model=models.py:exact", "--mlff-suite=specs/small.yaml"]  # fmt: skip
SEES = """
import json, os
import pytest

@pytest.fixture(scope="session", autouse=True)
def seen(worker_id):
    with open(os.environ.get("SEEN", "seen.jsonl"), "a") as stream:
        line = [worker_id, os.environ.get("CUDA_VISIBLE_DEVICES"), IMPORTED]
        stream.write(json.dumps(line) + "\\n")

# What a conftest finds when it is imported, before it imports torch itself.
IMPORTED = os.environ.get("CUDA_VISIBLE_DEVICES")
"""
TESTS = """
import os, time
from pathlib import Path
import pytest

@pytest.mark.parametrize("k", range(4))
def test_sees(k):
    # Until the others are there, so that none does all the work before they are up.
    Path("up-" + os.environ.get("PYTEST_XDIST_WORKER", "alone")).touch()
    end = time.monotonic() + 100
    while not all(Path("up-" + name).exists() for name in {workers}):
        assert time.monotonic() < end
        time.sleep(0.05)
"""
MEETS = """
import os, time
from pathlib import Path

def test_sees():
    # Each run waits for the other, so both hold their slots at the same time.
    Path(os.environ["SEEN"] + ".up").touch()
    end = time.monotonic() + 100
    while len(list(Path().glob("*.up"))) < 2:
        assert time.monotonic() < end
        time.sleep(0.05)
"""
KILLS = """
import os, signal

def test_sees_and_dies():
    os.kill(os.getpid(), signal.SIGKILL)
"""
HOLDS = """
import os, sys
from pytest_mlff.scheduling.gpu.gpus import Gpu
from pytest_mlff.scheduling.gpu.slots import runtime_folder, take_slot
slot = take_slot([Gpu("x", sys.argv[1])], 1, runtime_folder(os.environ), patience=0, say=print)
print("held", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def repo(pytester: Pytester, monkeypatch: pytest.MonkeyPatch) -> Pytester:
    model_repo(pytester)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(pytester.mkdir("runtime")))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b,7")
    pytester.makeconftest(SEES)
    pytester.makepyfile(test_own=TESTS.format(workers=["gw0", "gw1"]))
    return pytester


def run(pytester: Pytester, *arguments: str) -> RunResult:
    return pytester.runpytest_subprocess(*HEAD, "-k", "test_sees", *arguments, timeout=240)


def seen(pytester: Pytester, name: str = "seen.jsonl") -> dict[str, str | None]:
    """The GPU that each worker saw, the same at import of the conftest and in its tests."""
    path = pytester.path / name
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        worker, late, early = json.loads(line)
        assert late == early
        found[worker] = late
    return found


@pytest.mark.slow
def test_every_worker_sees_one_gpu_of_the_callers_own(repo: Pytester) -> None:
    run(repo, "-n2")
    assert sorted(str(gpu) for gpu in seen(repo).values()) == ["GPU-a", "GPU-b"]


@pytest.mark.parametrize(
    "options, expected",
    [
        pytest.param(["--mlff-gpus=0,2"], ["7", "GPU-a"], marks=pytest.mark.slow),
        (["--mlff-gpus=1", "--mlff-per-gpu=2"], ["GPU-b", "GPU-b"]),
        (["--mlff-device=cpu"], ["GPU-a,GPU-b,7"] * 2),
    ],
)
def test_options(repo: Pytester, options: list[str], expected: list[str]) -> None:
    run(repo, "-n2", *options)
    assert sorted(str(gpu) for gpu in seen(repo).values()) == expected


def test_auto_means_one_worker_per_slot(repo: Pytester) -> None:
    result = run(repo, "-nauto", "--mlff-gpus=0,1")
    assert "created: 2/2 workers" in result.stdout.str()
    assert len(seen(repo)) == 2


@pytest.mark.parametrize(
    "options, said",
    [
        (["-n2", "--mlff-gpus=x"], "--mlff-gpus: 'x' is no index"),
        (["-nauto", "--mlff-gpus=0,9"], "--mlff-gpus: there is no GPU 9; visible: 0 to 2"),
        (["--mlff-gpus=0,0"], "--mlff-gpus: 0 is named twice"),
        (["-n3", "--mlff-gpus=0,1"], "3 workers, but 2 GPU slots: take -n 2"),
    ],
)
def test_what_cannot_work_is_one_line(repo: Pytester, options: list[str], said: str) -> None:
    result = run(repo, *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in result.stderr.lines if line.strip()]
    assert line.startswith(f"ERROR: {said}")


def test_a_replacement_takes_the_freed_slot(repo: Pytester) -> None:
    repo.makepyfile(test_kills=KILLS, test_own=TESTS.format(workers=["gw2"]))
    result = run(repo, "-n2", "--mlff-gpus=0,1")
    result.assert_outcomes(passed=4, failed=1)
    (line,) = [line for line in result.outlines if line.startswith("replacing crashed worker")]
    found = seen(repo)
    assert set(found) == {"gw0", "gw1", "gw2"}
    assert {found["gw0"], found["gw1"]} == {"GPU-a", "GPU-b"}
    assert found["gw2"] == found[line.split()[-1]]


def test_two_runs_at_once_see_different_gpus(
    repo: Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.makepyfile(test_own=MEETS)
    processes = []
    for name in ("one.jsonl", "two.jsonl"):
        monkeypatch.setenv("SEEN", name)
        command = [sys.executable, "-m", "pytest", *HEAD, "-n1", "-k", "test_sees",
                   f"--basetemp={repo.path / ('tmp-' + name)}"]  # fmt: skip
        processes.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        )
    for process in processes:
        out, _ = process.communicate(timeout=240)
        assert "1 passed" in out
    gpus = [*seen(repo, "one.jsonl").values(), *seen(repo, "two.jsonl").values()]
    assert len(gpus) == len(set(gpus)) == 2


def test_no_slot_in_time_is_one_line(repo: Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFF_GPU_WAIT", "0.5")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, "GPU-a"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        result = run(repo, "-n1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stdout.str() + result.stderr.str()
    assert "gw0: all 1 GPU slots are taken" in text
    assert f"by processes {other.pid}" in text
    assert "Traceback" not in text
    assert "INTERNALERROR" not in text


EARLY = """
import os, sys, types

if "PYTEST_XDIST_WORKER" in os.environ:
    sys.modules["torch"] = types.ModuleType("torch")
"""


def test_torch_before_the_slot_is_said(repo: Pytester) -> None:
    repo.makepyfile(early=EARLY, test_own="def test_sees(): pass")
    result = run(repo, "-n1", "-p", "early")
    assert "gw0 has no GPU slot: torch was imported before" in result.stdout.str()
    assert seen(repo) == {"gw0": "GPU-a,GPU-b,7"}
