"""One training: its address, its checkpoint in the store, and what an interruption leaves."""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_mlff.datasets.dataset import Dataset
from pytest_mlff.datasets.frames import Frames
from pytest_mlff.datasets.splits import FrameSets, IndexSet
from pytest_mlff.errors import MlffError
from pytest_mlff.store import Store, StoreWarning
from pytest_mlff.training.job import TrainingJob, training_job
from pytest_mlff.training.recipe import load_recipe
from pytest_mlff.training.runner import run_job, stored_result
from pytest_mlff.training.trainers.registry import open_trainer

TRAINERS = '''\
import os
import time
from pathlib import Path


def fit(fixture, config, out_dir):
    """Counts its calls; the checkpoint holds what it was handed."""
    calls = out_dir / "calls"
    calls.write_text(calls.read_text() + "x" if calls.exists() else "x")
    assert fixture.train_file.is_file()
    text = f"{len(fixture.train)} {fixture.seed} {fixture.budget_seconds} {config['size']}"
    (out_dir / "model.ckpt").write_text(text + f" {fixture.train.energy.tolist()!r}")
    return out_dir / "model.ckpt"


def elsewhere(fixture, config, out_dir):
    path = Path(__file__).with_name("far.ckpt")
    path.write_text("far")
    return path


def raises(fixture, config, out_dir):
    raise ValueError("two\\nlines")


def leaves(fixture, config, out_dir):
    raise SystemExit(3)


def nothing(fixture, config, out_dir):
    return None


def number(fixture, config, out_dir):
    return 3


def gone(fixture, config, out_dir):
    return "gone.ckpt"


def counts(fixture, config, out_dir):
    """Ten steps with a checkpoint after each; is killed after the fourth, the first time."""
    done = out_dir / "steps"
    at = int(done.read_text()) if done.exists() else 0
    log = out_dir / "log"
    for step in range(at, 10):
        with log.open("a") as stream:
            stream.write(f"{step} ")
        done.write_text(str(step + 1))
        if step == 3 and at == 0:
            os.kill(os.getpid(), 9)
    (out_dir / "model.ckpt").write_text(log.read_text())
    return "model.ckpt"
'''


def _frames(count: int, offset: float = 0.0) -> Frames:
    rng = np.random.default_rng(count)
    numbers = np.array([8, 1, 1])
    return Frames.of_one_molecule(
        numbers,
        rng.normal(size=(count, 3, 3)),
        energy=rng.normal(size=count) + offset,
        forces=rng.normal(size=(count, 3, 3)),
    )


def _set(frames: Frames) -> IndexSet:
    dataset = Dataset("made", "water", frames, "none", None, "CC0", "memory", "0" * 64)
    return IndexSet({"water": np.arange(len(frames))}, {"water": dataset})


@pytest.fixture
def made(tmp_path: Path) -> Any:
    (tmp_path / "trainers.py").write_text(TRAINERS)

    def job(
        trainer: str = "fit", *, train: int = 4, extra: str = "", reference: str = "none"
    ) -> TrainingJob:
        path = tmp_path / "recipe.yaml"
        path.write_text(
            f"schema_version: 1\ntrainer: trainers.py:{trainer}\nbudget: 5\n"
            f"config: {{size: 3}}\n{extra}"
        )
        recipe = load_recipe(path)
        sets = FrameSets(
            test=_set(_frames(2)), train=_set(_frames(train, -50.0)), validation=_set(_frames(3))
        )
        return training_job(
            recipe,
            open_trainer(recipe),
            sets,
            store_root=tmp_path / "store",
            variant="s/s/v",
            reference=reference,
        )

    return job


def test_a_training_is_done_once(made: Any) -> None:
    job = made()
    first = run_job(job)
    second = run_job(made())
    assert (first.trained, second.trained) == (True, False)
    assert second == replace(first, trained=False)
    assert (job.folder / "calls").read_text() == "x"
    assert first.checkpoint.read_text().startswith("4 0 5 3 ")


def test_a_job_survives_pickling(made: Any) -> None:
    job = made()
    copied = pickle.loads(pickle.dumps(job))
    assert (copied.digest, copied.folder) == (job.digest, job.folder)
    assert run_job(copied).trained
    assert not run_job(job).trained


@pytest.mark.parametrize(
    "change",
    [
        {"train": 5},
        {"extra": "seed: 1\n"},
        {"reference": "regression"},
        {"trainer": "elsewhere"},
        {"extra": "checkpoint: model.ckpt\n"},
    ],
    ids=str,
)
def test_what_the_outcome_depends_on_is_in_the_address(made: Any, change: dict[str, Any]) -> None:
    assert made().digest == made().digest
    assert made(**change).digest != made().digest


def test_a_damaged_checkpoint_is_not_trusted(made: Any) -> None:
    job = made()
    checkpoint = run_job(job).checkpoint
    checkpoint.write_text("something else")
    assert stored_result(job) is None
    with pytest.warns(StoreWarning, match="damaged"):
        again = run_job(job)
    assert again.trained
    assert again.checkpoint.read_text().startswith("4 0 5 3 ")


def test_a_note_that_is_damaged_begins_again(made: Any) -> None:
    job = made()
    run_job(job)
    note = Store(job.store_root).path("trainings", job.key, ".json")
    note.write_bytes(note.read_bytes().replace(b'"seconds"', b'"Seconds"'))
    with pytest.warns(StoreWarning, match="computed again"):
        again = run_job(job)
    assert again.trained
    # Files that nothing vouches for any more are not those of an interrupted training.
    assert (job.folder / "calls").read_text() == "x"


def test_a_training_that_cannot_be_kept_is_one_line(made: Any) -> None:
    job = made()
    job.store_root.write_text("no folder")
    with pytest.warns(StoreWarning), pytest.raises(MlffError) as caught:
        run_job(job)
    assert "s/s/v: the training cannot be kept" in str(caught.value)
    assert "--mlff-store=DIR" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_left_elsewhere_is_taken_into_the_store(made: Any, tmp_path: Path) -> None:
    job = made("elsewhere")
    result = run_job(job)
    (tmp_path / "far.ckpt").unlink()
    assert result.checkpoint.is_relative_to(job.folder)
    assert stored_result(job) is not None


@pytest.mark.parametrize(
    "trainer, message",
    [
        ("raises", "trainer trainers.py:raises on s/s/v: raised ValueError: two"),
        ("leaves", "raised SystemExit: 3"),
        ("nothing", "returned nothing; it must return the path of a checkpoint"),
        ("number", "returned a int; it must return the path of a checkpoint"),
        ("gone", "returned gone.ckpt, which is not a file"),
    ],
)
def test_trainers_that_fail(made: Any, trainer: str, message: str) -> None:
    job = made(trainer)
    with pytest.raises(MlffError) as caught:
        run_job(job)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert stored_result(job) is None


def test_a_killed_training_goes_on_where_it_was(made: Any, tmp_path: Path) -> None:
    job = made("counts")
    (tmp_path / "job.pickle").write_bytes(pickle.dumps(job))
    code = (
        "import pickle, sys\n"
        "from pytest_mlff.training.runner import run_job\n"
        f"run_job(pickle.load(open({str(tmp_path / 'job.pickle')!r}, 'rb')))\n"
    )
    killed = subprocess.run([sys.executable, "-c", code], check=False)
    assert killed.returncode == -9
    assert stored_result(job) is None
    assert run_job(job).checkpoint.read_text().split() == [str(step) for step in range(10)]


def test_reference_energies_are_taken_off_for_the_trainer(made: Any) -> None:
    result = run_job(made(reference="regression"))
    energies = _frames(4, -50.0).energy
    assert energies is not None
    counts = np.array([1.0, 2.0])  # O and two H: one composition, so rank 1 and minimum norm
    minimum_norm = counts * energies.mean() / (counts @ counts)
    assert result.reference_energies == pytest.approx({"O": minimum_norm[0], "H": minimum_norm[1]})
    assert result.reference_note
    handed = eval(result.checkpoint.read_text().split(maxsplit=4)[4])
    np.testing.assert_allclose(handed, energies - energies.mean(), rtol=0, atol=1e-9)


def test_no_training_frames(made: Any, tmp_path: Path) -> None:
    job = made()
    with pytest.raises(MlffError, match="cuts no training frames"):
        training_job(
            job.recipe,
            open_trainer(job.recipe),
            FrameSets(test=_set(_frames(2))),
            store_root=tmp_path,
            variant="s/s/v",
        )


def test_the_child_ends_with_its_parent(tmp_path: Path) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux tells a process that its parent has gone")
    written = tmp_path / "pid"
    child = (
        "import os, sys, time, pathlib\n"
        "from pytest_mlff.training.child import die_with_parent\n"
        "die_with_parent(int(sys.argv[1]))\n"
        f"pathlib.Path({str(written)!r}).write_text(str(os.getpid()))\n"
        "time.sleep(60)\n"
    )
    parent = (
        "import os, subprocess, sys\n"
        f"subprocess.run([sys.executable, '-c', {child!r}, str(os.getpid())])\n"
    )
    process = subprocess.Popen([sys.executable, "-c", parent])
    _until(written.exists)
    pid = int(written.read_text())
    process.kill()
    process.wait()
    _until(lambda: not _alive(pid))


def _until(condition: Any, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_parent_that_has_gone_already() -> None:
    code = "from pytest_mlff.training.child import die_with_parent; die_with_parent(1)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 1
