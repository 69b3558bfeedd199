"""The schema carries the three studies of SAIBench-MLFF: counts and ids per contract.

The specs here are drafts that only live in this test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_mlff.specs import Spec, cases_of, expand, load_spec

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """\
schema_version: 1
title: Draft
source: {paper: SAIBench-MLFF, section: a section}
"""

THRESHOLDS = """\
    thresholds:
      - {max: 100, unit: meV/Å, provenance: {source: own_baseline, reference: recipe, frames: 400,
         seeds: 3}}
"""

SAMPLE_EFFICIENCY = (
    HEAD
    + """\
datasets:
  rmd17:
  embedded:
    axes: {samples: [100, 200, 400, 800]}
axes:
  samples: [200, 400, 600, 800, 1000, 15000, 50000]
variant: "aspirin-n{samples}"
frames:
  train: {molecules: aspirin, end: 90, pick: random, count: samples}
  test: {molecules: aspirin, start: 90}
cases:
  - metric: energy_mae
    thresholds:
      - max: 4
        unit: meV/atom
        where: dataset == 'rmd17' and samples >= 200
        provenance: {source: paper, reference: "below 4 meV/atom at n = 200"}
      - max: 10
        unit: meV/atom
        provenance: {source: own_baseline, reference: recipe, frames: 400, seeds: 3}
  - metric: force_mae
    species: [all, each]
"""
    + THRESHOLDS
)

TIME_EXTRAPOLATION = (
    HEAD
    + """\
datasets:
  rmd17:
  embedded:
    axes: {samples: [200, 600]}
axes:
  start: [0, 15, 30, 45, 60]
  size: [30, 45, 60, 75, 90]
  samples: [1000, 15000]
where: start + size <= 90
variant: "aspirin-start{start}-size{size}-n{samples}"
frames:
  train: {molecules: aspirin, start: start, end: start + size, pick: random, count: samples}
  test: {molecules: aspirin, start: 90}
cases:
  - metric: force_mae
    species: [all, each]
"""
    + THRESHOLDS
)

CROSS_MOLECULE = (
    HEAD
    + """\
datasets:
  rmd17:
  embedded:
axes:
  train_set: [f, b, a, ab, bc, de, abg, abd, cef, abeg, bcdf, abce, abceg, abcde, bcdef]
  test_molecule: [a, b, c, d, e, f, g]
# Only g holds nitrogen; all but d and f hold oxygen.
where: >-
  test_molecule not in train_set and test_molecule != 'g'
  and (train_set != 'f' or test_molecule == 'd')
variant: "train-{train_set}-test-{test_molecule}"
frames:
  train: {molecules: "{train_set}", pick: evenly, count: 1000}
  test: {molecules: "{test_molecule}", pick: evenly, count: 1000}
cases:
  - metric: force_mae
    options: {headline: true}
"""
    + THRESHOLDS
    + """\
  - metric: energy_mae
    options: {reference_energies: regression, biased: true}
    thresholds:
      - {max: 500, unit: meV/atom, provenance: {source: own_baseline, reference: recipe, frames: 10,
         seeds: 3}}
"""
)

HOLDS = {"a": "CHO", "b": "CHO", "c": "CHO", "d": "CH", "e": "CHO", "f": "CH", "g": "CHNO"}


@pytest.fixture
def load(tmp_path: Path):
    def load(name: str, text: str) -> Spec:
        folder = tmp_path / "saibench"
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        return load_spec(path)

    return load


def test_sample_efficiency(load) -> None:
    spec = load("sample_efficiency", SAMPLE_EFFICIENCY)
    variants = expand(spec, "rmd17")
    counts = (200, 400, 600, 800, 1000, 15000, 50000)
    assert [variant.id for variant in variants] == [f"aspirin-n{count}" for count in counts]
    trains = [variant.selections.train for variant in variants]
    assert [train.count for train in trains if train] == list(counts)
    assert {(train.start, train.end, train.pick) for train in trains if train} == {
        (0.0, 90.0, "random")
    }
    assert [variant.id for variant in expand(spec, "embedded")] == [
        "aspirin-n100", "aspirin-n200", "aspirin-n400", "aspirin-n800",
    ]  # fmt: skip
    published = cases_of(variants[0], "CHO")[0]
    assert published.case_id == "saibench/sample_efficiency/aspirin-n200/energy_mae"
    assert (published.threshold.limit, published.threshold.provenance.source) == (4, "paper")
    own = cases_of(expand(spec, "embedded")[0], "CHO")[0]
    assert (own.threshold.limit, own.threshold.provenance.source) == (10, "own_baseline")


def test_time_extrapolation(load) -> None:
    variants = expand(load("time_extrapolation", TIME_EXTRAPOLATION), "rmd17")
    assert len(variants) == 30
    assert "aspirin-start30-size45-n1000" in {variant.id for variant in variants}
    windows = {
        (train.start, train.end) for v in variants if (train := v.selections.train) is not None
    }
    assert len(windows) == 15
    assert all(end - start >= 30 and end <= 90 for start, end in windows)
    assert len(variants[0:1] and cases_of(variants[0], ["C", "H", "O"])) == 4


def test_cross_molecule(load) -> None:
    spec = load("cross_molecule", CROSS_MOLECULE)
    variants = expand(spec, "rmd17")
    expected = {
        f"train-{train}-test-{test}"
        for train in spec.axes["train_set"]
        for test in HOLDS
        if test not in str(train)
        and set(HOLDS[test]) <= {symbol for letter in str(train) for symbol in HOLDS[letter]}
    }
    assert {variant.id for variant in variants} == expected
    assert len(variants) == 44
    one = next(variant for variant in variants if variant.id == "train-abg-test-c")
    assert one.selections.train is not None
    assert one.selections.train.molecules == ("aspirin", "ethanol", "uracil")
    assert one.selections.test.molecules == ("malonaldehyde",)
    case_ids = [case.case_id for case in cases_of(one, ["C", "H", "O"])]
    assert case_ids == [
        "saibench/cross_molecule/train-abg-test-c/force_mae",
        "saibench/cross_molecule/train-abg-test-c/energy_mae",
    ]
