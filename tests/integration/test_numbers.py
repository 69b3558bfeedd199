"""Every number of a report against plain numpy over the family's own ASE calculator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.repos import model_repo, read_json, run_case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ase import Atoms
    from pytest import Pytester

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


def _own_calculator(checkpoint: str, dtype: str) -> Any:
    """NequIP's own calculator, in double precision where that is asked for."""
    from nequip.ase import NequIPCalculator

    calculator = NequIPCalculator._from_saved_model(checkpoint, device="cpu")
    if dtype == "float64":
        calculator.model = calculator.model.to(dtype=__import__("torch").float64)
    return calculator


def _by_hand(
    calculator: Any,
    frames: Iterator[tuple[Atoms, float, np.ndarray]],
    metric: str,
    species: str | None,
) -> float:
    energy_errors, force_errors = [], []
    for atoms, energy, forces in frames:
        copy = atoms.copy()
        copy.calc = calculator
        energy_errors.append((copy.get_potential_energy() - energy) / len(atoms) * 1000)
        chosen = [species is None or symbol == species for symbol in atoms.symbols]
        force_errors.append(((copy.get_forces() - forces)[chosen] * 1000).ravel())
    errors = (
        np.array(energy_errors) if metric.startswith("energy") else np.concatenate(force_errors)
    )
    if metric.endswith("_mae"):
        return float(np.mean(np.abs(errors)))
    return float(np.sqrt(np.mean(errors**2)))


def _embedded(molecule: str, start: int) -> Iterator[tuple[Atoms, float, np.ndarray]]:
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


def _rmd17(folder: Path, molecule: str, start: float) -> Iterator[tuple[Atoms, float, np.ndarray]]:
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
    calculator = _own_calculator(checkpoint, dtype)
    cases = report["cases"]
    assert len(cases) == len(frames) * (2 + 2 * (1 + 3))
    for case in cases:
        by_hand = _by_hand(calculator, frames[case["variant"]](), case["metric"], case["species"])
        assert case["value"] == pytest.approx(by_hand, rel=relative), case["case_id"]


@pytest.mark.parametrize("dtype, relative", [("float64", 1e-6), ("float32", 1e-4)])
def test_embedded(pytester: Pytester, tiny_demo: str, dtype: str, relative: float) -> None:
    model_repo(
        pytester, SPEC.format(dataset="embedded", molecules="ethanol, malonaldehyde", start=99)
    )
    result = run_case(pytester, f"--mlff-dtype={dtype}", model=tiny_demo)
    assert result.ret == 0
    frames = {m: (lambda m=m: _embedded(m, 99)) for m in ("ethanol", "malonaldehyde")}
    _check(pytester, tiny_demo, dtype, frames, relative)


@pytest.mark.parametrize("dtype, relative", [("float64", 1e-6), ("float32", 1e-4)])
def test_rmd17(
    pytester: Pytester, tiny_demo: str, reference_data: Path, dtype: str, relative: float
) -> None:
    model_repo(
        pytester, SPEC.format(dataset="rmd17", molecules="ethanol, malonaldehyde", start=99.7)
    )
    result = run_case(
        pytester, f"--mlff-dtype={dtype}", f"--mlff-data={reference_data}", model=tiny_demo
    )
    assert result.ret == 0
    report = read_json(pytester.path / "report.json")
    assert {case["dataset"] for case in report["cases"]} == {"rmd17"}
    start = 99.7
    frames = {
        m: (lambda m=m: _rmd17(reference_data, m, start)) for m in ("ethanol", "malonaldehyde")
    }
    _check(pytester, tiny_demo, dtype, frames, relative)
