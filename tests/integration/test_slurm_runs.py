"""Whole runs whose trainings are jobs of a real Slurm of two nodes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.repos import OWN_FAMILY
from support.slurm import (
    Steps,
    assert_goes_on,
    hurry,
    is_held,
    kill,
    legs,
    reached,
    slurm,
    wait_for,
)

from pytest_mlff.cli.main import main
from pytest_mlff.scheduling.engines.jobs import JobRecords
from pytest_mlff.scheduling.engines.registry import Resources, map_jobs
from pytest_mlff.scheduling.engines.slurm import SlurmEngine

if TYPE_CHECKING:
    from pathlib import Path

SPEC = """\
schema_version: 1
title: Two sizes of ethanol
source: {paper: made for this test, section: none}
datasets:
  embedded:
axes:
  samples: [20, 40]
variant: "ethanol-n{samples}"
frames:
  train: {molecules: ethanol, end: 90, pick: random, count: samples}
  validation: {molecules: ethanol, end: 90, pick: random, count: 5}
  test: {molecules: ethanol, start: 95}
cases:
  - metric: force_mae
    thresholds: [{max: 10000, unit: meV/Å, provenance: {source: physical_limit,
                  reference: made for this test}}]
"""
TRAINER = """
import json, os, time
from pathlib import Path

HERE = Path(__file__).parent


def fit(fixture, config, out_dir):
    name = fixture.variant.rpartition("-")[2]
    checkpoint = out_dir / "steps"
    done = int(checkpoint.read_text()) if checkpoint.exists() else 0
    print(name, "from step", done, flush=True)
    for step in range(done, config["steps"]):
        while step == config.get("wait_at") and not (HERE / "gate").exists():
            time.sleep(0.05)
        time.sleep(config.get("seconds", 0))
        with (HERE / f"{name}.trace").open("a") as trace:
            trace.write(json.dumps([step, os.environ["SLURMD_NODENAME"], os.getpid(), done]))
            trace.write("\\n")
        if (step + 1) % config["every"] == 0:
            checkpoint.write_text(str(step + 1))
    (out_dir / "weights.mine").write_text(name)
    return "weights.mine"
"""
CONFTEST = f"""
{OWN_FAMILY}

# For a cluster that answers at once: see support/slurm.py.
from pytest_mlff.scheduling.engines.slurm import SlurmEngine

SlurmEngine.__init__.__kwdefaults__.update(poll=0.2, settle=0.5)
"""
# As a terminal's foreground job: one in the background would have Ctrl-C ignored.
PYTEST = """
import signal, sys
import pytest

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(pytest.main())
"""
ARGUMENTS = (
    "--mlff-model=recipe.yaml",
    "--mlff-suite=specs/sizes.yaml",
    "--mlff-only",
    "--mlff-engine=slurm",
    "--mlff-report=report.json",
)


@pytest.fixture
def repo(slurm_cluster: Path, tmp_path: Path) -> Path:
    """A model repository with a trainer that takes steps, and a model that takes no time."""
    (tmp_path / "specs").mkdir()
    spec = SPEC.replace("[20, 40]", "[20, 40, 60]")
    (tmp_path / "specs" / "sizes.yaml").write_text(spec, encoding="utf-8")
    (tmp_path / "trainers.py").write_text(TRAINER)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    return tmp_path


def _recipe(repo: Path, config: str, resources: str = "{}", name: str = "recipe") -> None:
    (repo / f"{name}.yaml").write_text(
        "schema_version: 1\ntrainer: trainers.py:fit\nbudget: 60\n"
        f"config: {config}\nresources: {resources}\n"
    )


def _pytest(repo: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PYTEST, *ARGUMENTS, *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=repo, stdout=pipe, stderr=pipe, text=True)


def _ids(repo: Path) -> dict[str, str | None]:
    records = JobRecords(repo / ".mlff-store").all()
    return {record.name.rpartition("-")[2]: record.job_id for record in records}


def test_a_suite_is_trained_and_tested_whatever_happens_meanwhile(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C, SIGKILL, then scancel."""
    _recipe(repo, "{steps: 6, every: 3, wait_at: 4}")
    jobs = [Steps(name, str(repo), every=3, wait_at=4) for name in ("n20", "n40")]
    where = f"--mlff-store={repo / '.mlff-store'}"

    first = _pytest(repo, "-n2", "-k", "n20 or n40")
    wait_for(reached(*jobs), "both trainings to run")
    ids = _ids(repo)
    assert set(ids) == {"n20", "n40"}
    assert main(["jobs", where]) == 0
    rows = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()}
    assert {rows[str(job_id)][1] for job_id in ids.values()} == {"running"}
    first.send_signal(signal.SIGINT)
    _, errors = first.communicate(timeout=30)
    assert first.returncode == pytest.ExitCode.INTERRUPTED
    (said,) = [line for line in errors.splitlines() if "go on" in line]
    assert said.endswith(
        "engine slurm: 2 jobs go on, and the next run with this store waits for what it needs "
        f"(`mlff jobs {where}` lists and cancels)"
    )

    second = _pytest(repo, "-n0", "-k", "n20 or n40")
    assert second.stderr is not None
    assert second.stderr.readline() == ("engine slurm: 2 trainings, 0 in the store, 2 to do\n")
    kill(second)
    assert _ids(repo) == ids
    assert set(slurm("squeue", "-h", "-r", "-o", "%i").split()) == set(ids.values())

    third = _pytest(repo, "-n2", "-k", "n20 or n40")
    assert third.stderr is not None
    third.stderr.readline()
    slurm("scancel", str(ids["n20"]))
    wait_for(lambda: _ids(repo)["n20"] != ids["n20"], "n20 to be submitted again")
    (repo / "gate").touch()
    out, errors = third.communicate(timeout=120)
    assert third.returncode == 0, out + errors
    assert "2 passed" in out
    # On a busy machine the workers say what they wait for.
    told = [line[:8] for line in errors.splitlines() if not line.startswith("[gw")]
    assert told == ["[1/2] ok", "[2/2] ok"]
    assert _ids(repo)["n40"] == ids["n40"]
    # n40 was trained once, and n20 went on from its checkpoint.
    assert legs(jobs[1]) == [list(range(6))]
    assert legs(jobs[0]) == [[0, 1, 2, 3], [3, 4, 5]]
    cases = json.loads((repo / "report.json").read_text())["cases"]
    assert {case["verdict"] for case in cases} == {"passed"}


def test_resources_of_each_recipe_reach_slurm(
    repo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also through ``mlff train``, which attaches to the jobs of a run."""
    config = "{steps: 2, every: 1, wait_at: 1}"
    _recipe(repo, config, "{minutes: 7, memory_gb: 0.25, extra: {nice: 5}}")
    _recipe(repo, config.replace("every: 1", "every: 2"), "{minutes: 9}", name="other")
    run = _pytest(repo, "-k", "n20", "--mlff-model=other.yaml")
    store = JobRecords(repo / ".mlff-store")
    wait_for(lambda: len([r for r in store.all() if r.job_id]) == 2, "two jobs")

    def jobs() -> list[str]:
        return [slurm("scontrol", "show", "job", str(record.job_id)) for record in store.all()]

    # Of a job that is not scheduled yet Slurm does not tell everything.
    wait_for(lambda: all("JobState=RUNNING" in text for text in jobs()), "both to run")
    shown = jobs()
    (small,) = [text for text in shown if "TimeLimit=00:07:00" in text]
    (large,) = [text for text in shown if "TimeLimit=00:09:00" in text]
    assert "Nice=5 " in small
    assert "MinMemoryNode=256M" in small, small
    assert "Nice=0 " in large
    kill(run)

    monkeypatch.chdir(repo)
    (repo / "gate").touch()
    spec = repo / "specs" / "sizes.yaml"
    spec.write_text(spec.read_text().replace("[20, 40, 60]", "[20]"))
    before = _ids(repo)
    words = ["train", "recipe.yaml", "--mlff-suite=specs/sizes.yaml", "--mlff-engine=slurm"]
    assert main(words) == 0
    shown_now = capsys.readouterr()
    assert shown_now.out == "1 trainings for 1 variants: 0 in the store, 1 to do\n"
    assert "[1/1] ok specs/sizes/ethanol-n20: " in shown_now.err
    assert _ids(repo) == before

    _recipe(repo, config.replace("steps: 2", "steps: 3"), "{partition: nowhere}")
    assert main(words) == 4
    shown_now = capsys.readouterr()
    # Ahead of our one line submitit shows what sbatch itself said.
    (line,) = [one for one in shown_now.err.splitlines() if not one.startswith("sbatch: ")]
    assert line.startswith("mlff: Slurm did not take the job: ")
    assert "invalid partition" in line
    refused = _pytest(repo)
    out, errors = refused.communicate(timeout=60)
    assert refused.returncode == pytest.ExitCode.USAGE_ERROR
    (line,) = [one for one in errors.splitlines() if one.startswith("ERROR: ")]
    assert line.startswith("ERROR: Slurm did not take the job: invalid partition")
    assert "Traceback" not in out + errors


def test_a_training_that_fails_on_the_cluster(repo: Path) -> None:
    """With workers its twin without a cluster: tests/integration/test_engine_option.py."""
    _recipe(repo, "{steps: 2}")
    run = _pytest(repo, "-n0", "-k", "n20")
    out, errors = run.communicate(timeout=120)
    assert run.returncode == 1, out + errors
    (case,) = json.loads((repo / "report.json").read_text())["cases"]
    assert case["verdict"] == "error"
    job_id = _ids(repo)["n20"]
    assert case["reason"].startswith(f"Slurm job {job_id} ")
    assert "specs/sizes/ethanol-n20: raised KeyError: 'every'; log " in case["reason"]
    assert "\n" not in case["reason"]


STAGED_TRAINER = """
import os
from pathlib import Path

HERE = Path(__file__).parent


def fit(fixture, config, out_dir):
    start = fixture.start.read_text() if fixture.start else "nothing"
    with (HERE / "order").open("a") as order:
        order.write(f"{config['name']} from {start}, job {os.environ['SLURM_JOB_ID']}\\n")
    if config["name"] == "broken" and not (HERE / "mended").exists():
        raise ValueError("out of luck")
    (out_dir / "weights.mine").write_text(config["name"])
    return "weights.mine"


fit.heeds = ("from",)
"""
STAGED = """
schema_version: 1
trainer: trainers.py:fit
budget: 60
tested: "{method}"
stages:
  finetune: {frames: train, from: pretrain, config: {name: finetune}}
  pretrain: {frames: train, from: teacher, config: {name: pretrain}}
  teacher: {frames: train, config: {name: teacher}}
  child: {frames: train, from: broken, config: {name: child}}
  broken: {frames: train, config: {name: broken}}
config: {}
"""


def test_stages_are_jobs_in_order_and_a_failed_one_stops_its_children(
    repo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also that a rerun repeats no stage that ended well."""
    monkeypatch.chdir(repo)
    (repo / "trainers.py").write_text(STAGED_TRAINER)
    (repo / "recipe.yaml").write_text(STAGED)
    spec = repo / "specs" / "sizes.yaml"
    spec.write_text(
        spec.read_text()
        .replace("samples: [20, 40, 60]", "method: [finetune, child]")
        .replace("n{samples}", "{method}")
        .replace("count: samples", "count: 20")
    )
    words = ["train", "recipe.yaml", "--mlff-suite=specs/sizes.yaml", "--mlff-engine=slurm"]
    assert main(words) == 1
    told = capsys.readouterr()
    assert told.out == "5 trainings for 2 variants: 0 in the store, 5 to do\n"

    def done() -> list[tuple[str, str]]:
        lines = (repo / "order").read_text().splitlines()
        return [(stage, job) for stage, _, job in (line.partition(", job ") for line in lines)]

    stages = [stage for stage, _ in done()]
    assert sorted(stages[:2]) == ["broken from nothing", "teacher from nothing"]
    assert stages[2:] == ["pretrain from teacher", "finetune from pretrain"]
    assert len({job for _, job in done()}) == 4
    failed = [line for line in told.err.splitlines() if "FAILED" in line]
    assert len(failed) == 2, told.err
    assert "raised ValueError: out of luck; log " in failed[0]
    assert failed[1].startswith("[3/5] FAILED specs/sizes/ethanol-child, stage child: ")
    assert failed[1].endswith("stage broken failed")

    (repo / "mended").touch()
    assert main(words) == 0
    assert "3 in the store, 2 to do\n" in capsys.readouterr().out
    assert [stage for stage, _ in done()[4:]] == ["broken from nothing", "child from broken"]


@pytest.mark.slow
def test_a_run_outlasts_the_time_limit_of_its_jobs(repo: Path) -> None:
    """Slurm's shortest limit is a minute, and it looks every half minute."""
    _recipe(repo, "{steps: 130, every: 4, seconds: 0.5}", "{minutes: 1}")
    job = Steps("n20", str(repo), steps=130, every=4)
    run = _pytest(repo, "-k", "n20")
    wait_for(lambda: _ids(repo).get("n20"), "the job")
    job_id = str(_ids(repo)["n20"])
    wait_for(lambda: is_held(job_id), "the job to be queued again", 150)
    hurry(job_id)
    out, errors = run.communicate(timeout=200)
    assert run.returncode == 0, out + errors
    assert _ids(repo)["n20"] == job_id
    assert_goes_on(job)


@pytest.mark.slow
def test_nequip_trains_on_the_cluster_and_goes_on_after_scancel(
    slurm_cluster: Path, pytester: pytest.Pytester
) -> None:
    pytest.importorskip("nequip")
    from support.tiny_nequip import small_recipe

    from pytest_mlff.cli import train as train_command
    from pytest_mlff.cli.main import build_parser
    from pytest_mlff.training.runner import run_job, stored_result

    (pytester.path / "small.yaml").write_text(small_recipe(1200), encoding="utf-8")
    (pytester.path / "specs").mkdir()
    (pytester.path / "specs" / "sizes.yaml").write_text(SPEC, encoding="utf-8")
    store = pytester.path / ".mlff-store"
    words = ["train", "small.yaml", "--suite", "specs/sizes.yaml"]
    wanted = train_command.wanted(build_parser().parse_args(words)).wanted
    jobs = [one.job for one in wanted]
    with SlurmEngine(store, Resources(), poll=0.5, settle=1.0) as engine:
        futures = map_jobs(engine, run_job, jobs)
        first = futures[0].job_id
        wait_for(jobs[0].folder.joinpath("last.ckpt").exists, "a checkpoint", 180)
        assert not futures[0].done(), "it was too quick to be interrupted"
        slurm("scancel", str(first))
        results = [future.result(300) for future in futures]
        assert futures[0].job_id != first
    log = (jobs[0].folder / "training.log").read_text()
    assert "Continuing training with checkpoint file" in log
    assert log.count("Starting fresh training") == 1
    for job, result in zip(jobs, results, strict=True):
        assert result.trained
        assert result.steps == 1200
        # What the checkpoint held is not done twice.
        steps = [step for step, _, _ in result.loss]
        assert steps == sorted(set(steps))
        kept = stored_result(job)
        assert kept is not None
        assert kept.sha256 == result.sha256
    tested = pytester.runpytest_inprocess(
        "--mlff-model=small.yaml", "--mlff-suite=specs/sizes.yaml", "--mlff-only"
    )
    tested.assert_outcomes(passed=2)
    assert [stored_result(job).checkpoint.stat().st_mtime_ns for job in jobs] == [  # type: ignore[union-attr]
        result.checkpoint.stat().st_mtime_ns for result in results
    ]
