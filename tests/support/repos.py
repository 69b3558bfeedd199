"""A model repository for pytester: models, a small spec, and how a run is read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema

from pytest_mlff.reports.model import SCHEMA_FILE

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

SUPPORT = Path(__file__).parent

SPEC = """\
schema_version: 1
title: Last frames of ethanol
source: {paper: made for this test, section: none}
datasets:
  embedded:
axes:
  molecule: [ethanol]
variant: "{molecule}"
frames:
  test: {molecules: "{molecule}", start: 98}
cases:
  - metric: energy_mae
    thresholds: [{max: 0.5, unit: meV/atom, provenance: &limit {source: physical_limit,
                  reference: made for this test}}]
  - metric: force_mae
    species: [all, each]
    thresholds: [{max: 5, unit: meV/Å, provenance: *limit}]
"""
CASES = 5
"""Cases of `SPEC`: the energy, and forces over all atoms, C, H and O."""
OWN_FAMILY = """\
class Mine:
    family = "mine"
    extra = "none"

    def recognises(self, kind):
        return kind.path.suffix == ".mine"

    def load(self, kind, options):
        from ase.calculators.lj import LennardJones
        from pytest_mlff.potentials.families.ase import AsePotential

        return AsePotential.wrap(LennardJones(), source=options.source, name=options.name)


def pytest_mlff_adapters(config):
    return [Mine()]
"""
"""Of a conftest: files `*.mine` are Lennard-Jones models, whatever they hold."""


def model_repo(pytester: pytest.Pytester, spec: str = SPEC) -> Path:
    """Put ``models.py`` and ``specs/small.yaml`` into pytester's folder."""
    root = pytester.path
    (root / "models.py").write_text((SUPPORT / "models.py").read_text(encoding="utf-8"))
    (root / "specs").mkdir(exist_ok=True)
    (root / "specs" / "small.yaml").write_text(spec, encoding="utf-8")
    return root


def once(pytester: pytest.Pytester, kept: Path, make: Callable[[], object]) -> None:
    """Fill pytester's folder by ``make`` the first time, and from ``kept`` from then on."""
    if kept.exists():
        shutil.copytree(kept, pytester.path, dirs_exist_ok=True)
    else:
        make()
        shutil.copytree(pytester.path, kept)


def family_repo(pytester: pytest.Pytester, **files: str) -> Path:
    """Put a family of the repository's own into pytester's folder: training it costs nothing.

    Parameters
    ----------
    pytester : Pytester
    **files : str
        Text of further files ``NAME.yaml`` by their names.
    """
    root = pytester.path
    (root / "family.py").write_text((SUPPORT / "mean_family.py").read_text(encoding="utf-8"))
    pytester.makeconftest("from family import pytest_mlff_adapters\n")
    pytester.syspathinsert()
    for name, text in files.items():
        (root / f"{name}.yaml").write_text(text, encoding="utf-8")
    return root


def run_case(
    pytester: pytest.Pytester, *arguments: str, model: str = "models.py:exact", **settings: Any
) -> pytest.RunResult:
    """Run pytest on the small spec with one of the models."""
    return pytester.runpytest_inprocess(
        f"--mlff-model={model}",
        "--mlff-suite=specs/small.yaml",
        "--mlff-report=report.json",
        *arguments,
        **settings,
    )


def read_json(path: Path) -> dict[str, Any]:
    """Read a report and hold it against its published schema."""
    report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    jsonschema.validate(report, schema, cls=jsonschema.Draft202012Validator)
    return report


def verdicts(path: Path) -> dict[str, str]:
    """Verdict of each case of a report."""
    return {case["case_id"]: case["verdict"] for case in read_json(path)["cases"]}


def load_species(molecule: str) -> tuple[str, ...]:
    """Elements of an embedded molecule, for :func:`pytest_mlff.specs.cases_of`."""
    return ("C", "H", "N", "O") if molecule == "uracil" else ("C", "H", "O")
