"""The engine on a real Slurm of two nodes, started by ``.ci/slurm-cluster``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.slurm import (
    SCRIPT,
    Steps,
    assert_goes_on,
    fail_node,
    hurry,
    is_held,
    kill,
    legs,
    mend_node,
    reached,
    read_trace,
    slurm,
    train,
    train_deaf,
    train_in_child,
    wait_for,
)

from pytest_mlff.cli.main import main
from pytest_mlff.errors import MlffError
from pytest_mlff.scheduling.engines.jobs import JobRecords
from pytest_mlff.scheduling.engines.registry import Resources, map_jobs, open_engine
from pytest_mlff.scheduling.engines.slurm import SlurmEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONTROLLER = """
import sys
from pathlib import Path
from support.slurm import Steps, train
from pytest_mlff.scheduling.engines import slurm_recorded
from pytest_mlff.scheduling.engines.registry import map_jobs
from pytest_mlff.scheduling.engines.slurm import SlurmEngine

folder, gate, dies_in_submit = sys.argv[1:]
if dies_in_submit == "yes":
    import os, signal
    submit = slurm_recorded.submit
    def submit_and_die(*args, **kwargs):
        submit(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)
    slurm_recorded.submit = submit_and_die
jobs = [Steps(name, folder, wait_at=4, gate=gate) for name in "ab"]
with SlurmEngine(Path(folder) / "store", poll=0.2, settle=0.5) as engine:
    futures = map_jobs(engine, train, jobs)
    print(*[future.job_id for future in futures], flush=True)
    print(*[future.result()["name"] for future in futures], flush=True)
"""


@pytest.fixture
def store(slurm_cluster: Path, tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def engine(store: Path) -> Iterator[SlurmEngine]:
    with SlurmEngine(store, poll=0.2, settle=0.5) as opened:
        yield opened
        opened.shutdown(wait=False, cancel_futures=True)


def _controller(folder: Path, gate: Path, *, dies: bool = False) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", CONTROLLER, str(folder), str(gate), "yes" if dies else "no"]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def test_an_array_runs_on_both_nodes(slurm_cluster: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    jobs = [Steps(name, str(tmp_path), wait_at=1, gate=str(gate)) for name in "abcd"]
    # The engine as users get it, through its name.
    with open_engine("slurm", store=tmp_path / "store", resources=Resources(cpus=1)) as engine:
        futures = map_jobs(engine, train, jobs)
        ids = [future.job_id for future in futures]
        wait_for(reached(*jobs), "all four to run at once")
        gate.touch()
        results = [future.result(60) for future in futures]
    assert len({str(job_id).partition("_")[0] for job_id in ids}) == 1
    assert [str(job_id).partition("_")[2] for job_id in ids] == ["0", "1", "2", "3"]
    assert [result["name"] for result in results] == ["a", "b", "c", "d"]
    assert {result["node"] for result in results} == {"n1", "n2"}
    assert all(legs(job) == [list(range(job.steps))] for job in jobs)


@pytest.mark.parametrize("function", [train, train_in_child])
def test_a_cancelled_job_goes_on_from_its_checkpoint(
    engine: SlurmEngine, tmp_path: Path, function: Callable[[Steps], object]
) -> None:
    gate = tmp_path / "gate"
    job = Steps("a", str(tmp_path), steps=9, wait_at=5, gate=str(gate))
    future = engine.submit(function, job)
    first = future.job_id
    wait_for(reached(job), "the job to be past its checkpoint")
    slurm("scancel", str(first))
    wait_for(lambda: future.job_id != first or future.done(), "the job to be submitted again")
    gate.touch()
    future.result(60)
    assert_goes_on(job)
    assert [leg[0] for leg in legs(job)] == [0, 3]
    record = JobRecords(tmp_path / "store").read(future.key)
    assert record is not None
    assert record.ended == (f"{first} CANCELLED",)


def test_a_requeued_job_goes_on_from_its_checkpoint(engine: SlurmEngine, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    job = Steps("a", str(tmp_path), wait_at=4, gate=str(gate))
    future = engine.submit(train, job)
    job_id = str(future.job_id)
    wait_for(reached(job), "the job to be past its checkpoint")
    slurm("scontrol", "requeue", job_id)
    hurry(job_id)
    gate.touch()
    assert future.result(60)["resumed"] == 3
    assert future.job_id == job_id
    assert_goes_on(job)


def test_a_job_of_a_node_that_fails_goes_on(
    slurm_cluster: Path, engine: SlurmEngine, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    job = Steps("a", str(tmp_path), wait_at=4, gate=str(gate))
    future = engine.submit(train, job)
    job_id = str(future.job_id)
    wait_for(reached(job), "the job to be past its checkpoint")
    node = read_trace(job)[0].node
    fail_node(slurm_cluster, node, job_id)
    try:
        hurry(job_id)
        gate.touch()
        result = future.result(60)
    finally:
        mend_node(slurm_cluster, node)
    assert result["node"] != node
    assert future.job_id == job_id
    assert_goes_on(job)


def test_cancelled_again_and_again_is_an_error(store: Path, tmp_path: Path) -> None:
    job = Steps("a", str(tmp_path), wait_at=0, gate=str(tmp_path / "never"))
    with SlurmEngine(store, poll=0.1, settle=0.1, resubmissions=1) as engine:
        future = engine.submit(train, job)
        for _ in range(2):
            current = future.job_id
            slurm("scancel", str(current))
            wait_for(lambda c=current: future.job_id != c or future.done(), "the job to end")
        with pytest.raises(MlffError, match="ended 2 times without a result, last as CANCELLED"):
            future.result(30)


@pytest.mark.parametrize("dies_in_submit", [False, True])
def test_a_new_controller_finds_the_jobs_of_one_that_was_killed(
    slurm_cluster: Path, tmp_path: Path, *, dies_in_submit: bool
) -> None:
    gate = tmp_path / "gate"
    jobs = [Steps(name, str(tmp_path), wait_at=4, gate=str(gate)) for name in "ab"]
    first = _controller(tmp_path, gate, dies=dies_in_submit)
    assert first.stdout is not None
    shown = first.stdout.readline().split()
    wait_for(reached(*jobs), "the jobs to run")
    kill(first)
    assert shown == [] if dies_in_submit else len(shown) == 2
    known = {line.split("|")[0] for line in slurm("squeue", "-h", "-r", "-o", "%i|%T").splitlines()}
    assert len(known) == 2

    second = _controller(tmp_path, gate)
    assert second.stdout is not None
    again = second.stdout.readline().split()
    assert set(again) == known
    if not dies_in_submit:
        assert again == shown
    gate.touch()
    assert second.stdout.readline().split() == ["a", "b"]
    assert second.wait(30) == 0
    # Nothing was trained twice.
    assert all(legs(job) == [list(range(job.steps))] for job in jobs)


def test_jobs_that_ended_without_a_controller_are_collected(
    slurm_cluster: Path, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    first = _controller(tmp_path, gate)
    assert first.stdout is not None
    shown = first.stdout.readline().split()
    kill(first)
    gate.touch()
    wait_for(lambda: slurm("squeue", "-h") == "", "the jobs to end")
    second = _controller(tmp_path, gate)
    out, _ = second.communicate(timeout=60)
    assert out.splitlines() == [" ".join(shown), "a b"]


def test_an_error_is_one_line_that_names_the_log(engine: SlurmEngine, tmp_path: Path) -> None:
    future = engine.submit(train, Steps("a", str(tmp_path), fails="loss is NaN\nand more"))
    with pytest.raises(MlffError) as caught:
        future.result(60)
    text = str(caught.value)
    assert "\n" not in text
    assert f"Slurm job {future.job_id} " in text
    assert " a) failed: ValueError: loss is NaN; log " in text
    log = Path(text.partition("; log ")[2])
    assert "a: from step 0" in log.read_text()
    # An error is not tried again by the engine, but by whoever submits it anew.
    again = engine.submit(train, Steps("a", str(tmp_path), fails="loss is NaN\nand more"))
    assert again.job_id != future.job_id


def test_what_slurm_refuses_is_one_line(store: Path, tmp_path: Path) -> None:
    with SlurmEngine(store, Resources(partition="nowhere")) as engine:
        with pytest.raises(MlffError, match="invalid partition") as caught:
            map_jobs(engine, train, [Steps(name, str(tmp_path)) for name in "ab"])
        assert "\n" not in str(caught.value)
    assert JobRecords(store).all() == []


def test_equal_calls_are_one_job(engine: SlurmEngine, tmp_path: Path) -> None:
    job = Steps("a", str(tmp_path))
    first, second, third = map_jobs(engine, train, [job, job, Steps("b", str(tmp_path))])
    assert first.result(60) == second.result(60)
    assert first.job_id == second.job_id != third.job_id
    assert third.result(60)["name"] == "b"
    assert len(read_trace(job)) == job.steps


def test_a_cancelled_future_ends_its_job(engine: SlurmEngine, tmp_path: Path) -> None:
    job = Steps("a", str(tmp_path), wait_at=1, gate=str(tmp_path / "never"))
    future = engine.submit(train, job)
    wait_for(lambda: future.running() and reached(job)(), "the job to run")
    assert future.cancel()
    assert future.cancelled()
    wait_for(lambda: slurm("squeue", "-h") == "", "the job to end")


def test_jobs_are_listed_tailed_and_cancelled(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = tmp_path / "gate"
    first = _controller(tmp_path, gate)
    assert first.stdout is not None
    one, two = first.stdout.readline().split()
    jobs = [Steps(name, str(tmp_path), wait_at=4, gate=str(gate)) for name in "ab"]
    wait_for(reached(*jobs), "the jobs to run")
    kill(first)  # the commands work without a controller, and beside a new one
    where = f"--mlff-store={store}"

    assert main(["jobs", "list", where]) == 0
    rows = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()}
    assert rows[one][1] == rows[two][1] == "running"
    assert rows[one][-1] == "a"
    assert main(["jobs", where, "tail", one, "-n", "1"]) == 0
    assert capsys.readouterr().out.startswith("a: from step 0 on n")

    second = _controller(tmp_path, gate)
    assert second.stdout is not None
    assert second.stdout.readline().split() == [one, two]
    assert main(["jobs", "cancel", one, where]) == 0
    assert capsys.readouterr().out == f"{one} cancelled\n"
    wait_for(lambda: one not in slurm("squeue", "-h", "-r", "-o", "%i").split(), "its end")
    gate.touch()
    second.communicate(timeout=60)
    assert second.returncode == 1  # told, and not submitted again
    capsys.readouterr()
    assert main(["jobs", where]) == 0
    rows = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()}
    assert rows[one][1] == "cancelled"
    wait_for(lambda: slurm("squeue", "-h") == "", "the other job to end")
    assert main(["jobs", "cancel", "--all", where]) == 0
    assert capsys.readouterr().out == "no job was waiting or running\n"
    assert main(["jobs", "tail", "99999", where]) == 4
    assert f"known, newest last: {one}, {two}" in capsys.readouterr().err


@pytest.mark.slow
def test_a_job_over_its_time_limit_goes_on(store: Path, tmp_path: Path) -> None:
    """Slurm's shortest limit is a minute; both jobs need more than that."""
    warned = Steps("warned", str(tmp_path), steps=130, every=4, seconds=0.5)
    # It never sees the notice, as a trainer deep inside a library might not.
    deaf = Steps("deaf", str(tmp_path), steps=60, every=7, wait_at=30, gate=str(tmp_path / "gate"))
    with SlurmEngine(store, Resources(minutes=1), poll=0.5, settle=0.5) as engine:
        futures = [engine.submit(train, warned), engine.submit(train_deaf, deaf)]
        ids = [str(future.job_id) for future in futures]

        def both_done() -> bool:
            if is_held(ids[0]):
                hurry(ids[0])
            if futures[1].job_id != ids[1]:
                (tmp_path / "gate").touch()
            return all(future.done() for future in futures)

        wait_for(both_done, "both jobs", 300)
        assert futures[0].result()["resumed"] > 0
        assert futures[1].result()["resumed"] == 28
    assert futures[0].job_id == ids[0]
    assert "Restarts=0" not in slurm("scontrol", "show", "job", ids[0])
    assert "TIMEOUT" in slurm("squeue", "-h", "-t", "all", "-j", ids[1], "-o", "%T")
    for job in (warned, deaf):
        assert_goes_on(job)


def test_the_cluster_leaves_nothing_behind(tmp_path: Path, slurm_cluster: Path) -> None:
    """Also one that came up in part: here slurmd ends at once."""
    fake = tmp_path / "bin" / "slurmd"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho no such luck\nexit 1\n")
    fake.chmod(0o755)
    path = f"{fake.parent}:{os.environ['PATH']}:/usr/sbin"
    broken = tmp_path / "broken"

    def script(*words: str, path: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(SCRIPT), *words]
        environment = {**os.environ, "PATH": path}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    done = script("start", str(broken), path=path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == ["slurm-cluster: n1 ended at once: no such luck"]
    assert _processes_of(broken) == []
    assert script("stop", str(broken), path=path).returncode == 0

    nothing = script("start", str(tmp_path / "none"), path=str(tmp_path))
    assert nothing.returncode == 1
    assert "not installed: slurm-client (apt-get install" in nothing.stderr

    whole = tmp_path / "whole"
    assert script("start", str(whole), path=os.environ["PATH"]).returncode == 0
    state = json.loads((whole / "cluster.json").read_text())
    assert len(_processes_of(whole)) >= 3
    assert script("stop", str(whole), path=os.environ["PATH"]).returncode == 0
    assert _processes_of(whole) == []
    assert not Path(state["munge"]).exists()
    # The other cluster is untouched.
    assert slurm("sinfo", "-h", "-N", "-o", "%T").split() == ["idle", "idle"]


def _processes_of(folder: Path) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if f"{folder / 'slurm.conf'}".encode() in words:
            found.append(path.parent.name)
    return found
