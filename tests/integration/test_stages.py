"""A recipe with stages in a whole run: methods as an axis, gains over seeds, costs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from support.repos import family_repo, read_json

from pytest_mlff.potentials.source import RECIPE_FOLDER

if TYPE_CHECKING:
    from pathlib import Path

SPEC = """\
schema_version: 1
title: Cheap and accurate frames of ethanol
source: {paper: made for this test, section: none}
datasets:
  embedded:
axes:
  method: [accurate_only, delta, tuned]
  samples: [4, 8]
  seed: [0, 1]
variant: "{method}-n{samples}-s{seed}"
frames:
  train: {molecules: ethanol, end: 45, pick: random, count: samples}
  validation: {molecules: ethanol, end: 45, pick: random, count: 2}
  cheap: {molecules: ethanol, start: 45, end: 90, pick: random, count: 6}
  test: {molecules: ethanol, start: 90, pick: evenly, count: 20}
cases:
  - metric: force_mae
  - metric: training_cost
  - {metric: force_gain, where: &once "method != 'accurate_only' and seed == 0"}
  - {metric: frames_saved, where: *once}
"""
RECIPE = """\
schema_version: 1
trainer: family.py:fit
budget: 30
seed: seed
tested: "{method}"
stages:
  accurate_only: {frames: train}
  cheap: {frames: cheap, labels: mmff94}
  tuned: {frames: train, from: cheap}
  delta: {frames: train, minus: mmff94}
"""
MLFF = (sys.executable, "-m", "pytest_mlff.cli.main")
ARGUMENTS = ("--mlff-model=stages.yaml", "--mlff-suite=spec.yaml", "--mlff-only",
             "--mlff-report=report.json")  # fmt: skip


@pytest.fixture
def repo(pytester: pytest.Pytester) -> Path:
    pytest.importorskip("rdkit")
    return family_repo(pytester, spec=SPEC, stages=RECIPE)


def test_methods_are_held_against_accurate_data_alone(
    pytester: pytest.Pytester, repo: Path
) -> None:
    result = pytester.runpytest_inprocess(*ARGUMENTS)
    result.assert_outcomes(skipped=32)  # reported: nothing is held against a threshold
    report = read_json(repo / "report.json")
    cases = {one["case_id"].partition("/spec/")[2]: one for one in report["cases"]}
    assert {one["verdict"] for one in cases.values()} == {"reported"}
    own, delta = (
        [cases[f"{method}-n4-s{seed}/force_mae"]["value"] for seed in (0, 1)]
        for method in ("accurate_only", "delta")
    )
    gain = cases["delta-n4-s0/force_gain"]
    by_hand = [100 * (1 - d / o) for d, o in zip(delta, own, strict=True)]
    assert gain["value"] == pytest.approx(sum(by_hand) / 2)
    assert gain["value"] > 30  # MMFF94 knows more of ethanol than mean forces
    # Better than accurate data alone at any size, so the largest is a lower bound.
    assert cases["delta-n4-s0/frames_saved"]["value"] == pytest.approx(4.0)
    assert "delta-n4-s1/force_gain" not in cases
    assert "accurate_only-n4-s0/force_gain" not in cases

    stages = {(one["variant"], one["stage"]): one for one in report["trainings"]}
    cheap, tuned = stages["tuned-n8-s1", "cheap"], stages["tuned-n8-s1", "tuned"]
    assert (cheap["n_frames"], tuned["n_frames"]) == (6, 8)
    assert cheap["label_seconds"] > 0 == tuned["label_seconds"]
    spent = sum(one["core_seconds"] + one["label_seconds"] for one in (cheap, tuned))
    assert cases["tuned-n8-s1/training_cost"]["value"] == pytest.approx(spent)
    # 4 of each method, and cheap ones of two seeds that all sizes share.
    done = (repo / "trained").read_text().splitlines()
    assert len(done) == len(set(done)) == 14
    pytester.runpytest_inprocess(*ARGUMENTS)
    assert (repo / "trained").read_text().splitlines() == done


def test_trained_ahead_stage_by_stage(pytester: pytest.Pytester, repo: Path) -> None:
    (repo / "spec.yaml").write_text(SPEC.replace("[4, 8]", "[4]").replace("[0, 1]", "[0]"))
    done = pytester.run(*MLFF, "train", "stages.yaml", "--mlff-suite=spec.yaml", "--jobs=1")
    assert done.ret == 0
    done.stdout.fnmatch_lines(["4 trainings for 3 variants: 0 in the store, 4 to do"])
    said = done.stderr.str()
    assert said.index("stage cheap") < said.index("stage tuned")
    again = pytester.run(*MLFF, "train", "stages.yaml", "--mlff-suite=spec.yaml", "--out=models")
    again.stdout.fnmatch_lines(["4 trainings for 3 variants: 4 in the store, 0 to do"])
    again.stdout.fnmatch_lines(["*learnt what is to be added to mmff94*"])
    assert len(list((repo / "models").iterdir())) == 3


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("from: cheap", "from: tuned", "stages.tuned: stages in a circle: tuned from tuned"),
        # Of what the trainer ignores, nothing is trained that would pass for it.
        (
            "from: cheap",
            "loss: {bias_aware: {teacher: cheap}}",
            "stages.tuned: trainer family.py:fit does not say that it heeds 'bias_aware'",
        ),
        ("minus: mmff94", "minus: dft", "stages.delta.minus: unknown oracle 'dft'"),
        ("frames: cheap", "frames: rare", "cuts no rare frames"),
    ],
)
def test_a_bad_recipe_is_one_line(
    pytester: pytest.Pytester, repo: Path, old: str, new: str, said: str
) -> None:
    (repo / "stages.yaml").write_text(RECIPE.replace(old, new), encoding="utf-8")
    done = pytester.run(*MLFF, "train", "stages.yaml", "--mlff-suite=spec.yaml")
    assert done.ret == 4
    assert len(done.errlines) == 1
    assert said in done.errlines[0]


@pytest.mark.slow
def test_nequip_learns_by_every_loss(pytester: pytest.Pytester, repo: Path) -> None:
    """Teacher, weighted and unlabelled stages on real NequIP, tested by a whole run."""
    import yaml

    text = (RECIPE_FOLDER / "asteroid.yaml").read_text(encoding="utf-8")
    for old, new in (("max_steps: 500", "max_steps: 40"), ("num_features: 16", "num_features: 4")):
        assert old in text
        text = text.replace(old, new)
    content = yaml.safe_load(text)
    content |= {"seed": 0, "tested": "{method}", "stages": {
        "accurate_only": {"frames": "train"},
        "weighted": {"frames": "cheap", "labels": "mmff94",
                     "loss": {"bias_aware": {"teacher": "accurate_only"}}},
        "tuned": {"frames": "train", "from": "weighted"},
        "scored": {"frames": "cheap", "loss": {"score_matching": {"temperature": 500}}},
        "delta": {"from": "shaken"},
        "shaken": {"frames": "cheap", "loss": {"denoising": {"temperature": 500, "sigma": 0.05}},
                   "from": "scored"},
    }}  # fmt: skip
    (repo / "stages.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    spec = SPEC.replace("samples: [4, 8]", "samples: [4]").replace("seed: [0, 1]", "seed: [0]")
    (repo / "spec.yaml").write_text(spec, encoding="utf-8")
    pytester.runpytest_inprocess(*ARGUMENTS)
    stages = {one["stage"]: one for one in read_json(repo / "report.json")["trainings"]}
    assert stages.keys() == {"accurate_only", "weighted", "tuned", "scored", "shaken", "delta"}
    assert all(one["steps"] == 40 for one in stages.values())
    written = list(repo.glob(".mlff-store/trainings/*/*/train.extxyz"))
    assert sum("frame_weight=" in path.read_text() for path in written) == 1
