"""``--mlff-dataset`` and ``--mlff-data``: published files where they lie, in time order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.repos import SPEC, model_repo, read_json, run_case

if TYPE_CHECKING:
    from pathlib import Path

    from pytest import Pytester

BOTH = SPEC.replace("  embedded:\n", "  embedded:\n  rmd17:\n")
ETHANOL = np.array([6, 6, 8, 1, 1, 1, 1, 1, 1])
# Returns zero forces and energies, so an error is the label itself.
ZERO = """
import numpy as np
from ase.calculators.calculator import Calculator, all_changes

class Zero(Calculator):
    implemented_properties = ["energy", "forces"]
    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": 0.0, "forces": np.zeros((len(atoms), 3))}

def zero():
    return Zero()
"""


def _published(folder: Path) -> np.ndarray:
    """An rMD17-like file, scrambled as the published ones are; returns energies in MD order."""
    rng = np.random.default_rng(3)
    n = 100
    energies = np.arange(1.0, n + 1)
    steps = np.cumsum(rng.integers(1, 30, n))
    shuffled = rng.permutation(n)
    folder.mkdir(parents=True)
    np.savez(
        folder / "rmd17_ethanol.npz",
        nuclear_charges=ETHANOL.astype(np.uint8),
        coords=rng.normal(size=(n, 9, 3))[shuffled],
        energies=energies[shuffled],
        forces=np.zeros((n, 9, 3)),
        old_indices=steps[shuffled],
        old_energies=np.zeros(n),
        old_forces=np.zeros((n, 9, 3)),
    )
    return energies


@pytest.mark.parametrize("inside", ["", "rmd17"])
def test_files_are_found_and_read_in_md_order(pytester: Pytester, inside: str) -> None:
    root = model_repo(pytester, BOTH)
    (root / "models.py").write_text(ZERO)
    energies = _published(root / "data" / inside)
    run_case(pytester, "--mlff-dataset=rmd17", "--mlff-data=data", model="models.py:zero")
    report = read_json(root / "report.json")
    case = report["cases"][0]
    assert case["metric"] == "energy_mae"
    assert case["dataset"] == "rmd17"
    assert case["n_frames"] == 2
    # The last two frames in MD order, kcal/mol to meV, nine atoms (CODATA 2014 in ASE).
    assert case["value"] == pytest.approx(energies[-2:].mean() * 43.364104 / 9, rel=1e-6)
    assert set(report["run"]["data_digests"]) == {"rmd17/ethanol"}


def test_missing_files_say_how_to_get_them(pytester: Pytester) -> None:
    model_repo(pytester, BOTH)
    pytester.mkdir("empty")
    result = run_case(pytester, "--mlff-dataset=rmd17", "--mlff-data=empty")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: rmd17 ethanol not found*mlff data fetch rmd17*"])


def test_a_spec_with_the_users_own_file(pytester: Pytester) -> None:
    from ase import Atoms
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.io import write

    own = SPEC.replace("  embedded:\n", "  ours: {path: ../ours.extxyz, level_of_theory: PBE, "
                       "time_ordered: true}\n").replace("[ethanol]", "[ours]")  # fmt: skip
    root = model_repo(pytester, own.replace("start: 98", "start: 50"))
    (root / "models.py").write_text(ZERO)
    rng = np.random.default_rng(0)
    frames = []
    for k in range(10):
        atoms = Atoms("OH2", rng.normal(size=(3, 3)))
        atoms.calc = SinglePointCalculator(
            atoms, energy=0.003 * k, forces=np.full((3, 3), 0.001 * k)
        )
        frames.append(atoms)
    write(root / "ours.extxyz", frames)
    run_case(pytester, model="models.py:zero")
    values = {c["case_id"]: c["value"] for c in read_json(root / "report.json")["cases"]}
    # Frames 5 to 9: mean of k is 7.
    assert values == {
        "specs/small/ours/energy_mae": pytest.approx(7.0),
        "specs/small/ours/force_mae": pytest.approx(7.0),
        "specs/small/ours/force_mae[H]": pytest.approx(7.0),
        "specs/small/ours/force_mae[O]": pytest.approx(7.0),
    }
