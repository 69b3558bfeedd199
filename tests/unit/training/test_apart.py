"""``python:`` of a recipe: a trainer in another interpreter, which holds numpy and nothing else."""

from __future__ import annotations

import json
import pickle
import venv
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.venvs import numpy_venv

from pytest_mlff.datasets.dataset import Dataset
from pytest_mlff.datasets.frames import Frames
from pytest_mlff.datasets.splits import FrameSets, IndexSet
from pytest_mlff.errors import MlffError
from pytest_mlff.training.job import TrainingJob, training_job
from pytest_mlff.training.recipe import load_recipe
from pytest_mlff.training.runner import run_job
from pytest_mlff.training.trainers.registry import open_trainer

if TYPE_CHECKING:
    from pathlib import Path

TRAINERS = '''\
import importlib.util
import json
import os
import sys

from helper import FACTOR


def fit(fixture, config, out_dir):
    print("said by the trainer")
    found = {
        "python": sys.prefix,
        "has": [one for one in ("pydantic", "ase", "pytest") if importlib.util.find_spec(one)],
        "energy": fixture.train.energy.tolist(),
        "forces": fixture.train.forces.tolist(),
        "watched": fixture.validation.energy.tolist(),
        "file": fixture.train_file.is_file(),
        "about": [fixture.variant, fixture.species, fixture.seed, fixture.budget_seconds,
                  fixture.threads, config, FACTOR],
    }
    (out_dir / "model.ckpt").write_text(json.dumps(found))
    return "model.ckpt"


def begins(fixture, config, out_dir):
    text = fixture.start.read_text() + " then" if fixture.start else "first"
    (out_dir / "model.ckpt").write_text(text)
    return out_dir / "model.ckpt"


begins.heeds = ["from"]


def raises(fixture, config, out_dir):
    raise ValueError("two\\nlines")


def dies(fixture, config, out_dir):
    print("a last word", flush=True)
    os._exit(7)


def dies_as_hydra_does(fixture, config, out_dir):
    print("hydra.errors.InstantiationException: no such target\\nfull_key: callbacks", flush=True)
    os._exit(1)


def resumes(fixture, config, out_dir):
    """Is killed the first time."""
    half = out_dir / "half"
    if not half.exists():
        half.write_text("half")
        os.kill(os.getpid(), 9)
    (out_dir / "model.ckpt").write_text(half.read_text() + " and whole")
    return out_dir / "model.ckpt"
'''


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return numpy_venv(tmp_path_factory.mktemp("apart") / "env")


def _frames(count: int) -> Frames:
    rng = np.random.default_rng(count)
    return Frames.of_one_molecule(
        np.array([8, 1, 1]),
        rng.normal(size=(count, 3, 3)),
        energy=rng.normal(size=count),
        forces=rng.normal(size=(count, 3, 3)),
    )


def _set(frames: Frames) -> IndexSet:
    dataset = Dataset("made", "water", frames, "none", None, "CC0", "memory", "0" * 64)
    return IndexSet({"water": np.arange(len(frames))}, {"water": dataset})


@pytest.fixture
def made(tmp_path: Path, env: Path) -> Any:
    (tmp_path / "trainers.py").write_text(TRAINERS)
    (tmp_path / "helper.py").write_text("FACTOR = 2\n")

    def job(
        trainer: str = "fit", python: Path | str = env, stages: str = "stages: {}"
    ) -> TrainingJob:
        path = tmp_path / "recipe.yaml"
        path.write_text(
            f"schema_version: 1\ntrainer: trainers.py:{trainer}\nbudget: 5\nseed: 4\n"
            f"python: {python}\nconfig: {{size: 3}}\n{stages}\n"
        )
        recipe = load_recipe(path)
        sets = FrameSets(test=_set(_frames(2)), train=_set(_frames(4)), validation=_set(_frames(3)))
        return training_job(
            recipe, open_trainer(recipe), sets, store_root=tmp_path / "store", variant="s/s/v"
        )

    return job


def test_it_trains_there_on_the_same_frames(made: Any, env: Path) -> None:
    job = pickle.loads(pickle.dumps(made()))
    result = run_job(job)
    assert result.trained
    found = json.loads(result.checkpoint.read_text())
    assert (found["python"], found["has"]) == (str(env), [])
    assert np.array_equal(found["energy"], job.train.energy)
    assert np.array_equal(found["forces"], job.train.forces)
    assert np.array_equal(found["watched"], job.validation.energy)
    assert found["file"]
    assert found["about"] == ["s/s/v", ["H", "O"], 4, 5, 1, {"size": 3}, 2]
    assert "said by the trainer" in (job.folder / "training.log").read_text()
    assert not run_job(made()).trained


def test_what_that_environment_holds_is_part_of_the_address(
    made: Any, env: Path, tmp_path: Path
) -> None:
    first = made()
    assert first.key["versions"]["numpy"] == np.__version__
    other = numpy_venv(tmp_path / "other")
    assert made(python=other).digest == first.digest  # where it lies is not what it holds
    (site_packages,) = other.glob("lib/python*/site-packages")
    (site_packages / "family-1.2.dist-info").mkdir()
    assert made(python=other).digest != first.digest
    (tmp_path / "helper.py").write_text("FACTOR = 3\n")
    assert made().digest != first.digest


@pytest.mark.parametrize(
    "trainer, said",
    [
        ("raises", r"^trainer trainers.py:raises on s/s/v: raised ValueError: two lines$"),
        ("dies", r"s/s/v: ended with code 7: a last word \(log: .*training.log\)$"),
        ("dies_as_hydra_does", r"code 1: hydra\S+Exception: no such target \(log"),
        ("absent", r"^trainer 'trainers.py:absent': .*absent"),
    ],
)
def test_what_goes_wrong_there_is_one_line(made: Any, trainer: str, said: str) -> None:
    for _ in range(2):  # and what an earlier attempt left is not taken for an answer
        with pytest.raises(MlffError, match=said):
            run_job(made(trainer))


def test_a_killed_training_goes_on(made: Any) -> None:
    with pytest.raises(MlffError, match="ended with code -9"):
        run_job(made("resumes"))
    assert run_job(made("resumes")).checkpoint.read_text() == "half and whole"


def test_stages_there_are_what_the_function_says_it_heeds(made: Any, tmp_path: Path) -> None:
    stages = "stages: {one: {}, two: {from: one}}"
    job = made("begins", stages=stages)
    assert run_job(job).checkpoint.read_text() == "first then"
    with pytest.raises(MlffError, match=r"stages.two: trainer trainers.py:fit does not say"):
        made("fit", stages=stages)
    (tmp_path / "helper.py").write_text("1 / 0\n")
    with pytest.raises(MlffError, match=r"^trainer 'trainers.py:begins': .* ZeroDivisionError"):
        made("begins", stages=stages)


def test_mistakes_are_said_before_anything_is_trained(made: Any, tmp_path: Path) -> None:
    with pytest.raises(MlffError, match=r"recipe.yaml:5: python: no such interpreter"):
        made(python="nowhere")
    bare = tmp_path / "bare"
    venv.create(bare, with_pip=False, symlinks=True)
    with pytest.raises(MlffError, match=r"recipe.yaml: its interpreter .*numpy"):
        made(python=bare)
    (tmp_path / "trainers.py").unlink()
    with pytest.raises(MlffError, match=r"no such file: trainers.py"):
        made()
