"""The main job as a new user runs it: the demo model on the quick suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.repos import read_json

from pytest_mlff.datasets.molecules import MOLECULES
from pytest_mlff.potentials.loading import DEMO_MODEL

if TYPE_CHECKING:
    from pytest import Pytester


WORSE = """
from pytest_mlff.potentials.loading import DEMO_MODEL
from nequip.ase import NequIPCalculator

class Worse(NequIPCalculator):
    def calculate(self, *arguments, **settings):
        super().calculate(*arguments, **settings)
        self.results["forces"] = self.results["forces"] * 1.05

def base():
    return NequIPCalculator._from_saved_model(str(DEMO_MODEL), device="cpu")

def make():
    return Worse._from_saved_model(str(DEMO_MODEL), device="cpu")
"""
TWO = """
schema_version: 1
title: Two small molecules of the gate set
source: {paper: made for this test, section: none}
datasets: {gate: }
axes: {molecule: [ethanol, malonaldehyde]}
variant: "{molecule}"
frames: {test: {molecules: "{molecule}"}}
pooled: [force_mae]
cases:
  - metric: force_mae
    thresholds:
      - {max: 60, unit: meV/Å, provenance: {source: physical_limit, reference: made for this test}}
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_quick_is_green_and_green_means_something(pytester: Pytester) -> None:
    result = pytester.runpytest_inprocess("--mlff-model=demo", "--mlff-report=report.json")
    assert result.ret == 0
    report = read_json(pytester.path / "report.json")
    # Without a baseline the pooled cases have nothing to be held against.
    assert {(case["variant"] == "pooled", case["verdict"]) for case in report["cases"]} == {
        (False, "passed"),
        (True, "reported"),
    }
    force_mae = {
        case["variant"]: case["value"]
        for case in report["cases"]
        if case["metric"] == "force_mae" and case["species"] is None and case["verdict"] == "passed"
    }
    assert set(force_mae) == {molecule.name for molecule in MOLECULES}
    assert all(value <= 45 for value in force_mae.values()), force_mae
    (model,) = report["models"]
    assert (model["name"], model["family"]) == ("demo", "nequip")
    assert report["run"]["model_digests"] == {"demo": model["digest"]}
    assert report["run"]["versions"]["nequip"] == model["versions"]["nequip"]
    assert len(report["run"]["data_digests"]) == len(MOLECULES)


def test_the_demo_is_small() -> None:
    assert DEMO_MODEL.stat().st_size <= 1.5e6


def test_the_demo_made_worse_is_red(pytester: Pytester) -> None:
    pytester.makepyfile(worse=WORSE)
    result = pytester.runpytest_inprocess(
        "--mlff-model=worse.py:make", "-k", "malonaldehyde and force_mae"
    )
    assert result.ret == 1


def test_the_gate_set_sees_a_small_worsening(pytester: Pytester) -> None:
    """Independent replicas: one pooled test of each metric, and every interval is there."""
    suite = "--mlff-suite=gate"
    result = pytester.runpytest_inprocess("--mlff-model=demo", suite, "--mlff-report=base.json")
    assert result.ret == 0
    known = {case["case_id"]: case for case in read_json(pytester.path / "base.json")["cases"]}
    assert all(case["ci_low"] is not None for case in known.values())
    assert known["gate/gate/pooled/force_mae"]["evidence"]["systems"] == len(MOLECULES)
    # Factories on both sides, since their precision is not known.
    pytester.makepyfile(worse=WORSE)
    (pytester.path / "two.yaml").write_text(TWO, encoding="utf-8")
    for model, arguments, code in (
        ("base", ("--mlff-report=base.json",), 0),
        ("make", ("--mlff-baseline=base.json", "--mlff-report=report.json", "-k", "pooled"), 1),
    ):
        result = pytester.runpytest_inprocess(
            f"--mlff-model=worse.py:{model}", "--mlff-suite=two.yaml", *arguments
        )
        assert result.ret == code
    (case,) = read_json(pytester.path / "report.json")["cases"]
    assert (case["verdict"], case["regressed"]) == ("regressed", True)
    assert case["evidence"]["baseline_change"] > 0.5


def test_precisions_are_held_against_each_other(pytester: Pytester) -> None:
    result = pytester.runpytest_inprocess(
        "--mlff-model=demo", "--mlff-suite=laws/precision", "--mlff-report=report.json"
    )
    assert result.ret == 0
    (case,) = read_json(pytester.path / "report.json")["cases"]
    assert case["evidence"]["alternatives"] == 1
    # float32 and float64 really are two models: their answers differ, if by little.
    assert 0 < case["value"] <= 1


def test_a_strangers_package_is_warned_of_in_one_line(pytester: Pytester) -> None:
    (pytester.path / "mine.zip").write_bytes(DEMO_MODEL.read_bytes())
    for source, expected in (("mine.zip", 1), ("demo", 0)):
        result = pytester.runpytest_inprocess(
            f"--mlff-model={source}", "-k", "malonaldehyde and energy_mae"
        )
        assert result.ret == 0
        shown = result.stdout.str() + result.stderr.str()
        warned = [line for line in shown.splitlines() if "mlff: warning:" in line]
        assert len(warned) == expected, warned


def test_info_says_what_a_bug_report_needs(capsys: pytest.CaptureFixture[str]) -> None:
    from pytest_mlff.cli.main import main

    assert main(["info"]) == 0
    shown = capsys.readouterr().out
    for word in ("pytest-mlff", "torch", "nequip: ready", "cuda", "data:", "store:"):
        assert word in shown
