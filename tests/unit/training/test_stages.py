"""Stages of a recipe: what they may say, what they train on, and that none is done twice."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_mlff.datasets import open_dataset
from pytest_mlff.datasets.oracles import computed_labels, oracle_named
from pytest_mlff.datasets.splits import FrameSets, IndexSet
from pytest_mlff.errors import MlffError
from pytest_mlff.training.job import training_job
from pytest_mlff.training.recipe import load_recipe, merged
from pytest_mlff.training.runner import run_job, stored_result
from pytest_mlff.training.trainers.registry import open_trainer

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlff.training.job import TrainingJob

# Keeps a note of each training and what it was handed; where `die` lies, it ends in the middle.
TRAINER = """\
import json, pathlib
from pytest_mlff.errors import MlffError

def fit(fixture, config, out_dir):
    note = pathlib.Path(__file__).with_name("done.txt")
    part = out_dir / "part.txt"
    begun = part.exists()
    part.write_text("half")
    if config.get("dies") and not begun:
        raise MlffError("killed")
    with note.open("a") as stream:
        stream.write(json.dumps({
            "stage": fixture.variant.rpartition(" ")[2], "went_on": begun,
            "start": None if fixture.start is None else fixture.start.parent.name,
            "frames": len(fixture.train), "seed": fixture.seed, "size": config.get("size"),
            "energy": float(fixture.train.energy.sum()),
        }) + "\\n")
    (out_dir / "model.py").write_text(MODEL)
    return out_dir / "model.py"

fit.heeds = ("from", "bias_aware")
MODEL = '''
'''
"""

GOOD = """\
schema_version: 1
trainer: trainers.py:fit
budget: 5
seed: seed
tested: "{method}"
config: {size: 3, deep: {one: 1, two: 2}}
stages:
  accurate: {frames: train}
  cheap: {frames: cheap, labels: mmff94, config: {size: 4}}
  tuned: {frames: train, from: cheap}
  delta: {frames: train, minus: mmff94}
"""

BAD = [
    ("from: cheap", "from: chaep",
     "10: stages.tuned.from: unknown stage 'chaep'; did you mean 'cheap'?"),
    ("from: cheap", "from: tuned", "10: stages.tuned: stages in a circle: tuned from tuned"),
    ("{frames: train}\n", "{frames: train, from: tuned2}\n  tuned2: {from: accurate}\n",
     "stages in a circle: accurate from tuned2 from accurate"),
    ('tested: "{method}"', "tested: nothing", "5: tested: unknown stage 'nothing'"),
    ('tested: "{method}"\n', "", "stages: accurate and tuned and delta all end here"),
    ("labels: mmff94", "labels: mmff95", "labels: unknown oracle 'mmff95'; did you mean 'mmff94'?"),
    ("{frames: train, minus: mmff94}", "{loss: {score_matching: {temperature: 0}}}",
     "stages.delta.loss.score_matching.temperature: must be above 0"),
    ("{frames: train, minus: mmff94}", "{loss: {bias_aware: {teacher: accurate, gamma: 0}}}",
     "stages.delta.loss.bias_aware.gamma: must be above 0"),
    ("{frames: train, minus: mmff94}", "{loss: {bias_aware: {teacher: nobody}}}",
     "stages.delta.loss.bias_aware.teacher: unknown stage 'nobody'"),
    ("{frames: train, minus: mmff94}", "{loss: {}}",
     "stages.delta.loss: must be one of bias_aware"),
    ("seed: seed", "seed: -1", "seed: must be at least 0, is -1"),
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "trainers.py").write_text(TRAINER)
    return tmp_path


def _written(folder: Path, old: str = "", new: str = "") -> Path:
    assert old in GOOD
    path = folder / "recipe.yaml"
    path.write_text(GOOD.replace(old, new, 1) if old else GOOD)
    return path


def _job(folder: Path, method: str = "tuned", seed: int = 1, *, bare: bool = False) -> TrainingJob:
    recipe = load_recipe(folder / "recipe.yaml")
    dataset = open_dataset("embedded").load("ethanol")

    def some(*indices: int) -> IndexSet:
        return IndexSet({"ethanol": np.array(indices)}, {"ethanol": dataset})

    cheap = some(3, 4, 5)
    if bare:
        without = replace(dataset, frames=dataset.frames.without_labels())
        cheap = replace(cheap, datasets={"ethanol": without})
    sets = FrameSets(some(9), train=some(0, 1), others={"cheap": cheap})
    return training_job(
        recipe,
        open_trainer(recipe),
        sets,
        store_root=folder / "store",
        variant="a/b/c",
        names={"method": method, "seed": seed},
    )


@pytest.mark.parametrize("old, new, said", BAD, ids=[row[2][:50] for row in BAD])
def test_a_bad_recipe_is_one_line(folder: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(MlffError) as caught:
        load_recipe(_written(folder, old, new))
    assert said in str(caught.value)
    assert "recipe.yaml:" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "said, stage, unheeded",
    [
        ("", "from: cheap", "from"),
        ('fit.heeds = "bias_aware"', "from: cheap", "from"),
        ("fit.heeds = ()", "loss: {bias_aware: {teacher: cheap}}", "bias_aware"),
        ('fit.heeds = ("from",)', "from: cheap, loss: {denoising: {temperature: 5, sigma: 1}}",
         "denoising"),
        ('fit.heeds = ("from",)', "loss: {score_matching: {temperature: 5}}", "score_matching"),
        ('fit.heeds = ("from", "bias_aware")', "from: cheap, loss: {bias_aware: {teacher: cheap}}",
         None),
    ],
)  # fmt: skip
def test_a_stage_that_its_trainer_would_ignore_is_refused(
    folder: Path, said: str, stage: str, unheeded: str | None
) -> None:
    (folder / "trainers.py").write_text(TRAINER.replace('fit.heeds = ("from", "bias_aware")', said))
    recipe = load_recipe(_written(folder, "from: cheap", stage))
    if unheeded is None:
        open_trainer(recipe)
        return
    with pytest.raises(MlffError, match=rf"stages\.tuned: .*does not .* heeds '{unheeded}'"):
        open_trainer(recipe)


def test_what_depends_on_axes_is_told_when_they_are_known(folder: Path) -> None:
    _written(folder)
    with pytest.raises(MlffError, match=r"tested: unknown stage 'magic' \(stages: accurate"):
        _job(folder, "magic")
    _written(
        folder, "minus: mmff94}", "loss: {bias_aware: {teacher: accurate, gamma: 'seed - 1'}}}"
    )
    with pytest.raises(MlffError, match=r"stages.delta: gamma: 'seed - 1' is 0; it must be above"):
        _job(folder, "delta")
    _written(folder, "frames: cheap, labels", "frames: chaep, labels")
    with pytest.raises(MlffError, match=r"cuts no chaep frames.*sets: train, test, cheap"):
        _job(folder)


def test_frames_without_labels_need_an_oracle(folder: Path) -> None:
    _written(folder, ", labels: mmff94, config", ", config")
    with pytest.raises(MlffError, match="3 of 3 training frames have no energy; stage cheap"):
        _job(folder, bare=True)


def _notes(folder: Path) -> list[dict]:
    import json

    return [json.loads(line) for line in (folder / "done.txt").read_text().splitlines()]


def test_a_stage_follows_from_another_and_is_done_once(folder: Path) -> None:
    _written(folder)
    job = _job(folder)
    assert [one.name for one in job.lineage] == ["cheap", "tuned"]
    result = run_job(job)
    assert result.trained
    cheap, tuned = _notes(folder)
    assert (cheap["stage"], cheap["frames"], cheap["size"], cheap["start"]) == ("cheap", 3, 4, None)
    assert (tuned["stage"], tuned["frames"], tuned["size"], tuned["seed"]) == ("tuned", 2, 3, 1)
    assert tuned["start"] == job.parents["cheap"].folder.name
    frames = job.parents["cheap"].train
    assert cheap["energy"] == pytest.approx(
        computed_labels(frames, oracle_named("mmff94")).energy.sum()
    )
    assert not run_job(_job(folder)).trained
    run_job(_job(folder, "delta"))
    own = job.train.energy.sum() - computed_labels(job.train, oracle_named("mmff94")).energy.sum()
    assert _notes(folder)[2]["energy"] == pytest.approx(own)
    assert len(_notes(folder)) == 3
    assert stored_result(_job(folder, "delta")).plus == "mmff94"


def test_after_a_kill_no_finished_stage_is_repeated(folder: Path) -> None:
    path = _written(folder, "tuned: {frames: train, from: cheap}",
                    "tuned: {frames: train, from: cheap, config: {dies: true}}")  # fmt: skip
    assert path.exists()
    with pytest.raises(MlffError, match="killed"):
        run_job(_job(folder))
    assert stored_result(_job(folder)) is None
    # It lasted 10 s, and was gone on with a long time later.
    then = time.time() - 1000.0
    (_job(folder).folder / "attempts.txt").write_text(f"0.0 {then}\n")
    for path in _job(folder).folder.rglob("*"):
        os.utime(path, (then + 10.0, then + 10.0))
    result = run_job(_job(folder))
    assert 10.0 <= result.seconds < 500.0
    assert 10.0 <= result.core_seconds < 500.0
    assert [(one["stage"], one["went_on"]) for one in _notes(folder)] == [
        ("cheap", False),
        ("tuned", True),
    ]


def test_the_address_holds_parents_and_labels(folder: Path) -> None:
    _written(folder)
    tuned = _job(folder).digest
    _written(folder, "config: {size: 4}", "config: {size: 5}")  # of the parent
    assert _job(folder).digest != tuned
    _written(folder, "labels: mmff94", "labels: gfn2-damaged")
    assert _job(folder).digest != tuned
    _written(folder, "accurate: {frames: train}", "other: {frames: train}")  # of no concern
    assert _job(folder).digest == tuned


def test_configurations_are_merged_mapping_by_mapping() -> None:
    base = {"a": {"b": 1, "c": 2}, "d": [1]}
    assert merged(base, {"a": {"c": 3}, "d": [2]}) == {"a": {"b": 1, "c": 3}, "d": [2]}
    assert base == {"a": {"b": 1, "c": 2}, "d": [1]}
