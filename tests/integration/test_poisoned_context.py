"""A lost GPU context, played by a model that says what torch would: worker replaced, case rerun."""

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


class Harmonic(Calculator):
    """Loses the context on uracil, once for all processes or always; and is lost from then on."""

    implemented_properties = ["energy", "forces"]
    text, always, from_call, only = LOST, True, 1, "N"

    def __init__(self):
        super().__init__()
        self.calls, self.lost = 0, False

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        if self.only in atoms.get_chemical_formula():
            self.calls += 1
            if self.calls >= self.from_call and self.dies():
                self.lost = True
        if self.lost:
            with (HERE / "lost").open("a") as stream:
                stream.write(f"{os.getpid()}\\n")
            raise RuntimeError(self.text)
        centred = atoms.positions - atoms.positions.mean(axis=0)
        self.results = {"energy": 0.05 * float(np.sum(centred**2)), "forces": -0.1 * centred}

    def dies(self):
        return self.always or not (HERE / "lost").exists()


class Once(Harmonic):
    always = False


class FromFifthCall(Harmonic):
    only, from_call = "C", 5


class FromFifthCallOnce(FromFifthCall):
    always = False


class FromSecondUracil(Harmonic):
    """The first frame is predicted, the context is lost on the second."""

    from_call = 2


class Full(Harmonic):
    text = "CUDA error: out of memory\\nCUDA kernel errors might be asynchronous\\n"


always, once, full = Harmonic, Once, Full
'''

SPEC = """\
schema_version: 1
title: Last frames
source: {paper: made for this test, section: none}
datasets:
  embedded:
axes:
  molecule: [ethanol, uracil]
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

    def complete(self, cases: int, others: int = 0) -> None:
        """Everything stands there once, and JUnit says the same as the JSON."""
        assert len(self.verdict) == len(self.cases) == cases
        assert len(self.junit) == cases + others
        assert self.problems == []
        red = {
            case["nodeid"].partition("::")[2] for case in self.cases if case["verdict"] == "error"
        }
        assert {name for name, (tag, _) in self.junit.items() if tag in ("error", "failure")} == red


def run(pytester: Pytester, *arguments: str, model: str, cases: str = ERRORS) -> Ran:
    root: Path = pytester.path
    (root / "models.py").write_text(MODEL)
    (root / "small.yaml").write_text(SPEC + cases)
    result = pytester.runpytest_inprocess(
        f"--mlff-model=models.py:{model}", "--mlff-suite=small.yaml", "--mlff-report=report.json",
        "--junitxml=junit.xml", "--mlff-level=GFN2-xTB", *arguments,
    )  # fmt: skip
    return Ran(pytester, result)


@pytest.mark.parametrize("dist", ["load", "worksteal", "loadscope"])
def test_lost_once_the_case_is_run_again_and_counts(pytester: Pytester, dist: str) -> None:
    pytester.makepyfile("def test_own(): pass")
    ran = run(pytester, "-n2", "-x", f"--dist={dist}", model="once")
    assert ran.result.ret == 0
    ran.result.assert_outcomes(passed=CASES + 1)
    assert ran.replaced == 1
    assert len(ran.lost) == 1
    ran.complete(CASES, others=1)
    assert set(ran.verdict.values()) == {"passed"}
    ran.result.stdout.fnmatch_lines([f"mlff: gw? lost the GPU's context ({REASON})*", "*1 rerun*"])


def test_lost_always_it_is_an_error_and_costs_nothing_else(pytester: Pytester) -> None:
    ran = run(pytester, "-n2", model="always")
    assert ran.result.ret == 1
    ran.complete(CASES)
    assert {case["verdict"] for case in ran.of("ethanol")} == {"passed"}
    uracil = ran.of("uracil")
    assert len(uracil) == OF_URACIL
    assert all(REASON in case["reason"] for case in uracil)
    assert {case["verdict"] for case in uracil} == {"error"}
    assert sum(" and again in gw" in case["reason"] for case in uracil) == OF_URACIL
    # Two for the case; and the case after it may have begun on the other worker meanwhile.
    assert 2 <= len(set(ran.lost)) == len(ran.lost) == ran.replaced <= 4


def test_one_worker_is_enough(pytester: Pytester) -> None:
    ran = run(pytester, "-n1", model="always")
    assert ran.result.ret == 1
    ran.complete(CASES)
    assert [case["verdict"] for case in ran.of("uracil")] == ["error"] * OF_URACIL
    tried = [case for case in ran.of("uracil") if not case["reason"].startswith("not predicted")]
    assert len(tried) == 1
    assert tried[0]["reason"] == f"the GPU's context was lost in gw0 and again in gw1 ({REASON})"
    assert ran.replaced == len(ran.lost) == 2


def test_alone_the_rest_fails_without_asking_the_model(pytester: Pytester) -> None:
    ran = run(pytester, "-n0", model="FromSecondUracil")
    assert ran.result.ret == 1
    ran.complete(CASES)
    assert {case["verdict"] for case in ran.of("ethanol")} == {"passed"}
    reasons = [case["reason"] for case in ran.of("uracil")]
    lost = f"the GPU's context is lost to this process ({REASON})"
    assert reasons[0] == f"FromSecondUracil: {lost}"
    assert reasons[1:] == [f"FromSecondUracil was not asked: {lost}"] * (OF_URACIL - 1)
    assert len(ran.lost) == 1


def test_memory_that_ran_out_restarts_nobody(pytester: Pytester) -> None:
    ran = run(pytester, "-n2", model="full")
    assert ran.result.ret == 1
    ran.complete(CASES)
    assert [case["verdict"] for case in ran.of("uracil")] == ["error"] * OF_URACIL
    assert ran.replaced == 0


def test_no_more_workers_than_the_user_allows(pytester: Pytester) -> None:
    ran = run(pytester, "-n1", "--max-worker-restart=0", model="once")
    assert ran.result.ret == 1
    assert len(ran.cases) == CASES
    reasons = {case["reason"] for case in ran.cases if case["verdict"] == "error"}
    assert any("no more than 0 workers (--max-worker-restart)" in reason for reason in reasons)
    assert reasons - {"lost: collected, but never reported"}
    assert ran.replaced == 0


@pytest.mark.parametrize("model", ["FromFifthCallOnce", "FromFifthCall"])
def test_in_a_law(pytester: Pytester, model: str) -> None:
    ran = run(pytester, "-n1", model=model, cases=LAW)
    ran.complete(2)
    if model.endswith("Once"):
        assert ran.result.ret == 0
        assert ran.replaced == len(ran.lost) == 1
    else:
        assert ran.result.ret == 1
        assert set(ran.verdict.values()) == {"error"}
        assert ran.replaced == len(ran.lost) == 4


def test_alone_in_a_law(pytester: Pytester) -> None:
    ran = run(pytester, "-n0", model="FromFifthCall", cases=LAW)
    ran.complete(2)
    assert set(ran.verdict.values()) == {"error"}
    assert len(ran.lost) == 1
    assert all(REASON in case["reason"] for case in ran.cases)


def test_a_repositorys_own_test_is_run_again_too(pytester: Pytester) -> None:
    pytester.makepyfile(
        """
        def test_own(mlff_predictions):
            assert len(mlff_predictions.frames)

        def test_other(): pass
        """
    )
    ran = run(pytester, "-n2", "-k", "test_own or test_other or ethanol", model="once")
    assert ran.result.ret == 0
    assert ran.replaced == len(ran.lost) == 1
    assert ran.problems == []
    assert {tag for tag, _ in ran.junit.values()} == {"passed"}
