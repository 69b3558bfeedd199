"""Every number of a report against plain numpy over the family's own ASE calculator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.repos import model_repo, read_json, run_case

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ase import Atoms
    from pytest import Pytester

    Labelled = tuple[Atoms, float, np.ndarray]

SPEC = """\
schema_version: 1
title: Errors of every kind
source: {{paper: made for this test, section: none}}
datasets:
  {dataset}:
axes:
  molecule: [{molecules}]
variant: "{{molecule}}"
frames:
  test: {{molecules: "{{molecule}}", start: {start}}}
cases:
  - metric: energy_mae
    thresholds: [{{max: 1.0e9, unit: meV/atom, provenance: &limit {{source: physical_limit,
                  reference: made for this test}}}}]
  - metric: energy_rmse
    thresholds: [{{max: 1.0e9, unit: meV/atom, provenance: *limit}}]
  - metric: force_mae
    species: [all, each]
    thresholds: [{{max: 1.0e9, unit: meV/Å, provenance: *limit}}]
  - metric: force_rmse
    species: [all, each]
    thresholds: [{{max: 1.0e9, unit: meV/Å, provenance: *limit}}]
"""


def _own_calculator(checkpoint: str) -> Any:
    """NequIP's own calculator, as its users make it."""
    from nequip.ase import NequIPCalculator

    return NequIPCalculator._from_saved_model(checkpoint, device="cpu")


def _errors(calculator: Any, frames: Iterator[Labelled]) -> list[tuple[list[str], float, Any]]:
    """Symbols, energy error in meV/atom and force errors in meV/Å, frame by frame."""
    found = []
    for atoms, energy, forces in frames:
        copy = atoms.copy()
        copy.calc = calculator
        found.append(
            (
                list(atoms.symbols),
                (copy.get_potential_energy() - energy) / len(atoms) * 1000,
                (copy.get_forces() - forces) * 1000,
            )
        )
    return found


def _by_hand(errors: list[tuple[list[str], float, Any]], metric: str, species: str | None) -> float:
    if metric.startswith("energy"):
        chosen = np.array([energy for _, energy, _ in errors])
    else:
        chosen = np.concatenate(
            [
                forces[[species is None or symbol == species for symbol in symbols]].ravel()
                for symbols, _, forces in errors
            ]
        )
    if metric.endswith("_mae"):
        return float(np.mean(np.abs(chosen)))
    return float(np.sqrt(np.mean(chosen**2)))


def _embedded(molecule: str, start: int) -> Iterator[Labelled]:
    """Frames read from the shipped file with nothing but numpy and ASE."""
    from ase import Atoms

    from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER

    with np.load(EMBEDDED_FOLDER / f"{molecule}.npz") as archive:
        n = len(archive["positions"])
        for k in range(n * start // 100, n):
            yield (
                Atoms(archive["numbers"], archive["positions"][k].astype(float)),
                float(archive["energy.gfn2-xtb"][k]),
                archive["forces.gfn2-xtb"][k].astype(float),
            )


def _rmd17(folder: Path, molecule: str, start: float) -> Iterator[Labelled]:
    """Frames in MD order, energies through the CODATA values behind kcal/mol."""
    from ase import Atoms
    from scipy import constants

    to_ev = 4184.0 / constants.Avogadro / constants.elementary_charge
    with np.load(folder / "rmd17" / f"rmd17_{molecule}.npz") as archive:
        order = np.argsort(archive["old_indices"], kind="stable")
        n = len(order)
        for k in order[int(n * start // 100) :]:
            yield (
                Atoms(archive["nuclear_charges"], archive["coords"][k].astype(float)),
                float(archive["energies"][k]) * to_ev,
                archive["forces"][k].astype(float) * to_ev,
            )


def _check(
    pytester: Pytester, checkpoint: str, dtype: str, frames: dict[str, Any], relative: float
) -> None:
    report = read_json(pytester.path / "report.json")
    assert report["models"][0]["dtype"] == dtype
    calculator = _own_calculator(checkpoint)
    errors = {name: _errors(calculator, labelled()) for name, labelled in frames.items()}
    cases = report["cases"]
    assert len(cases) == len(frames) * (2 + 2 * (1 + 3))
    for case in cases:
        by_hand = _by_hand(errors[case["variant"]], case["metric"], case["species"])
        assert case["value"] == pytest.approx(by_hand, rel=relative), case["case_id"]


@pytest.fixture(params=[pytest.param("float64", marks=pytest.mark.slow), "float32"])
def model(request: pytest.FixtureRequest) -> tuple[str, str, float]:
    """A checkpoint, its precision, and how closely numbers must agree."""
    if request.param == "float64":
        return request.getfixturevalue("tiny_float64"), "float64", 1e-6
    return request.getfixturevalue("tiny_demo"), "float32", 1e-4


def test_embedded(pytester: Pytester, model: tuple[str, str, float]) -> None:
    checkpoint, dtype, relative = model
    model_repo(
        pytester, SPEC.format(dataset="embedded", molecules="ethanol, malonaldehyde", start=99)
    )
    result = run_case(pytester, "--mlff-level=GFN2-xTB", model=checkpoint)
    assert result.ret == 0
    frames = {m: (lambda m=m: _embedded(m, 99)) for m in ("ethanol", "malonaldehyde")}
    _check(pytester, checkpoint, dtype, frames, relative)


def test_rmd17(pytester: Pytester, reference_data: Path, model: tuple[str, str, float]) -> None:
    checkpoint, dtype, relative = model
    model_repo(
        pytester, SPEC.format(dataset="rmd17", molecules="ethanol, malonaldehyde", start=99.7)
    )
    result = run_case(
        pytester, f"--mlff-data={reference_data}", "--mlff-level=PBE/def2-SVP", model=checkpoint
    )
    assert result.ret == 0
    report = read_json(pytester.path / "report.json")
    assert {case["dataset"] for case in report["cases"]} == {"rmd17"}
    start = 99.7
    frames = {
        m: (lambda m=m: _rmd17(reference_data, m, start)) for m in ("ethanol", "malonaldehyde")
    }
    _check(pytester, checkpoint, dtype, frames, relative)
