"""Whoever reads the labels that it is judged by is told of, and refused where that is asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ase.io import write
from support.mutated import copper

if TYPE_CHECKING:
    from pytest import Pytester

_SPEC = """
schema_version: 1
title: copper
source: {paper: our own data, section: none}
datasets:
  ours: {path: test.extxyz}
variant: all
frames:
  test: {}
cases:
  - metric: force_mae
    thresholds:
      - {max: 1, unit: meV/Å, provenance: {source: own_baseline, reference: x, frames: 9, seeds: 1}}
  - metric: rotation
    thresholds: [{max: 1, unit: "1", provenance: {source: physical_limit, reference: x}}]
"""
_MODEL = """
from ase.calculators.emt import EMT
from ase.io import read

class Late(EMT):
    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        read("test.extxyz")

def at_load():
    read("test.extxyz")
    return EMT()

def by_link():
    read("link.extxyz")
    return EMT()

def late():
    return Late()

def trained():
    read("train.extxyz")
    return EMT()
"""


def test_who_reads_the_labels(pytester: Pytester) -> None:
    for name in ("test", "train"):
        write(pytester.path / f"{name}.extxyz", copper(3))
    (pytester.path / "link.extxyz").symlink_to("test.extxyz")
    (pytester.path / "spec.yaml").write_text(_SPEC, encoding="utf-8")
    pytester.makepyfile(model=_MODEL)
    models = [f"--mlff-model=model.py:{one}" for one in ("at_load", "by_link", "late", "trained")]
    arguments = (*models, "--mlff-suite=spec.yaml", "--mlff-only", "--mlff-report=r.json")
    result = pytester.runpytest(*arguments)
    assert result.ret == 0
    for reader in ("at_load", "by_link", "late"):
        result.stdout.fnmatch_lines([f"*{reader}: its code has read *test.extxyz, which holds *"])
    result.stdout.no_fnmatch_line("*trained: its code*")
    # The second run takes the passes from the store, as they are.
    refused = "-Werror::pytest_mlff.potentials.ModelReadsLabelsWarning"
    assert pytester.runpytest(*arguments, "--mlff-store-trust=full", refused).ret == 1
    cases = json.loads((pytester.path / "r.json").read_text(encoding="utf-8"))["cases"]
    found = {(one["model"], one["metric"]): one["verdict"] for one in cases}
    readers = {"at_load": "error", "by_link": "error", "late": "error", "trained": "passed"}
    assert {model: found[model, "force_mae"] for model in readers} == readers
    assert all(found[model, "rotation"] == "passed" for model in readers)
