"""Each family in an environment of its own: trained by its recipe, simulated, held to laws.

``MLFF_FAMILIES`` names a folder with environments called like the recipes (``mace``, ``botnet`` …);
a family whose environment is not there is skipped. ``tox -e mace`` and the like make one.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.repos import read_json

EXAMPLES = Path(__file__).parents[2] / "examples" / "families"
FAMILIES = ("mace", "botnet", "torchmd", "equiformer", "allegro")
SPEC = """\
schema_version: 1
title: Eighty frames of ethanol
source: {paper: made for this test, section: none}
datasets: {embedded: }
variant: ethanol
frames:
  train: {molecules: ethanol, end: 80, pick: random, count: 80}
  test: {molecules: ethanol, start: 90, pick: evenly, count: 40}
cases:
  - metric: force_mae
    thresholds: [{max: 900, unit: meV/Å, provenance: {source: own_baseline,
                  reference: an answer of 0 gets about 1000, frames: 40, seeds: 1}}]
"""
DYNAMICS = """\
schema_version: 1
title: A tenth of a picosecond of ethanol
source: {paper: made for this test, section: none}
datasets: {embedded: }
variant: ethanol
frames:
  test: {molecules: ethanol, start: 90, pick: evenly, count: 2}
simulate: {ensemble: nvt_langevin, temperature: 300, timestep: 0.5, ps: 0.1, friction: 2,
           stride: 10, replicas: 2}
cases:
  - {metric: stability_time}
"""
MADE = ("model.pt", "last.ckpt")
LAWS = ("rotation", "permutation", "batch_independence", "force_consistency")
# Its cutoff is sharp: the energy jumps where an atom crosses the radius (docs/families.md).
BROKEN = {"equiformer": ("force_consistency",)}

pytestmark = pytest.mark.slow


@pytest.fixture(params=FAMILIES)
def family(request: Any, pytester: pytest.Pytester) -> str:
    """A family whose environment is there, with its recipe in the test's folder."""
    name: str = request.param
    place = os.environ.get("MLFF_FAMILIES")
    python = Path(place or "") / name / "bin" / "python"
    if place is None or not python.is_file():
        pytest.skip(f"MLFF_FAMILIES names no folder with an environment {name}")
    folder = pytester.path
    shutil.copy(EXAMPLES / "train.py", folder)
    text = (EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8")
    text = text.replace(f"envs/{name}", str(python.parents[1])).replace("budget: 180", "budget: 15")
    text = text.replace("max_steps: 800", "max_steps: 150")  # NequIP's trainer counts steps
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    (folder / "dynamics.yaml").write_text(DYNAMICS, encoding="utf-8")
    (folder / "ethanol.yaml").write_text(SPEC, encoding="utf-8")
    return name


def test_trained_and_judged(family: str, pytester: pytest.Pytester) -> None:
    """The recipe learns something, and what it leaves is a model with symmetric, true forces."""
    store = pytester.path / "store"
    common = ("--mlff-only", f"--mlff-store={store}", "-p", "no:cacheprovider")
    result = pytester.runpytest_subprocess(
        f"--mlff-model={family}.yaml", "--mlff-suite=ethanol.yaml", "--mlff-report=a.json", *common
    )
    assert result.ret == 0, result.stdout.str()
    (case,) = read_json(pytester.path / "a.json")["cases"]
    assert case["verdict"] == "passed"
    (made,) = [path for name in MADE for path in store.rglob(name)]
    python = Path(os.environ["MLFF_FAMILIES"], family)
    (pytester.path / "card.yaml").write_text(f"model: {made}\npython: {python}\nname: {family}\n")
    laws = [law for law in LAWS if law not in BROKEN.get(family, ())]
    suites = ("dynamics.yaml", *(f"laws/{law}" for law in laws))
    result = pytester.runpytest_subprocess(
        "--mlff-model=card.yaml",
        *(f"--mlff-suite={one}" for one in suites),
        "--mlff-report=b.json",
        *common,
    )
    assert result.ret == 0, result.stdout.str()
    cases = read_json(pytester.path / "b.json")["cases"]
    assert sorted(case["verdict"] for case in cases) == ["passed"] * len(laws) + ["reported"]
    (lasted,) = [case for case in cases if case["metric"] == "stability_time"]
    assert 0.0 < lasted["value"] <= 0.1
