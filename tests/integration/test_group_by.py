"""``group_by``: one more case for the frames of each value of a label."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ase.build import bulk, fcc111
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from pytest_mlff.cli.specs import show, validate

if TYPE_CHECKING:
    from pathlib import Path

    from pytest import CaptureFixture, Pytester

MODEL = """
from ase.calculators.emt import EMT

class Wrong(EMT):
    '''Right for bulk copper; forces of slabs are a tenth too large.'''

    def calculate(self, atoms=None, *rest, **more):
        super().calculate(atoms, *rest, **more)
        if not self.atoms.pbc.all():
            self.results["forces"] = 1.1 * self.results["forces"]
        if "nan" in NAN and self.atoms.pbc.all():
            self.results["forces"] = float("nan") * self.results["forces"]

NAN = ""

def make(device="cpu"):
    return Wrong()
"""
SPEC = """
schema_version: 1
title: copper
source: {paper: none, section: none}
datasets: {cu: {path: cu.xyz, level_of_theory: EMT}}
variant: all
frames: {test: {}}
cases:
  - metric: force_mae
    group_by: config_type
    thresholds:
      - by: [group]
        rows: [[all, 100], [bulk, 1.0e-3], [slab, 200], [(none), 1.0e-3]]
        unit: meV/Å
        provenance: {source: physical_limit, reference: none}
  - metric: force_cosine
    group_by: config_type
    thresholds:
      - {min: 0.999, unit: "1", provenance: {source: physical_limit, reference: none}}
  - metric: energy_mae
    thresholds:
      - {max: 1.0e-3, unit: meV/atom, provenance: {source: physical_limit, reference: none}}
"""


def copper(kind: str | None, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    atoms = fcc111("Cu", (1, 1, 3), vacuum=5.0) if kind == "slab" else bulk("Cu", cubic=True)
    atoms.positions += 0.05 * rng.normal(size=(len(atoms), 3))
    if kind is not None:
        atoms.info["config_type"] = kind
    atoms.calc = EMT()
    labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
    atoms.calc = SinglePointCalculator(atoms, **labels)
    return atoms


KINDS = ["bulk", "slab", "slab", "bulk", None, "slab"]


@pytest.fixture
def repo(pytester: Pytester) -> Path:
    frames = [copper(kind, seed) for seed, kind in enumerate(KINDS)]
    write(pytester.path / "cu.xyz", frames, format="extxyz")
    (pytester.path / "cu.yaml").write_text(SPEC)
    (pytester.path / "model.py").write_text(MODEL)
    return pytester.path


def _run(pytester: Pytester, *more: str) -> tuple[Any, dict[str, Any]]:
    result = pytester.runpytest(
        "--mlff-model=model.py:make", "--mlff-suite=cu.yaml", "--mlff-only", "--mlff-report=r.json",
        "-p", "no:cacheprovider", "--mlff-level=EMT", *more,
    )  # fmt: skip
    report = json.loads((pytester.path / "r.json").read_text())
    return result, {case["case_id"].rpartition("/")[2]: case for case in report["cases"]}


def test_cases_per_group(pytester: Pytester, repo: Path) -> None:
    result, cases = _run(pytester)
    assert set(cases) == {
        "energy_mae",
        *(f"{metric}{group}" for metric in ("force_mae", "force_cosine")
          for group in ("", "[config_type=bulk]", "[config_type=slab]", "[config_type=(none)]")),
    }  # fmt: skip
    frames = [copper(kind, seed) for seed, kind in enumerate(KINDS)]
    slabs = np.concatenate(
        [one.get_forces() for one in frames if one.info.get("config_type") == "slab"]
    )
    slab = cases["force_mae[config_type=slab]"]
    assert slab["value"] == pytest.approx(100.0 * np.abs(slabs).mean(), rel=1e-5)
    assert slab["group"] == "config_type=slab"
    assert (slab["n_frames"], slab["n_atoms"]) == (3, 9)
    assert slab["threshold"] == 200
    assert cases["force_mae[config_type=bulk]"]["n_frames"] == 2
    assert cases["force_mae[config_type=(none)]"]["n_frames"] == 1
    assert cases["force_mae[config_type=bulk]"]["value"] < 1e-3
    total = cases["force_mae"]
    assert total["group"] is None
    assert total["n_frames"] == 6
    worst = total["evidence"]["worst_frame"]
    assert KINDS[worst] == total["evidence"]["worst_frame_group"] == "slab"
    assert slab["evidence"]["worst_frame"] == worst
    assert {case["verdict"] for case in cases.values()} == {"passed"}
    assert result.ret == 0


def test_a_group_that_fails_is_red_alone(pytester: Pytester, repo: Path) -> None:
    text = (repo / "cu.yaml").read_text()
    (repo / "cu.yaml").write_text(text.replace("[slab, 200]", "[slab, 0.5]"))
    result, cases = _run(pytester)
    assert result.ret == 1
    red = {name for name, case in cases.items() if case["verdict"] == "failed"}
    assert red == {"force_mae[config_type=slab]"}
    (repo / "model.py").write_text(MODEL.replace('NAN = ""', 'NAN = "nan"'))
    result, cases = _run(pytester)
    assert cases["force_cosine[config_type=slab]"]["verdict"] == "passed"
    assert cases["force_cosine[config_type=bulk]"]["verdict"] == "error"
    assert "first in frame 0" in cases["force_cosine[config_type=bulk]"]["reason"]


def test_baseline_knows_groups(pytester: Pytester, repo: Path) -> None:
    _run(pytester, "--mlff-baseline=b.json", "--mlff-update-baseline")
    result, cases = _run(pytester, "--mlff-baseline=b.json")
    assert result.ret == 0
    assert cases["force_mae[config_type=slab]"]["baseline"] == pytest.approx(
        cases["force_mae[config_type=slab]"]["value"]
    )
    assert cases["force_mae"]["baseline"] != cases["force_mae[config_type=slab]"]["baseline"]


@pytest.mark.parametrize(
    "old, new, line",
    [
        (
            "config_type\n    thresholds:\n      - by",
            "config_typ\n    thresholds:\n      - by",
            "no test frame carries 'config_typ'; did you mean 'config_type'",
        ),
        ("[slab, 200], ", "", "has no row for group slab"),
        (
            "config_type\n    thresholds:\n      - {min",
            "pos\n    thresholds:\n      - {min",
            "no test frame carries 'pos' (they carry config_type; `system` always",
        ),
        (
            "metric: energy_mae\n",
            "metric: time_order\n    group_by: system\n",
            "time_order, which is not taken over test frames",
        ),
    ],
)
def test_what_is_not_in_order(
    repo: Path, capsys: CaptureFixture[str], old: str, new: str, line: str
) -> None:
    text = (repo / "cu.yaml").read_text()
    assert old in text
    (repo / "cu.yaml").write_text(text.replace(old, new))
    assert validate(["cu.yaml"]) == 4
    (found,) = capsys.readouterr().err.splitlines()
    assert line in found


def test_no_label_is_called_as_its_absence_is(repo: Path, capsys: CaptureFixture[str]) -> None:
    text = (repo / "cu.xyz").read_text()
    (repo / "cu.xyz").write_text(text.replace("config_type=slab", 'config_type="(none)"', 1))
    assert validate(["cu.yaml"]) == 4
    (found,) = capsys.readouterr().err.splitlines()
    assert "'config_type' is '(none)', the name of the group of frames without one" in found


def test_shown(repo: Path, capsys: CaptureFixture[str]) -> None:
    assert validate(["cu.yaml"]) == 0
    assert show("cu.yaml") == 0
    assert "force_mae[config_type=slab]  ≤ 200 meV/Å" in capsys.readouterr().out
