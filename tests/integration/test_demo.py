"""The main job as a new user runs it: the demo model on the quick suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.repos import SUPPORT, read_json

from pytest_mlff.datasets.molecules import MOLECULES
from pytest_mlff.potentials.loading import DEMO_MODEL

if TYPE_CHECKING:
    from pytest import Pytester, RunResult


WORSE = """
from pytest_mlff.potentials.loading import DEMO_MODEL
from nequip.ase import NequIPCalculator

class Worse(NequIPCalculator):
    def calculate(self, *arguments, **settings):
        super().calculate(*arguments, **settings)
        self.results["forces"] = self.results["forces"] * 1.05

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
      - {max: 1e6, unit: meV/Å, provenance: {source: physical_limit, reference: made for this test}}
"""


HEAVY = """
import sys

def pytest_sessionfinish():
    print("\\nimported:", sorted({"torch", "nequip", "e3nn"} & set(sys.modules)))
"""


def test_quick_is_green_and_green_means_something(pytester: Pytester) -> None:
    pytester.makeconftest(HEAVY)
    result = pytester.runpytest_subprocess("--mlff-model=demo", "--mlff-report=report.json", "-s")
    assert result.ret == 0
    # The judge itself has no need of the model's libraries.
    result.stdout.fnmatch_lines(["imported: []"])
    assert not _warnings(result)
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


def _warnings(result: RunResult) -> list[str]:
    shown = (*result.outlines, *result.errlines)
    return [line for line in shown if "mlff: warning:" in line]


def test_the_demo_is_small() -> None:
    assert DEMO_MODEL.stat().st_size <= 1.5e6


@pytest.mark.slow
def test_the_demo_made_worse_is_red(pytester: Pytester) -> None:
    """With a model that costs less: ``test_the_gate_set_sees_a_small_worsening``."""
    pytester.makepyfile(worse=WORSE)
    result = pytester.runpytest_inprocess(
        "--mlff-model=worse.py:make", "-k", "malonaldehyde and force_mae"
    )
    assert result.ret == 1


def test_the_gate_set_is_green_and_knows_how_sure_it_is(pytester: Pytester) -> None:
    """Independent replicas: one pooled test of each metric, and every interval is there."""
    result = pytester.runpytest_inprocess(
        "--mlff-model=demo", "--mlff-suite=gate", "--mlff-report=report.json"
    )
    assert result.ret == 0
    known = {case["case_id"]: case for case in read_json(pytester.path / "report.json")["cases"]}
    assert all(case["ci_low"] is not None for case in known.values())
    assert known["gate/gate/pooled/force_mae"]["evidence"]["systems"] == len(MOLECULES)


def test_the_gate_set_sees_a_small_worsening(pytester: Pytester) -> None:
    pairs = (SUPPORT / "pair_model.py").read_text(encoding="utf-8")
    pytester.makepyfile(base=pairs, worse=pairs.replace("WORSE = 0.0", "WORSE = 0.1"))
    (pytester.path / "two.yaml").write_text(TWO, encoding="utf-8")
    for model, arguments, code in (
        ("base", ("--mlff-report=base.json",), 0),
        ("worse", ("--mlff-baseline=base.json", "--mlff-report=report.json", "-k", "pooled"), 1),
    ):
        result = pytester.runpytest_inprocess(
            f"--mlff-model={model}.py:make", "--mlff-suite=two.yaml", "--mlff-level=GFN2-xTB",
            *arguments,
        )  # fmt: skip
        assert result.ret == code
    (case,) = read_json(pytester.path / "report.json")["cases"]
    assert (case["verdict"], case["regressed"]) == ("regressed", True)
    assert case["evidence"]["baseline_change_low"] > 0.01


@pytest.mark.slow
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
    result = pytester.runpytest_inprocess(
        "--mlff-model=mine.zip", "-k", "malonaldehyde and energy_mae"
    )
    assert result.ret == 0
    assert len(_warnings(result)) == 1


def test_info_says_what_a_bug_report_needs(capsys: pytest.CaptureFixture[str]) -> None:
    from pytest_mlff.cli.main import main

    assert main(["info"]) == 0
    shown = capsys.readouterr().out
    for word in ("pytest-mlff", "torch", "nequip: ready", "network: ready", "cuda", "data:",
                 "store:"):  # fmt: skip
        assert word in shown
