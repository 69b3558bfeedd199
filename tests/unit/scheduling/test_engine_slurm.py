"""The Slurm engine's decisions, on a queue that the test writes."""

from __future__ import annotations

import os
import time
from concurrent.futures import CancelledError, wait
from pathlib import Path

import pytest
from support.engine_jobs import double
from support.fake_slurm import FakeSlurm, engine_on
from support.slurm import wait_for

from pytest_mlff.errors import MlffError
from pytest_mlff.scheduling.engines import slurm_recorded
from pytest_mlff.scheduling.engines.jobs import JobRecord, JobRecords
from pytest_mlff.scheduling.engines.registry import Resources, map_jobs
from pytest_mlff.scheduling.engines.slurm_submission import Task, submit


@pytest.mark.parametrize("state", ["CANCELLED", "NODE_FAIL", "TIMEOUT", "FAILED", "GONE"])
def test_a_job_without_a_result_is_submitted_again_thrice(slurm: FakeSlurm, state: str) -> None:
    with engine_on(slurm.store) as engine:
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
    with engine_on(slurm.store) as engine:
        future = engine.submit(double, 1)
        slurm.states["101"] = "FAILED"  # seen once, for less than the time to settle
        slurm.states["101"] = state
        time.sleep(0.3)
        assert future.running() is (state == "RUNNING")
        slurm.finish("101", "success", 2)
        assert future.result(30) == 2
    assert len(slurm.submitted) == 1


def test_a_late_result_is_waited_for(slurm: FakeSlurm) -> None:
    with engine_on(slurm.store, settle=1.0) as engine:
        future = engine.submit(double, 1)
        slurm.states["101"] = "COMPLETED"
        time.sleep(0.3)
        slurm.finish("101", "success", 2)
        assert future.result(30) == 2
    assert len(slurm.submitted) == 1


def test_out_of_memory_is_an_error_at_once(slurm: FakeSlurm) -> None:
    with engine_on(slurm.store) as engine:
        future = engine.submit(double, 1)
        slurm.states["101"] = "OUT_OF_MEMORY"
        with pytest.raises(MlffError, match="OUT_OF_MEMORY: raise memory_gb"):
            future.result(30)
    assert len(slurm.submitted) == 1


def test_slurm_may_be_away_for_a_while_but_not_for_ever(slurm: FakeSlurm) -> None:
    with engine_on(slurm.store) as engine:
        future = engine.submit(double, 1)
        slurm.away = True
        time.sleep(0.2)
        slurm.away = False
        slurm.finish("101", "success", 2)
        assert future.result(30) == 2
    with engine_on(slurm.store, patience=0.1) as engine:
        future = engine.submit(double, 2)
        slurm.away = True
        with pytest.raises(MlffError, match="Unable to contact slurm controller"):
            future.result(30)


def test_a_refused_resubmission_is_tried_again(slurm: FakeSlurm) -> None:
    with engine_on(slurm.store) as engine:
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
    with engine_on(slurm.store) as engine:
        futures = []
        with pytest.raises(MlffError, match="invalid partition"), engine.batch():
            futures = [engine.submit(double, n) for n in range(3)]
        assert all(isinstance(future.exception(5), MlffError) for future in futures)
    assert JobRecords(slurm.store).all() == []


def test_many_jobs_are_few_arrays(slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm_recorded, "MAX_ARRAY", 10)
    with engine_on(slurm.store) as engine:
        futures = map_jobs(engine, double, range(15))
        assert [len(tasks) for tasks in slurm.submitted] == [10, 5]
        assert futures[14].job_id == "102_4"
        engine.shutdown(wait=False)


def test_a_killed_controllers_jobs_are_found_also_by_their_token(slurm: FakeSlurm) -> None:
    first = engine_on(slurm.store)
    keys = [future.key for future in map_jobs(first, double, [1, 2, 3])]
    first.shutdown(wait=False)
    records = JobRecords(slurm.store)
    # As if it had died before it could write the ids; the third never reached the queue.
    for key in keys:
        record = records.read(key)
        assert record is not None
        records.write(JobRecord(**{**vars(record), "job_id": None}))
    del slurm.states["101_2"]
    with engine_on(slurm.store) as engine:
        futures = map_jobs(engine, double, [1, 2, 3])
        assert [future.job_id for future in futures] == ["101_0", "101_1", "102"]
        for job_id, value in (("101_0", 2), ("101_1", 4), ("102", 6)):
            slurm.finish(job_id, "success", value)
        assert [future.result(30) for future in futures] == [2, 4, 6]


def test_a_collected_result_is_not_taken_twice(slurm: FakeSlurm) -> None:
    with engine_on(slurm.store) as engine:
        future = engine.submit(double, 1)
        slurm.finish("101", "success", 2)
        assert future.result(30) == 2
        again = engine.submit(double, 1)
        assert again.job_id == "102"
        slurm.finish("102", "success", 2)
        assert again.result(30) == 2


def test_two_controllers_do_not_both_submit_again(slurm: FakeSlurm) -> None:
    with engine_on(slurm.store) as one, engine_on(slurm.store) as two:
        futures = [one.submit(double, 1), two.submit(double, 1)]
        assert [future.job_id for future in futures] == ["101", "101"]
        slurm.states["101"] = "CANCELLED"
        wait_for(lambda: {future.job_id for future in futures} == {"102"}, "both to follow")
        slurm.finish("102", "success", 2)
        assert [future.result(30) for future in futures] == [2, 2]
    assert len(slurm.submitted) == 2


def test_futures_can_be_waited_for_and_cancelled(slurm: FakeSlurm) -> None:
    with engine_on(slurm.store) as engine:
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
        with engine_on(slurm.store) as engine:
            engine.submit(double, 1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert slurm.cancelled == []
    (record,) = JobRecords(slurm.store).all()
    assert record.open


def test_an_exception_within_a_batch_submits_nothing(slurm: FakeSlurm) -> None:
    with engine_on(slurm.store) as engine:
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
