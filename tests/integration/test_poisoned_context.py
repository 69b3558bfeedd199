"""A lost GPU context, played by a model that says what torch would: it costs its own process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.junit import junit_problems, junit_verdicts
from support.repos import read_json

if TYPE_CHECKING:
    from pathlib import Path

    from pytest import Pytester, RunResult

pytest.importorskip("xdist")

MODEL = '''
import os
from pathlib import Path

import numpy as np
from ase.calculators.calculator import Calculator, all_changes

HERE = Path(__file__).parent
LOST = "CUDA error: device-side assert triggered\\nCUDA kernel errors might be asynchronous\\n"


class AcceleratorError(RuntimeError):
    """As newer torch calls it."""


class Harmonic(Calculator):
    """Loses the context on uracil, and is lost from then on."""

    implemented_properties = ["energy", "forces"]
    kind, text, from_call, only = RuntimeError, LOST, 1, "N"

    def __init__(self):
        super().__init__()
        self.calls, self.lost = 0, False

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        if self.only in atoms.get_chemical_formula():
            self.calls += 1
            self.lost = self.lost or self.calls >= self.from_call
        if self.lost:
            with (HERE / "lost").open("a") as stream:
                stream.write(f"{os.getpid()}\\n")
            raise self.kind(self.text)
        centred = atoms.positions - atoms.positions.mean(axis=0)
        self.results = {"energy": 0.05 * float(np.sum(centred**2)), "forces": -0.1 * centred}


class Illegal(Harmonic):
    kind = AcceleratorError
    text = "CUDA error: an illegal memory access was encountered\\nSearch for `cudaError…'"


class FromFifthCall(Harmonic):
    only, from_call = "C", 5


class FromSecondUracil(Harmonic):
    """The first frame is predicted, the context is lost on the second."""

    from_call = 2


class Full(Harmonic):
    text = "CUDA error: out of memory\\nCUDA kernel errors might be asynchronous\\n"


always, illegal, full = Harmonic, Illegal, Full
'''

SPEC = """\
schema_version: 1
title: Last frames
source: {paper: made for this test, section: none}
datasets:
  embedded:
axes:
  molecule: [uracil, ethanol]
variant: "{molecule}"
frames:
  test: {molecules: "{molecule}", start: 99}
cases:
"""
ERRORS = """\
  - metric: energy_mae
    thresholds: [{max: 1e9, unit: meV/atom, provenance: &limit {source: physical_limit,
                  reference: made for this test}}]
  - metric: force_mae
    species: [all, each]
    thresholds: [{max: 1e9, unit: meV/Å, provenance: *limit}]
"""
LAW = """\
  - metric: rotation
    options: {examples: 6}
    thresholds: [{max: 1, unit: "1", provenance: {source: physical_limit,
                  reference: made for this test}}]
"""
CASES, OF_URACIL = 11, 6
"""Energy, all forces, and forces of C, H, O; of uracil's N, too."""
REASON = "CUDA error: device-side assert triggered"


class Ran:
    """What a run left."""

    def __init__(self, pytester: Pytester, result: RunResult) -> None:
        self.result = result
        self.cases: list[dict[str, Any]] = read_json(pytester.path / "report.json")["cases"]
        self.verdict = {case["case_id"]: case["verdict"] for case in self.cases}
        self.junit = junit_verdicts(pytester.path / "junit.xml")
        self.problems = junit_problems(pytester.path / "junit.xml")
        lost = pytester.path / "lost"
        self.lost = lost.read_text().split() if lost.exists() else []
        self.replaced = str(result.stdout).count("replacing crashed worker")

    def of(self, molecule: str) -> list[dict[str, Any]]:
        return [case for case in self.cases if f"/{molecule}/" in case["case_id"]]

    def complete(self, cases: int) -> None:
        """Everything stands there once, and JUnit says the same as the JSON; no worker died."""
        assert self.result.ret == 1
        assert len(self.verdict) == len(self.cases) == len(self.junit) == cases
        assert self.problems == []
        red = {name for name, verdict in self.verdict.items() if verdict == "error"}
        assert {name for name, (tag, _) in self.junit.items() if tag in ("error", "failure")} == red
        assert self.replaced == 0


def run(pytester: Pytester, *arguments: str, model: str, cases: str = ERRORS) -> Ran:
    root: Path = pytester.path
    (root / "models.py").write_text(MODEL)
    (root / "small.yaml").write_text(SPEC + cases)
    result = pytester.runpytest_inprocess(
        f"--mlff-model=models.py:{model}", "--mlff-suite=small.yaml", "--mlff-report=report.json",
        "--junitxml=junit.xml", "--mlff-level=GFN2-xTB", *arguments,
    )  # fmt: skip
    return Ran(pytester, result)


@pytest.mark.parametrize(
    "workers, model, reason",
    [
        ("-n0", "always", REASON),
        ("-n2", "always", REASON),
        ("-n1", "illegal", "CUDA error: an illegal memory access was encountered"),
    ],
)
def test_it_costs_the_models_process_alone(
    pytester: Pytester, workers: str, model: str, reason: str
) -> None:
    ran = run(pytester, workers, model=model)
    ran.complete(CASES)
    assert {case["verdict"] for case in ran.of("ethanol")} == {"passed"}
    uracil = ran.of("uracil")
    assert [case["verdict"] for case in uracil] == ["error"] * OF_URACIL
    lost = f"the model's process lost its GPU ({reason}), so it was ended"
    assert all(lost in case["reason"] for case in uracil)
    # The pass is not tried once more for each of its cases.
    assert len(ran.lost) == 1


@pytest.mark.parametrize("workers", [pytest.param("-n0", marks=pytest.mark.slow), "-n2"])
def test_in_a_law(pytester: Pytester, workers: str) -> None:
    ran = run(pytester, workers, model="FromFifthCall", cases=LAW)
    ran.complete(2)
    assert set(ran.verdict.values()) == {"error"}
    assert all(REASON in case["reason"] for case in ran.cases)
    # Each law asked a new process, and nothing was shrunk on a lost one.
    assert len(ran.lost) == len(set(ran.lost)) == 2


@pytest.mark.parametrize("workers", ["-n0", "-n1"])
def test_in_this_process_the_rest_fails_without_asking_the_model(
    pytester: Pytester, workers: str
) -> None:
    ran = run(pytester, workers, "--mlff-in-process", "-k", "uracil", model="FromSecondUracil")
    ran.complete(OF_URACIL)
    reasons = [case["reason"] for case in ran.of("uracil")]
    lost = f"the GPU's context is lost to this process ({REASON})"
    assert reasons[0] == f"FromSecondUracil: {lost}"
    assert reasons[1:] == [f"FromSecondUracil was not asked: {lost}"] * (OF_URACIL - 1)
    assert len(ran.lost) == 1


def test_memory_that_ran_out_is_no_loss(pytester: Pytester) -> None:
    ran = run(pytester, "-n0", model="full")
    ran.complete(CASES)
    uracil = ran.of("uracil")
    assert [case["verdict"] for case in uracil] == ["error"] * OF_URACIL
    assert not any("lost its GPU" in case["reason"] for case in uracil)
    assert len(set(ran.lost)) == 1


def test_a_repositorys_own_test_after_it_has_a_process_again(pytester: Pytester) -> None:
    pytester.makepyfile(
        test_own="""
        def test_own(mlff_predictions):
            assert len(mlff_predictions.frames)
        """
    )
    ran = run(pytester, "-n0", "-k", "test_own or ethanol", model="always")
    assert {case["verdict"] for case in ran.of("ethanol")} == {"passed"}
    own = {name: tag for name, (tag, _) in ran.junit.items() if "test_own" in name}
    assert sorted(own.values()) == ["error", "passed"]
    assert len(ran.lost) == 1
