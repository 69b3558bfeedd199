"""The engine on a real Slurm of two nodes, started by ``.ci/slurm-cluster``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.slurm import (
    SCRIPT,
    Steps,
    assert_goes_on,
    cluster,
    fail_node,
    hurry,
    is_held,
    kill,
    legs,
    mend_node,
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


@pytest.fixture(scope="module")
def slurm_cluster() -> Iterator[Path]:
    with cluster() as folder:
        yield folder


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


def _reached(*jobs: Steps) -> Callable[[], bool]:
    """All jobs have done what they do before they wait."""
    return lambda: all(
        job.wait_at is not None and (job.wait_at - 1) in [line.step for line in read_trace(job)]
        for job in jobs
    )


def test_an_array_runs_on_both_nodes(slurm_cluster: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    jobs = [Steps(name, str(tmp_path), wait_at=1, gate=str(gate)) for name in "abcd"]
    # The engine as users get it, through its name.
    with open_engine("slurm", store=tmp_path / "store", resources=Resources(cpus=1)) as engine:
        futures = map_jobs(engine, train, jobs)
        ids = [future.job_id for future in futures]
        wait_for(_reached(*jobs), "all four to run at once")
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
    wait_for(_reached(job), "the job to be past its checkpoint")
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
    wait_for(_reached(job), "the job to be past its checkpoint")
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
    wait_for(_reached(job), "the job to be past its checkpoint")
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
    wait_for(_reached(*jobs), "the jobs to run")
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
    wait_for(lambda: future.running() and _reached(job)(), "the job to run")
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
    wait_for(_reached(*jobs), "the jobs to run")
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
SMALLER = {
    "max_steps: 800": "max_steps: 1200",
    "num_features: 16": "num_features: 4",
    "val_check_interval: 100": "val_check_interval: 4",
    "log_every_n_steps: 20": "log_every_n_steps: 2",
    "every_n_train_steps: 50": "every_n_train_steps: 5",
    "batch_size: 5, shuffle": "batch_size: 2, shuffle",
}


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
ADAPTER = """
class Mine:
    family = "mine"
    extra = "none"

    def recognises(self, kind):
        return kind.path.suffix == ".mine"

    def load(self, kind, options):
        from ase.calculators.lj import LennardJones
        from pytest_mlff.potentials.families.ase import AsePotential

        return AsePotential.wrap(LennardJones(), source=options.source, name=options.name)


def pytest_mlff_adapters(config):
    return [Mine()]
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
    (tmp_path / "conftest.py").write_text(ADAPTER)
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
    wait_for(_reached(*jobs), "both trainings to run")
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
    _recipe(repo, "{steps: 2}")
    run = _pytest(repo, "-n2", "-k", "n20")
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
    from pytest_mlff.cli import train as train_command
    from pytest_mlff.cli.main import build_parser
    from pytest_mlff.potentials.source import RECIPE_FOLDER
    from pytest_mlff.training.runner import run_job, stored_result

    recipe = (RECIPE_FOLDER / "nequip_small.yaml").read_text(encoding="utf-8")
    for old, new in SMALLER.items():
        assert old in recipe
        recipe = recipe.replace(old, new)
    (pytester.path / "small.yaml").write_text(recipe, encoding="utf-8")
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
