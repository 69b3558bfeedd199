"""A real Slurm for tests, and a payload that behaves like a training."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_mlff.scheduling.engines.slurm import SlurmEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / ".ci" / "slurm-cluster"
REQUIRED = "MLFF_REQUIRE_SLURM"


@dataclass(frozen=True)
class Steps:
    """A stand-in for a training: ``steps`` steps, a checkpoint after every ``every`` of them.

    With ``gate`` given, the step ``wait_at`` waits until that file exists.
    """

    name: str
    folder: str
    steps: int = 6
    every: int = 3
    seconds: float = 0.05
    wait_at: int | None = None
    gate: str | None = None
    fails: str | None = None


def train(job: Steps) -> dict[str, object]:
    """Do the steps from the last checkpoint on; each leaves a line in ``<name>.trace``."""
    folder = Path(job.folder)
    checkpoint = folder / f"{job.name}.checkpoint"
    done = int(checkpoint.read_text()) if checkpoint.exists() else 0
    node = os.environ.get("SLURMD_NODENAME", "none")
    print(f"{job.name}: from step {done} on {node}", flush=True)
    for step in range(done, job.steps):
        if step == job.wait_at and job.gate is not None:
            while not Path(job.gate).exists():
                time.sleep(0.05)
        time.sleep(job.seconds)
        with (folder / f"{job.name}.trace").open("a") as trace:
            trace.write(json.dumps([step, node, os.getpid(), done]) + "\n")
        if (step + 1) % job.every == 0:
            scratch = checkpoint.with_suffix(".part")
            scratch.write_text(str(step + 1))
            scratch.replace(checkpoint)
    if job.fails is not None:
        raise ValueError(job.fails)
    return {"name": job.name, "node": node, "resumed": done}


def train_in_child(job: Steps) -> dict[str, object]:
    """As :func:`train`, by a child process whose death is this function's error."""
    code = "import sys; from support.slurm import *; train(Steps(**json.loads(sys.argv[1])))"
    subprocess.run([sys.executable, "-c", code, json.dumps(vars(job))], check=True)
    return {"name": job.name}


def train_deaf(job: Steps) -> dict[str, object]:
    """As :func:`train`, with the signal blocked that announces the time limit."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    return train(job)


@dataclass(frozen=True)
class Trace:
    """One line of a trace."""

    step: int
    node: str
    pid: int
    resumed: int


def read_trace(job: Steps) -> list[Trace]:
    path = Path(job.folder) / f"{job.name}.trace"
    return (
        [Trace(*json.loads(line)) for line in path.read_text().splitlines()]
        if path.exists()
        else []
    )


def legs(job: Steps) -> list[list[int]]:
    """Steps by process, in order of processes."""
    found: dict[int, list[int]] = {}
    for line in read_trace(job):
        found.setdefault(line.pid, []).append(line.step)
    return list(found.values())


def assert_goes_on(job: Steps) -> None:
    """Every leg begins at the last checkpoint of what was done before, and all is done."""
    done: list[int] = []
    all_legs = legs(job)
    assert len(all_legs) > 1, "was never interrupted"
    for leg in all_legs:
        last = (max(done) + 1) // job.every * job.every if done else 0
        assert leg == list(range(last, leg[-1] + 1))
        done += leg
    assert max(done) == job.steps - 1


def reached(*jobs: Steps) -> Callable[[], bool]:
    """All jobs have done what they do before they wait."""
    return lambda: all(
        job.wait_at is not None and (job.wait_at - 1) in [line.step for line in read_trace(job)]
        for job in jobs
    )


def wait_for(condition: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Wait until something holds; a test that would hang fails and says for what it waited."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.05)


def slurm(*words: str) -> str:
    """Output of a Slurm command."""
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def is_held(job_id: str) -> bool:
    """Whether Slurm holds a requeued job back, as it does for two minutes."""
    words = slurm("squeue", "-h", "-r", "-t", "all", "-j", job_id, "-o", "%T %r").split()
    return words == ["PENDING", "BeginTime"]


def hurry(job_id: str) -> None:
    """Let a requeued job start as soon as nothing of its last run is left.

    The two minutes are there for just that: words of the old run would end the new one.
    """
    wait_for(lambda: is_held(job_id) and not processes(job_id), f"job {job_id} to be queued", 90.0)
    slurm("scontrol", "update", f"jobid={job_id}", "starttime=now")


def processes(job_id: str) -> list[int]:
    """Processes of a job, Slurm's own among them."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes()
            words = (path / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        of_job = f"SLURM_JOB_ID={job_id}".encode() in words
        if of_job or command.startswith(f"slurmstepd: [{job_id}.".encode()):
            found.append(int(path.name))
    return found


def fail_node(folder: Path, node: str, job_id: str) -> None:
    """Let a node die with all that runs on it, and Slurm notice it without its time-out."""
    daemon, _ = json.loads((folder / "cluster.json").read_text())["daemons"][node]
    os.kill(daemon, signal.SIGKILL)
    for pid in processes(job_id):
        os.kill(pid, signal.SIGKILL)
    slurm("scontrol", "update", f"nodename={node}", "state=down", "reason=test")


def mend_node(folder: Path, node: str) -> None:
    """Start its daemon again."""
    path = f"{os.environ['PATH']}:/usr/local/sbin:/usr/sbin:/sbin"
    daemon = shutil.which("slurmd", path=path)
    assert daemon is not None
    slurm(daemon, "-N", node, "-f", str(folder / "slurm.conf"))
    wait_for(lambda: slurm("sinfo", "-h", "-n", node, "-N", "-o", "%T").strip() == "idle", node)


def why_not() -> str | None:
    """Why no cluster can be started here; None if one can."""
    if os.geteuid() != 0:
        return "a Slurm of its own needs root"
    path = f"{os.environ['PATH']}:/usr/local/sbin:/usr/sbin:/sbin"
    missing = [
        n for n in ("slurmctld", "slurmd", "sbatch", "munged") if not shutil.which(n, path=path)
    ]
    if missing:
        return f"needs Slurm (apt-get install slurmctld slurmd slurm-client munge): no {missing[0]}"
    try:
        import submitit  # noqa: F401
    except ImportError:
        return "needs submitit (extra slurm)"
    return None


@contextmanager
def cluster() -> Iterator[Path]:
    """Start a cluster and export its environment; stops it whatever happens."""
    reason = why_not()
    if reason is not None:
        if os.environ.get(REQUIRED) == "1":
            pytest.fail(f"{REQUIRED}=1, but {reason}")
        pytest.skip(reason)
    # Short, and open to the daemons' users.
    folder = Path(tempfile.mkdtemp(prefix="mlff-slurm-"))
    with pytest.MonkeyPatch.context() as patch:
        try:
            shown = slurm(sys.executable, str(SCRIPT), "start", str(folder))
            for line in shown.splitlines():
                name, _, value = line.removeprefix("export ").partition("=")
                patch.setenv(name, value)
            # Jobs import this module.
            patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests")]))
            # Users' clusters are asked less often; this one answers at once.
            defaults = SlurmEngine.__init__.__kwdefaults__
            for name, seconds in (("poll", 0.2), ("settle", 0.5)):
                patch.setitem(defaults, name, seconds)
            yield folder
        finally:
            subprocess.run([sys.executable, str(SCRIPT), "stop", str(folder)], check=True)
            shutil.rmtree(folder, ignore_errors=True)


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
