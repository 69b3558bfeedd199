"""A recipe with an interpreter of its own: trained and evaluated there, by a whole run."""

from __future__ import annotations

from typing import Any

import pytest
from support.repos import family_repo, read_json
from support.venvs import numpy_venv

SPEC = """\
schema_version: 1
title: Ten frames of ethanol
source: {paper: made for this test, section: none}
datasets:
  embedded:
axes:
  samples: [10]
variant: "ethanol-n{samples}"
frames:
  train: {molecules: ethanol, end: 90, pick: random, count: samples}
  test: {molecules: ethanol, start: 98}
cases:
  - metric: energy_mae
    thresholds: [{max: 10000, unit: meV/atom, provenance: {source: physical_limit,
                  reference: made for this test}}]
"""
RECIPE = "schema_version: 1\ntrainer: family.py:fit\nbudget: 5\npython: env\n"


def test_trained_and_evaluated_there(pytester: pytest.Pytester) -> None:
    root = family_repo(pytester, spec=SPEC, mean=RECIPE)
    env = numpy_venv(root / "env")
    arguments = (
        "--mlff-model=mean.yaml", "--mlff-suite=spec.yaml", "--mlff-only", "-p",
        "no:cacheprovider", "--mlff-report=report.json",
    )  # fmt: skip

    def run(*more: str) -> Any:
        return pytester.runpytest_subprocess(*arguments, *more)

    result = run("-n0")
    result.assert_outcomes(passed=1)
    assert set((root / "prefixes").read_text().split()) == {str(env)}
    (training,) = read_json(root / "report.json")["trainings"]
    assert training["model"] == "mean"
    refused = run("-n0", "--mlff-in-process")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    refused.stderr.fnmatch_lines(["*mean.yaml: python is of a process of its own: leave*"])
