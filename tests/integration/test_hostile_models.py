"""Models that end, skip, hang or talk where they should compute: errors of their own cases."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.repos import read_json

if TYPE_CHECKING:
    from pathlib import Path

    from pytest import Pytester, RunResult

MODELS = '''
import ctypes
import os
import time
import unittest

import numpy as np
from ase.calculators.calculator import Calculator, all_changes


class Tethers(Calculator):
    """Each atom on a spring to the centre; misbehaves on uracil (it alone has nitrogen)."""

    implemented_properties = ["energy", "forces"]

    def __init__(self, act=None):
        super().__init__()
        self.act = act

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        if self.act and 7 in atoms.numbers:
            self.act()
        away = atoms.positions - atoms.positions.mean(axis=0)
        self.results = {"energy": 0.05 * float((away**2).sum()), "forces": -0.1 * away}


def skip():
    import pytest

    pytest.skip("no model today")


def raising(error):
    def act():
        raise error

    return act


def talk():
    print("::stop-commands::own\\n::add-mask::passed", flush=True)


def with_words():
    print("last\\x1b[2J words", flush=True)
    os._exit(3)


def sound(): return Tethers()
def ends_at_load(): os._exit(0)
def skips_at_load(): skip()
def ends(): return Tethers(lambda: os._exit(0))
def ends_with_words(): return Tethers(with_words)
def skips(): return Tethers(skip)
def skips_a_unittest(): return Tethers(raising(unittest.SkipTest("not now")))
def leaves(): return Tethers(raising(SystemExit(0)))
def interrupts(): return Tethers(raising(KeyboardInterrupt()))
def hangs(): return Tethers(lambda: time.sleep(1000))
def crashes(): return Tethers(lambda: ctypes.string_at(0))
def devours(): return Tethers(lambda: np.ones(10**13))
def talks(): return Tethers(talk)
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
  test: {molecules: "{molecule}", start: 98}
cases:
  - metric: energy_mae
    thresholds: [{max: 1e9, unit: meV/atom, provenance: &limit {source: physical_limit,
                  reference: made for this test}}]
  - metric: force_mae
    thresholds: [{max: 1e9, unit: meV/Å, provenance: *limit}]
"""
REASONS = {
    "ends": "the model's process ended with exit code 0",
    "ends_with_words": "exit code 3; its last lines: last·[2J words",
    "skips": "raised Skipped: no model today",
    "skips_a_unittest": "raised SkipTest: not now",
    "leaves": "raised SystemExit",
    "interrupts": "raised KeyboardInterrupt",
    "crashes": "was ended by SIGSEGV",
    "devours": "MemoryError",
}


def run(pytester: Pytester, *models: str, workers: int = 0) -> tuple[RunResult, dict[str, Any]]:
    (pytester.path / "models.py").write_text(MODELS)
    (pytester.path / "small.yaml").write_text(SPEC)
    result = pytester.runpytest_subprocess(
        *(f"--mlff-model=models.py:{one}" for one in models), "--mlff-suite=small.yaml",
        "--mlff-only", "--mlff-level=GFN2-xTB", "--mlff-report=report.json",
        f"-n{workers}", "-p", "no:cacheprovider",
    )  # fmt: skip
    cases = read_json(pytester.path / "report.json")["cases"]
    return result, {f"{one['nodeid'].partition('::')[2]}": one for one in cases}


def verdicts(cases: dict[str, Any], model: str) -> dict[str, set[str]]:
    """Verdicts by molecule."""
    found: dict[str, set[str]] = {"uracil": set(), "ethanol": set()}
    for name, case in cases.items():
        if model in (case["model"], case["model"].rpartition(":")[2]):
            found["uracil" if "uracil" in name else "ethanol"].add(case["verdict"])
    return found


@pytest.mark.parametrize("workers", [pytest.param(0, marks=pytest.mark.slow), 2])
def test_each_is_an_error_of_its_own_cases(pytester: Pytester, workers: int) -> None:
    # Each worker starts each model: with workers, those that end a process and one that does not.
    reasons = {
        one: REASONS[one]
        for one in (["ends", "skips", "crashes", "devours"] if workers else REASONS)
    }
    result, cases = run(pytester, *reasons, "sound", workers=workers)
    assert result.ret == 1
    assert len(cases) == 4 * (len(reasons) + 1)
    for model, reason in reasons.items():
        assert verdicts(cases, model) == {"uracil": {"error"}, "ethanol": {"passed"}}, model
        told = [one["reason"] for one in cases.values() if one["model"] == model]
        assert all(reason in one for one in told if one.startswith(model)), told
    assert verdicts(cases, "sound") == {"uracil": {"passed"}, "ethanol": {"passed"}}


@pytest.mark.parametrize("workers", [pytest.param(0, marks=pytest.mark.slow), 2])
def test_at_load_the_other_models_go_on(pytester: Pytester, workers: int) -> None:
    result, cases = run(pytester, "ends_at_load", "skips_at_load", "sound", workers=workers)
    assert result.ret == 1
    for model in ("ends_at_load", "skips_at_load"):
        assert verdicts(cases, model) == {"uracil": {"error"}, "ethanol": {"error"}}
    assert verdicts(cases, "sound") == {"uracil": {"passed"}, "ethanol": {"passed"}}


@pytest.mark.parametrize("workers", [pytest.param(0, marks=pytest.mark.slow), 2])
def test_a_hanging_model_is_ended_after_the_time_limit(pytester: Pytester, workers: int) -> None:
    pytester.makeini("[pytest]\nmlff_timeout = 10\n")
    result, cases = run(pytester, "hangs", workers=workers)
    assert result.ret == 1
    assert verdicts(cases, "hangs") == {"uracil": {"error"}, "ethanol": {"passed"}}
    assert any("no word from the model for 10 s" in one["reason"] for one in cases.values())
    stream, who = (result.stderr, "[[]gw?] ") if workers else (result.stdout, "")
    stream.fnmatch_lines([f"{who}mlff: small.yaml::*uracil*: hangs has computed for * s (*)"])


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_what_a_model_prints_stays_with_it(pytester: Pytester, workers: int) -> None:
    result, _ = run(pytester, "talks", workers=workers)
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*::*commands*")
    result.stderr.no_fnmatch_line("*::*commands*")


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_default_dtype_is_the_models_own(pytester: Pytester, workers: int) -> None:
    (pytester.path / "springs.py").write_text(
        """
import torch
from ase.calculators.calculator import Calculator, all_changes


class Springs(Calculator):
    implemented_properties = ["energy", "forces"]

    def __init__(self, dtype):
        super().__init__()
        torch.set_default_dtype(dtype)

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        x = torch.tensor(atoms.positions, dtype=torch.get_default_dtype())
        away = (x - x.mean(0)) / 7
        self.results = {"energy": float((away**2).sum()), "forces": -2 * away.numpy()}


def single(): return Springs(torch.float32)
def double(): return Springs(torch.float64)
"""
    )
    (pytester.path / "small.yaml").write_text(SPEC)
    values = []
    # Were one to set the other's, the order would show in the values, or both would be the same.
    for order in (["single", "double"], ["double", "single"]):
        pytester.runpytest_subprocess(
            *(f"--mlff-model=springs.py:{one}" for one in order), "--mlff-suite=small.yaml",
            "--mlff-only", "--mlff-level=GFN2-xTB", "--mlff-report=report.json",
            f"--mlff-store={'-'.join(order)}", f"-n{workers}",
        )  # fmt: skip
        cases = read_json(pytester.path / "report.json")["cases"]
        values.append({(one["model"], one["case_id"]): one["value"] for one in cases})
    both, reversed_ = values
    assert both == reversed_
    assert len(both) == 8
    pairs = [(both[model, case], both["double", case]) for model, case in both if model == "single"]
    assert any(one != other for one, other in pairs)


def test_a_model_dies_with_its_judge(tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text(MODELS)
    code = """
import os, sys, time
from pytest_mlff.potentials.process import open_potential
model = open_potential("models.py:sound")
print(model.pid, flush=True)
time.sleep(100)
"""
    judge = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    assert judge.stdout is not None
    model = int(judge.stdout.readline())
    os.kill(model, 0)
    judge.kill()
    judge.wait()
    for _ in range(100):
        try:
            os.kill(model, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    raise AssertionError("the model outlived its judge")
