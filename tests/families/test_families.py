"""Each family in an environment of its own: trained by its recipe, opened again, held to laws.

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
FAMILIES = ("mace", "botnet", "torchmd", "equiformer")
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
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    (folder / "ethanol.yaml").write_text(SPEC, encoding="utf-8")
    card = {"model": "model.pt", "python": str(python), "name": name}
    (folder / "card.yaml").write_text(
        "".join(f"{key}: {value}\n" for key, value in card.items()), encoding="utf-8"
    )
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
    (made,) = store.rglob("model.pt")
    shutil.copy(made, pytester.path / "model.pt")
    laws = [law for law in LAWS if law not in BROKEN.get(family, ())]
    result = pytester.runpytest_subprocess(
        "--mlff-model=card.yaml", *(f"--mlff-suite=laws/{law}" for law in laws), *common
    )
    assert result.ret == 0, result.stdout.str()
    result.assert_outcomes(passed=len(laws))
