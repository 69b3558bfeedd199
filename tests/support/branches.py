"""A base branch and a request on it, as the judge of pull requests sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.gate.baseline import Baseline, BaselineCase, save_baseline
from pytest_mlff.gate.records import Identity, KeptCase
from pytest_mlff.judge.changes import Judge, changes
from pytest_mlff.statistics.evidence import FrameSeries

if TYPE_CHECKING:
    from pathlib import Path

SPEC = """\
schema_version: 1
title: Errors of three molecules
source: {paper: made for this test, section: none}
datasets:
  embedded:
axes:
  molecule: [ethanol, aspirin, uracil]
variant: "{molecule}"
frames:
  test: {molecules: "{molecule}", start: 90}
margin: 0.02
cases:
  - metric: energy_mae
    thresholds:
      - {max: 1, unit: meV/atom, where: molecule == 'aspirin',
         provenance: &why {source: physical_limit, reference: made for this test}}
      - {max: 2, unit: meV/atom, provenance: *why}
  - metric: force_mae
    species: [all, each]
    thresholds:
      - {max: 5, unit: meV/Å, species: [C, H], provenance: *why}
      - {max: 9, unit: meV/Å, provenance: *why}
  - metric: rotation
    options: {examples: 10}
    thresholds: [{max: 1, unit: "1", provenance: *why}]
"""
CARD = """\
model: model.py:make
capabilities: {stress: false}
known_violations:
  - {law: memory, reason: keeps what it saw}
"""
JUDGE = Judge(("specs/first.yaml", "quick"), "baselines/model.json", ".github/workflows/mlff.yml")


def series(values: list[float]) -> FrameSeries:
    totals = np.array(values)
    return FrameSeries(totals, np.ones(len(totals)), np.arange(len(totals)), (len(totals),))


def entry(case_id: str, values: list[float], data: str = "d") -> BaselineCase:
    made = series(values)
    identity = Identity(data=data, spec="s", dtype="float64", unit="meV/Å")
    return BaselineCase(
        KeptCase(case_id, "force_mae", None, made.value, len(made), 9, identity, made), None
    )


def baseline(root: Path, cases: dict[str, BaselineCase]) -> None:
    (root / "baselines").mkdir(exist_ok=True)
    save_baseline(Baseline(root / "baselines" / "model.json", "model", cases))


FIRST = {"a/b/c/force_mae": entry("a/b/c/force_mae", [1.0, 2.0, 3.0, 2.0])}


def told(branches: tuple[Path, Path]) -> list[str]:
    return [str(edit) for edit in changes(JUDGE, *branches)]
