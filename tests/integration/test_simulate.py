"""Simulations through real pytest: the spec key `simulate`, and a model that explodes."""

from __future__ import annotations

import math
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.repos import read_json

from pytest_mlff.errors import MlffError
from pytest_mlff.run.plan import plan_spec

if TYPE_CHECKING:
    from pytest import Pytester

SPEC = """\
schema_version: 1
title: Short dynamics
source: {paper: own, section: own}
datasets: {embedded: }
variant: ethanol
frames: {test: {molecules: ethanol, start: 90}}
simulate:
  {ensemble: nvt_langevin, temperature: 500, timestep: 0.5, steps: 40, stride: 5, replicas: 4}
cases:
  - metric: stability_time
    thresholds:
      - {min: 0.019, unit: ps, provenance: {source: physical_limit, reference: a test}}
  - metric: wright_factor
    thresholds:
      - {max: 60, unit: "%", provenance: {source: physical_limit, reference: a test}}
"""
MODEL = """\
from pairs import Pairs

def sound():
    return Pairs(0.0)

class Holed(Pairs):
    def calculate(self, *arguments):
        super().calculate(*arguments)
        self.results["forces"] = self.results["forces"] * (-40)

def explodes():
    return Holed(0.0)
"""


@pytest.fixture
def repository(pytester: Pytester) -> Pytester:
    shutil.copy(Path(__file__).parents[1] / "support" / "pair_model.py", pytester.path / "pairs.py")
    pytester.makefile(".yaml", own=SPEC)
    pytester.makepyfile(model=MODEL)
    return pytester


@pytest.mark.parametrize("model, failed", [("sound", False), ("explodes", True)])
def test_dynamics_of_a_model(repository: Pytester, model: str, failed: bool) -> None:
    result = repository.runpytest_inprocess(
        f"--mlff-model=model.py:{model}", "--mlff-suite=own.yaml", "--mlff-only",
        "--mlff-report=report.json",
    )  # fmt: skip
    assert (result.ret != 0) is failed
    cases = {case["metric"]: case for case in read_json(repository.path / "report.json")["cases"]}
    stable, wright = cases["stability_time"], cases["wright_factor"]
    assert wright["unit"] == "%"
    assert (wright["verdict"] == "passed") is not failed
    if failed:
        assert wright["value"] is None
        assert "replicas exploded" in wright["reason"]
        assert stable["value"] < 0.02
    else:
        assert stable["value"] == pytest.approx(0.02)
        assert stable["ci_low"] < 0.02
        assert math.isfinite(wright["ci_high"])


VIOLATION = (
    SPEC.partition("cases:")[0]
    .replace("replicas: 4", "replicas: 8")
    .replace("steps: 40", "steps: 20")
    + """\
cases:
  - metric: force_violation
    thresholds:
      - {max: 1, unit: "1", provenance: {source: physical_limit, reference: a test}}
"""
)
SCALED = """\
from ase.calculators.mixing import LinearCombinationCalculator
from pytest_mlff.datasets import oracle

def off_by_5_percent():
    return LinearCombinationCalculator([oracle.calculator()], [1.05])

def off_by_8_percent():
    return LinearCombinationCalculator([oracle.calculator()], [1.08])
"""


def test_errors_on_the_way_are_held_against_a_baseline(pytester: Pytester) -> None:
    pytest.importorskip("tblite")
    pytester.makefile(".yaml", own=VIOLATION)
    pytester.makepyfile(model=SCALED)

    def run(model: str, *more: str) -> tuple[int, dict[str, object]]:
        result = pytester.runpytest_inprocess(
            f"--mlff-model=model.py:{model}", "--mlff-suite=own.yaml", "--mlff-only",
            "--mlff-report=report.json", "--mlff-level=GFN2-xTB", *more,
        )  # fmt: skip
        (case,) = read_json(pytester.path / "report.json")["cases"]
        return int(result.ret), case

    status, case = run("off_by_5_percent", "--mlff-baseline=b.json", "--mlff-update-baseline")
    # |F − F'| over |F| + |F'| of forces 5 % too large, whatever the frame.
    assert (status, case["value"]) == (0, pytest.approx(0.05 / 2.05, rel=1e-3))
    status, case = run("off_by_8_percent", "--mlff-baseline=b.json")
    assert (status, case["verdict"], case["regressed"]) == (1, "regressed", True)
    # Another length of the simulation is another case: its numbers do not compare.
    (pytester.path / "own.yaml").write_text(VIOLATION.replace("steps: 20", "steps: 10"))
    status, case = run("off_by_8_percent", "--mlff-baseline=b.json")
    assert case["regressed"] is None
    assert status == 1


CRYSTAL = """\
schema_version: 1
title: Short dynamics of copper
source: {paper: own, section: own}
datasets: {metals: }
variant: cu
frames: {test: {molecules: cu}}
simulate:
  {ensemble: nvt_langevin, temperature: 600, timestep: 4, steps: 40, stride: 1, replicas: 2,
   reference: oracle, structure_limit: 1}
cases:
  - metric: rdf_jsd
    species: [all, each]
  - metric: vdos_jsd
  - metric: diffusivity
    species: [all, each]
  - metric: force_violation
  - metric: energy_violation_equal_times
  - metric: stability_time
"""


@pytest.mark.parametrize(
    "named, said",
    [
        ("oracle: gfn2-xtb", "computes GFN2-xTB, but the labels are EMT"),
        ("oracle: emtt", "unknown oracle 'emtt'; did you mean 'emt'?"),
        ("oracle: 'ase.calculators.emt:EMT', oracle_level: PBE", "computes PBE, but the labels"),
        ("oracle: 'ase.calculators.emt:EMT', oracle_level: emt", None),
    ],
)
def test_an_oracle_is_of_the_method_of_the_labels(
    pytester: Pytester, named: str, said: str | None
) -> None:
    (pytester.path / "own.yaml").write_text(CRYSTAL.replace("stride: 1,", f"stride: 1, {named},"))
    planned = plan_spec(pytester.path / "own.yaml", None, None)
    if said is None:
        planned.check_data()
        return
    with pytest.raises(MlffError, match=rf"own.yaml:8: simulate.oracle: {re.escape(said)}"):
        planned.check_data()


def test_the_oracle_as_its_own_model_on_a_crystal(pytester: Pytester) -> None:
    """Every distance from the reference is none; the case says what that distance's floor is."""
    pytest.importorskip("freud")
    pytester.makefile(".yaml", own=CRYSTAL)
    pytester.runpytest_inprocess(
        "--mlff-model=ase.calculators.emt:EMT", "--mlff-suite=own.yaml", "--mlff-only",
        "--mlff-report=report.json", "--mlff-level=EMT",
    )  # fmt: skip
    cases = {case["case_id"]: case for case in read_json(pytester.path / "report.json")["cases"]}
    found = {name.rpartition("/")[2]: case for name, case in cases.items()}
    assert {case["verdict"] for case in found.values()} == {"reported"}
    for name in ("rdf_jsd", "rdf_jsd[Cu-Cu]", "vdos_jsd", "force_violation"):
        assert found[name]["value"] == pytest.approx(0.0, abs=1e-5)
    assert found["energy_violation_equal_times"]["value"] == pytest.approx(0.0, abs=1e-12)
    assert found["rdf_jsd"]["evidence"]["noise_floor"] > 1e-4
    assert found["diffusivity"]["value"] == pytest.approx(found["diffusivity[Cu]"]["value"])
    assert found["stability_time"]["value"] == pytest.approx(0.16)
    assert {one["kind"] for one in found["rdf_jsd"]["pictures"]} == {"rdf"}
    assert len(found["stability_time"]["film"]["time_ps"]) == 41
