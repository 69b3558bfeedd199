"""A recipe with an interpreter of its own: trained and evaluated there, by a whole run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.repos import read_json
from support.venvs import numpy_venv

if TYPE_CHECKING:
    from pathlib import Path

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
FAMILY = """
import json
import sys
from pathlib import Path

import numpy as np

from pytest_mlff.potentials.protocol import PotentialInfo, Prediction


def fit(fixture, config, out_dir):
    path = out_dir / "mean.ckpt"
    path.write_text(json.dumps({"mean": float(np.mean(fixture.train.energy)), "of": "mean"}))
    return path


class Mean:
    one_by_one = False

    def __init__(self, path, options):
        self.mean = json.loads(path.read_text())["mean"]
        self.info = PotentialInfo(
            options.name, "mean", options.source, "0" * 64, None, None, "cpu", "float64",
            {},
        )
        with Path(__file__).with_name("prefixes").open("a") as stream:
            stream.write(sys.prefix + "\\n")

    def predict(self, frames):
        return Prediction(np.full(len(frames), self.mean), np.zeros_like(frames.positions))


class MeanAdapter:
    family, extra = "mean", "mean"

    def recognises(self, kind):
        return kind.path.suffix == ".ckpt" and b'"of": "mean"' in kind.path.read_bytes()

    def load(self, kind, options):
        return Mean(kind.path, options)
"""
CONFTEST = """
from family import MeanAdapter


def pytest_mlff_adapters(config):
    return [MeanAdapter()]
"""


def test_trained_and_evaluated_there(pytester: pytest.Pytester) -> None:
    root: Path = pytester.path
    env = numpy_venv(root / "env")
    for name, text in (
        ("spec.yaml", SPEC),
        ("family.py", FAMILY),
        ("conftest.py", CONFTEST),
        ("mean.yaml", "schema_version: 1\ntrainer: family.py:fit\nbudget: 5\npython: env\n"),
    ):
        (root / name).write_text(text, encoding="utf-8")
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
