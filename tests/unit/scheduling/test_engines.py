"""Engines: what they promise, without a cluster (for that see tests/integration/test_slurm.py)."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import CancelledError, Executor, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.engine_jobs import (
    die,
    die_once,
    double,
    environment,
    fail,
    fail_for_an_extra,
    sleep,
)
from support.slurm import Steps, assert_goes_on, train, wait_for

from pytest_mlff.cli.main import main
from pytest_mlff.errors import MissingExtraError, MlffError
from pytest_mlff.plugin import hookspecs
from pytest_mlff.scheduling.engines import slurm as slurm_engine
from pytest_mlff.scheduling.engines import slurm_commands, slurm_recorded
from pytest_mlff.scheduling.engines.jobs import JobRecord, JobRecords, job_key, last_line
from pytest_mlff.scheduling.engines.local import LocalEngine
from pytest_mlff.scheduling.engines.registry import Resources, map_jobs, open_engine
from pytest_mlff.scheduling.engines.slurm import SlurmEngine
from pytest_mlff.scheduling.engines.slurm_commands import QueueEntry, SlurmUnreachableError
from pytest_mlff.scheduling.engines.slurm_submission import Task, submit

ROOT = Path(__file__).parents[3]


def test_an_unknown_engine_is_one_line_with_the_choices(tmp_path: Path) -> None:
    with pytest.raises(MlffError) as caught:
        open_engine("slurrm", store=tmp_path)
    assert str(caught.value) == (
        "engine 'slurrm' is none of local, slurm, and no plugin's pytest_mlff_executor knows it"
    )


def test_slurm_without_slurm_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MlffError, match="sbatch, squeue, scancel, srun not found on PATH"):
        open_engine("slurm", store=tmp_path)


def test_slurm_without_submitit_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(MissingExtraError, match=re.escape("pytest-mlff[slurm]")):
        open_engine("slurm", store=tmp_path)


def _asked(plugin: object, name: str) -> Any:
    """What the plugin's side does: ask the hook."""
    manager = pytest.PytestPluginManager()
    manager.add_hookspecs(hookspecs)
    manager.register(plugin)
    return manager.hook.pytest_mlff_executor(name=name, config=None)


class Pools:
    @pytest.hookimpl
    def pytest_mlff_executor(self, name: str, config: object) -> Executor | None:
        return ProcessPoolExecutor(1) if name == "pool" else None


def test_the_hooks_executor_is_the_engine(tmp_path: Path) -> None:
    with open_engine("pool", store=tmp_path, own=_asked(Pools(), "pool")) as engine:
        assert isinstance(engine, ProcessPoolExecutor)
        assert [f.result(30) for f in map_jobs(engine, double, [1, 2])] == [2, 4]
    with open_engine("local", store=tmp_path, own=_asked(Pools(), "local")) as engine:
        assert isinstance(engine, LocalEngine)
    with pytest.raises(MlffError, match=r"returned str, which has no submit\(\)"):
        open_engine("x", store=tmp_path, own="no engine")  # type: ignore[arg-type]


def test_the_dask_example_of_the_docs_works(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    import dask

    text = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert len([line for line in example.splitlines() if line.strip()]) <= 5
    names: dict[str, Any] = {}
    exec(example, names)
    plugin = type("Conftest", (), {})()
    plugin.pytest_mlff_executor = names["pytest_mlff_executor"]
    with (
        distributed.LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster,
        dask.config.set({"scheduler-address": cluster.scheduler_address}),
    ):
        try:
            with open_engine("dask", store=tmp_path, own=_asked(plugin, "dask")) as engine:
                jobs = [Steps(name, str(tmp_path)) for name in "ab"]
                results = [future.result(60) for future in map_jobs(engine, train, jobs)]
        finally:
            distributed.default_client().close()
    assert [result["name"] for result in results] == ["a", "b"]


# Resources.


@pytest.mark.parametrize(
    "given, said",
    [
        ({"cpus": 0}, "resources: cpus is 0, a whole number of at least 1 is needed"),
        ({"cpus": True}, "cpus is True"),
        ({"gpus": -1}, "gpus is -1"),
        ({"minutes": 1.5}, "minutes is 1.5"),
        ({"memory_gb": 0}, "memory_gb is 0"),
        ({"memory_gb": float("nan")}, "memory_gb is nan"),
        ({"partition": ""}, "partition is ''"),
        ({"extra": {"time": 5}}, "'time' is not allowed, say 'minutes' instead"),
        ({"extra": {"array": "1-3"}}, "'array' is not allowed, the engine sets it itself"),
        ({"extra": {"--account": "x"}}, "is no long option of sbatch"),
        ({"extra": {"account": "x\nrm -rf /"}}, "account is 'x\\nrm -rf /', a word"),
    ],
)
def test_bad_resources_are_one_line(given: dict[str, Any], said: str) -> None:
    with pytest.raises(MlffError) as caught:
        Resources(**given)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


# Names of calls.


@dataclass(frozen=True)
class Plain:
    number: float
    items: tuple[int, ...] = ()
    table: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Digested:
    digest: str
    noise: object = None


def test_equal_calls_have_one_key_in_any_process() -> None:
    code = (
        "from pathlib import Path; from pytest_mlff.scheduling.engines.jobs import job_key;"
        "from support.slurm import Steps, train;"
        "print(job_key(train, (Steps('a', 'b'), {'x': 1, 'y': {3, 'z', 2}}), {'p': Path('q')}))"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    keys = {
        subprocess.check_output(
            [sys.executable, "-c", code], env={**env, "PYTHONHASHSEED": seed}, text=True
        ).strip()
        for seed in ("1", "2")
    }
    args = (Steps("a", "b"), {"y": {2, "z", 3}, "x": 1})
    assert keys == {job_key(train, args, {"p": Path("q")})}


@pytest.mark.parametrize(
    "one, other",
    [
        (Plain(1.0), Plain(1.0 + 2**-52)),
        (Plain(1.0), Plain(1)),
        ((1, 2), [1, 2]),
        (1, True),
        ("1", 1),
        (Path("a"), "a"),
        ({"a": 1}, {"a": 2}),
        (Digested("a"), Digested("b")),
    ],
)
def test_different_calls_have_different_keys(one: Any, other: Any) -> None:
    assert job_key(double, (one,), {}) != job_key(double, (other,), {})
    assert job_key(double, (one,), {}) == job_key(double, (one,), {})


def test_the_function_is_part_of_the_key_and_a_digest_speaks_for_itself() -> None:
    assert job_key(double, (1,), {}) != job_key(fail, (1,), {})
    partial = functools.partial(double, 1)
    assert job_key(partial, (), {}) == job_key(functools.partial(double, 1), (), {})
    assert job_key(partial, (), {}) != job_key(functools.partial(double, 2), (), {})
    assert job_key(double, (Digested("a", object()),), {}) == job_key(
        double, (Digested("a", object()),), {}
    )
    with pytest.raises(MlffError, match="has no name of its own"):
        job_key(lambda: 1, (), {})
    with pytest.raises(MlffError, match="cannot be pickled"):
        job_key(double, (lambda: 1,), {})


def test_a_traceback_becomes_one_line() -> None:
    trace = 'Traceback\n  File "a.py", line 1, in f\n    g()\n'
    assert last_line(trace + "ValueError: two\nlines\n") == "ValueError: two"
    assert last_line(trace + "pytest_mlff.errors.MlffError: fix it") == "fix it"
    assert last_line(trace + "torch.OutOfMemoryError: no") == "OutOfMemoryError: no"
    assert last_line("") == "it gave no reason"
    assert last_line(ValueError("")) == "ValueError"


# The local engine.


def test_local_results_and_errors() -> None:
    with LocalEngine(2) as engine:
        futures = map_jobs(engine, double, range(4))
        failed = engine.submit(fail, "no")
        extra = engine.submit(fail_for_an_extra, 1)
        assert [future.result(60) for future in futures] == [0, 2, 4, 6]
        with pytest.raises(ValueError, match="no"):
            failed.result(60)
        # Its own class cannot be unpickled; the line for the user is kept.
        with pytest.raises(MlffError, match=re.escape("pip install 'pytest-mlff[none]'")):
            extra.result(60)
        with pytest.raises(MlffError, match="cannot be pickled"):
            engine.submit(lambda: 1)


def test_a_local_process_that_is_killed_is_begun_once_more(tmp_path: Path) -> None:
    with LocalEngine(1) as engine:
        again, hopeless = engine.submit(die_once, str(tmp_path)), engine.submit(die, 0)
        after = engine.submit(double, 4)
        assert again.result(60) == "went on"
        with pytest.raises(MlffError, match="was ended by SIGKILL, as happens when memory"):
            hopeless.result(60)
        assert after.result(60) == 8


def test_local_processes_see_their_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5,GPU-x")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    with LocalEngine(None, Resources(cpus=1, gpus=3)) as engine:
        assert engine.workers == 1
        gpus = engine.submit(environment, "CUDA_VISIBLE_DEVICES").result(60)
        threads = engine.submit(environment, "OMP_NUM_THREADS").result(60)
    assert (gpus, threads) == ("3,5,GPU-x", "1")
    with LocalEngine(8, Resources(gpus=1)) as engine:
        assert engine.workers == 3
    with pytest.raises(MlffError, match="a job needs 4 GPUs, 3 are visible"):
        LocalEngine(None, Resources(gpus=4))


def test_local_processes_do_not_outlive_an_interrupted_run(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    futures = []

    def run() -> None:
        with LocalEngine(1) as engine:
            futures.extend([engine.submit(sleep, str(mark)), engine.submit(double, 1)])
            wait_for(lambda: mark.exists() and mark.read_text(), "the process")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    running, waiting = futures
    assert waiting.cancelled()
    assert isinstance(running.exception(), MlffError)
    assert not Path(f"/proc/{mark.read_text()}").exists()


def test_local_processes_die_with_a_killed_controller(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path[:0] = sys.argv[2:]\n"
        "from pytest_mlff.scheduling.engines.local import LocalEngine; import time\n"
        "if __name__ == '__main__':\n"
        "    from support.slurm import train, Steps\n"
        "    LocalEngine(1).submit(train, Steps('a', sys.argv[1], steps=1000, seconds=0.1))\n"
        "    time.sleep(60)\n"
    )
    script = tmp_path / "controller.py"
    script.write_text(code)
    paths = [str(ROOT), str(ROOT / "tests")]
    controller = subprocess.Popen([sys.executable, str(script), str(tmp_path), *paths])
    trace = tmp_path / "a.trace"
    wait_for(trace.exists, "the training")
    controller.kill()
    controller.wait()
    pid = int(json.loads(trace.read_text().splitlines()[0])[2])
    wait_for(lambda: not _runs(pid), "its process to end")


def _runs(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


# The Slurm engine's decisions, on a queue that the test writes.


@dataclass
class FakeSlurm:
    """The queue and the desk of a cluster; jobs do what the test says."""

    store: Path
    states: dict[str, str] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)
    submitted: list[list[Task]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    away: bool = False
    refuses: str | None = None

    def submit(self, tasks: Any, folder: Path, token: str, *args: Any, **kwargs: Any) -> list[str]:
        if self.refuses:
            raise MlffError(self.refuses)
        self.submitted.append(list(tasks))
        number = 100 + len(self.submitted)
        ids = [f"{number}_{i}" for i in range(len(tasks))] if len(tasks) > 1 else [str(number)]
        folder.mkdir(parents=True)
        for job_id in ids:
            self.states[job_id] = "PENDING"
            self.comments[job_id] = token
        return ids

    def queue(self) -> dict[str, QueueEntry]:
        if self.away:
            raise SlurmUnreachableError("squeue failed: Unable to contact slurm controller")
        return {
            job_id: QueueEntry(job_id, state, "None", "n1", self.comments.get(job_id, ""))
            for job_id, state in self.states.items()
        }

    def cancel(self, job_ids: Any) -> None:
        self.cancelled += list(job_ids)

    def finish(self, job_id: str, kind: str, value: object) -> None:
        import pickle

        folder = JobRecords(self.store).folder(self.comments[job_id])
        scratch = folder / "scratch"
        scratch.write_bytes(pickle.dumps((kind, value)))
        scratch.replace(folder / f"{job_id}_0_result.pkl")


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    fake = FakeSlurm(tmp_path)
    monkeypatch.setattr(slurm_recorded, "submit", fake.submit)
    monkeypatch.setattr(slurm_commands, "queue", fake.queue)
    monkeypatch.setattr(slurm_commands, "cancel", fake.cancel)
    monkeypatch.setattr(slurm_commands, "require_slurm", lambda: None)
    monkeypatch.setattr(slurm_engine, "require_submitit", lambda: None)
    return fake


def _engine(store: Path, **changes: float) -> SlurmEngine:
    return SlurmEngine(store, **{"poll": 0.02, "settle": 0.04, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("state", ["CANCELLED", "NODE_FAIL", "TIMEOUT", "FAILED", "GONE"])
def test_a_job_without_a_result_is_submitted_again_thrice(slurm: FakeSlurm, state: str) -> None:
    with _engine(slurm.store) as engine:
        future = engine.submit(double, 1)
        while not future.done():
            job_id = future.job_id or ""
            if state == "GONE":
                slurm.states.pop(job_id, None)
            else:
                slurm.states[job_id] = state
            wait_for(lambda now=job_id: future.job_id != now or future.done(), "the engine")
        with pytest.raises(MlffError, match=rf"ended 4 times without a result, last as {state}; "):
            future.result()
    assert len(slurm.submitted) == 4
    # A job that is not in the queue may still be: it is ended before its successor begins.
    assert slurm.cancelled == (["101", "102", "103"] if state == "GONE" else [])


@pytest.mark.parametrize("state", ["COMPLETING", "SUSPENDED", "REQUEUE_HOLD", "RUNNING"])
def test_a_job_that_lives_is_left_alone(slurm: FakeSlurm, state: str) -> None:
    with _engine(slurm.store) as engine:
        future = engine.submit(double, 1)
        slurm.states["101"] = "FAILED"  # seen once, for less than the time to settle
        slurm.states["101"] = state
        time.sleep(0.3)
        assert future.running() is (state == "RUNNING")
        slurm.finish("101", "success", 2)
        assert future.result(30) == 2
    assert len(slurm.submitted) == 1


def test_a_late_result_is_waited_for(slurm: FakeSlurm) -> None:
    with _engine(slurm.store, settle=1.0) as engine:
        future = engine.submit(double, 1)
        slurm.states["101"] = "COMPLETED"
        time.sleep(0.3)
        slurm.finish("101", "success", 2)
        assert future.result(30) == 2
    assert len(slurm.submitted) == 1


def test_out_of_memory_is_an_error_at_once(slurm: FakeSlurm) -> None:
    with _engine(slurm.store) as engine:
        future = engine.submit(double, 1)
        slurm.states["101"] = "OUT_OF_MEMORY"
        with pytest.raises(MlffError, match="OUT_OF_MEMORY: raise memory_gb"):
            future.result(30)
    assert len(slurm.submitted) == 1


def test_slurm_may_be_away_for_a_while_but_not_for_ever(slurm: FakeSlurm) -> None:
    with _engine(slurm.store) as engine:
        future = engine.submit(double, 1)
        slurm.away = True
        time.sleep(0.2)
        slurm.away = False
        slurm.finish("101", "success", 2)
        assert future.result(30) == 2
    with _engine(slurm.store, patience=0.1) as engine:
        future = engine.submit(double, 2)
        slurm.away = True
        with pytest.raises(MlffError, match="Unable to contact slurm controller"):
            future.result(30)


def test_a_refused_resubmission_is_tried_again(slurm: FakeSlurm) -> None:
    with _engine(slurm.store) as engine:
        future = engine.submit(double, 1)
        slurm.refuses = "Slurm did not take the job: Unable to contact slurm controller"
        slurm.states["101"] = "CANCELLED"
        time.sleep(0.4)
        assert not future.done()
        slurm.refuses = None
        wait_for(lambda: future.job_id == "102", "the resubmission")
        record = JobRecords(slurm.store).read(future.key)
        assert record is not None
        assert record.ended == ("101 CANCELLED",)  # once, however often it was tried
        slurm.finish("102", "success", 2)
        assert future.result(30) == 2


def test_a_refused_submission_leaves_no_record_and_no_waiting_future(slurm: FakeSlurm) -> None:
    slurm.refuses = "Slurm did not take the job: invalid partition"
    with _engine(slurm.store) as engine:
        futures = []
        with pytest.raises(MlffError, match="invalid partition"), engine.batch():
            futures = [engine.submit(double, n) for n in range(3)]
        assert all(isinstance(future.exception(5), MlffError) for future in futures)
    assert JobRecords(slurm.store).all() == []


def test_many_jobs_are_few_arrays(slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm_recorded, "MAX_ARRAY", 10)
    with _engine(slurm.store) as engine:
        futures = map_jobs(engine, double, range(15))
        assert [len(tasks) for tasks in slurm.submitted] == [10, 5]
        assert futures[14].job_id == "102_4"
        engine.shutdown(wait=False)


def test_a_killed_controllers_jobs_are_found_also_by_their_token(slurm: FakeSlurm) -> None:
    first = _engine(slurm.store)
    keys = [future.key for future in map_jobs(first, double, [1, 2, 3])]
    first.shutdown(wait=False)
    records = JobRecords(slurm.store)
    # As if it had died before it could write the ids; the third never reached the queue.
    for key in keys:
        record = records.read(key)
        assert record is not None
        records.write(JobRecord(**{**vars(record), "job_id": None}))
    del slurm.states["101_2"]
    with _engine(slurm.store) as engine:
        futures = map_jobs(engine, double, [1, 2, 3])
        assert [future.job_id for future in futures] == ["101_0", "101_1", "102"]
        for job_id, value in (("101_0", 2), ("101_1", 4), ("102", 6)):
            slurm.finish(job_id, "success", value)
        assert [future.result(30) for future in futures] == [2, 4, 6]


def test_a_collected_result_is_not_taken_twice(slurm: FakeSlurm) -> None:
    with _engine(slurm.store) as engine:
        future = engine.submit(double, 1)
        slurm.finish("101", "success", 2)
        assert future.result(30) == 2
        again = engine.submit(double, 1)
        assert again.job_id == "102"
        slurm.finish("102", "success", 2)
        assert again.result(30) == 2


def test_two_controllers_do_not_both_submit_again(slurm: FakeSlurm) -> None:
    with _engine(slurm.store) as one, _engine(slurm.store) as two:
        futures = [one.submit(double, 1), two.submit(double, 1)]
        assert [future.job_id for future in futures] == ["101", "101"]
        slurm.states["101"] = "CANCELLED"
        wait_for(lambda: {future.job_id for future in futures} == {"102"}, "both to follow")
        slurm.finish("102", "success", 2)
        assert [future.result(30) for future in futures] == [2, 2]
    assert len(slurm.submitted) == 2


def test_futures_can_be_waited_for_and_cancelled(slurm: FakeSlurm) -> None:
    with _engine(slurm.store) as engine:
        same, other = engine.submit(double, 1), engine.submit(double, 1)
        assert same.cancel()
        assert slurm.cancelled == []  # somebody else waits for the job
        assert other.cancel()
        assert slurm.cancelled == ["101"]
        assert wait([same, other], timeout=5).not_done == set()
        with pytest.raises(CancelledError):
            other.result(0)
        new = engine.submit(double, 1)
        assert new.job_id == "102"
        engine.shutdown(wait=True, cancel_futures=True)
        assert new.cancelled()
        with pytest.raises(RuntimeError, match="shut down"):
            engine.submit(double, 2)


def test_an_interrupted_run_leaves_its_jobs_alone(slurm: FakeSlurm) -> None:
    def run() -> None:
        with _engine(slurm.store) as engine:
            engine.submit(double, 1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert slurm.cancelled == []
    (record,) = JobRecords(slurm.store).all()
    assert record.open


def test_an_exception_within_a_batch_submits_nothing(slurm: FakeSlurm) -> None:
    with _engine(slurm.store) as engine:
        futures = []

        def submit_and_fail() -> None:
            with engine.batch():
                futures.append(engine.submit(double, 1))
                raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            submit_and_fail()
        assert futures[0].cancelled()
        assert list(engine.map(double, [])) == []
    assert slurm.submitted == []


# What is written into the batch script.


def test_the_batch_script_says_what_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("submitit")
    for name, text in (
        ("sbatch", f'cat "$1" > {tmp_path}/script; env > {tmp_path}/env; echo job 7'),
        ("srun", "exit 1"),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setenv("SLURM_MEM_PER_CPU", "5")
    monkeypatch.setenv("SLURM_CONF", "kept")
    resources = Resources(4, 2, 1.5, 1, "gpu", {"account": "chem", "exclusive": True})
    ids = submit(
        [Task(double, (1,))], tmp_path / "job", "token", resources, name="mlff", timeouts=3
    )
    assert ids == ["7"]
    lines = (tmp_path / "script").read_text().splitlines()
    for line in (
        "--requeue", "--signal=USR2@15", "--comment=token", "--time=1", "--cpus-per-task=4",
        "--gpus-per-node=2", "--mem=1536MB", "--partition=gpu", "--account=chem", "--exclusive",
        "--open-mode=append",
    ):  # fmt: skip
        assert f"#SBATCH {line}" in lines
    assert "export OMP_NUM_THREADS=4 MKL_NUM_THREADS=4" in lines
    # A controller that itself runs in a job must not hand that job's settings on.
    seen = (tmp_path / "env").read_text()
    assert "SLURM_MEM_PER_CPU" not in seen
    assert "SLURM_CONF=kept" in seen
    assert os.environ["SLURM_MEM_PER_CPU"] == "5"


# The command.


@pytest.mark.parametrize(
    "words, said",
    [
        (["list", "--mlff-store=none"], "no store at none: say --mlff-store=DIR"),
        (["cancel"], "name jobs (see mlff jobs list), or say --all"),
        (["cancel", "1", "--all"], "name jobs (see mlff jobs list), or say --all"),
        (["cancel", "1"], "no job '1'"),
        (["tail", "1"], "no job '1' in .mlff-store (known, newest last: none at all)"),
        (["tail", "1", "-n", "0"], "--lines: 0 is too small"),
    ],
)
def test_bad_input_of_the_command_is_one_line(
    slurm: FakeSlurm,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(slurm.store)
    (slurm.store / ".mlff-store").mkdir()
    assert main(["jobs", *words]) == 4
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_the_command_lists_every_kind_of_state(
    slurm: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    where = f"--mlff-store={slurm.store}"
    assert main(["jobs", where]) == 0
    assert capsys.readouterr().out == f"no jobs in {slurm.store}\n"
    engine = _engine(slurm.store, poll=60.0)
    map_jobs(engine, double, range(6))
    engine.shutdown(wait=False)
    slurm.finish("101_0", "success", "x")
    slurm.finish("101_1", "error", "success")
    slurm.states["101_2"] = "RUNNING"
    del slurm.states["101_3"]
    assert main(["jobs", "cancel", "101_4", where]) == 0
    assert slurm.cancelled == ["101_4"]
    assert main(["jobs", "cancel", "101_0", where]) == 0
    assert slurm.cancelled == ["101_4"]
    assert "101_0 had already ended" in capsys.readouterr().out
    main(["jobs", where])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert {row[0]: row[1] for row in rows} == {
        "101_0": "done", "101_1": "failed", "101_2": "running", "101_3": "lost",
        "101_4": "cancelled", "101_5": "pending",
    }  # fmt: skip
    assert main(["jobs", "tail", "101_2", where]) == 4
    assert "job 101_2 is running and has written no log yet" in capsys.readouterr().err
    slurm.away = True
    main(["jobs", where])
    assert "unknown (no answer from Slurm)" in capsys.readouterr().out
    slurm.away = False
    assert main(["jobs", "cancel", "--all", where]) == 0
    assert set(slurm.cancelled) == {"101_2", "101_3", "101_4", "101_5"}


# The yardstick of the tests on a real cluster.


@pytest.mark.parametrize(
    "second",
    [
        pytest.param([0, 1, 2, 3, 4, 5], id="begins anew"),
        pytest.param([2, 3, 4, 5], id="repeats a step before its checkpoint"),
        pytest.param([4, 5], id="leaves a step out"),
        pytest.param([3, 4], id="does not finish"),
        pytest.param(None, id="was never interrupted"),
    ],
)
def test_the_yardstick_catches(tmp_path: Path, second: list[int] | None) -> None:
    job = Steps("a", str(tmp_path))
    trace = tmp_path / "a.trace"

    def write(*legs: list[int]) -> None:
        lines = [
            json.dumps([step, "n1", pid, 0]) for pid, leg in enumerate(legs, 1) for step in leg
        ]
        trace.write_text("\n".join(lines))

    write([0, 1, 2, 3], [3, 4, 5])
    assert_goes_on(job)
    write(*([[0, 1, 2, 3], second] if second is not None else [[0, 1, 2, 3, 4, 5]]))
    with pytest.raises(AssertionError):
        assert_goes_on(job)
