"""Each format that ASE writes, read back: energy, forces, stress, cell, charge, to the last bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from pytest_mlff.datasets.conversion import FileUnits
from pytest_mlff.datasets.export import extxyz_text
from pytest_mlff.datasets.frames import Frames
from pytest_mlff.datasets.readers.npz import read_npz
from pytest_mlff.datasets.readers.structures import read_structures

if TYPE_CHECKING:
    from pathlib import Path

    from ase import Atoms


def systems(kind: str, count: int = 3) -> list[Atoms]:
    """Strained copper, or ethanol; two charges."""
    rng = np.random.default_rng(5)
    made = []
    for index in range(count):
        atoms = bulk("Cu", cubic=True) if kind == "crystal" else molecule("CH3CH2OH")
        if kind == "crystal":
            atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.03 * rng.normal(size=(3, 3))), True)
        atoms.positions += 0.04 * rng.normal(size=atoms.positions.shape)
        atoms.info["charge"] = index % 2
        atoms.calc = EMT()
        results: dict[str, Any] = {
            "energy": atoms.get_potential_energy(),
            "forces": atoms.get_forces(),
        }
        if kind == "crystal":
            results["stress"] = atoms.get_stress()
        atoms.calc = SinglePointCalculator(atoms, **results)
        made.append(atoms)
    return made


def _written(name: str, made: list[Atoms], folder: Path) -> Frames:
    path = folder / f"a.{name}"
    if name == "npz":
        arrays = {
            "atomic_numbers": made[0].numbers,
            "pos": np.stack([one.positions for one in made]),
            "energy": np.array([[one.get_potential_energy()] for one in made]),
            "forces": np.stack([one.get_forces() for one in made]),
            "charge": np.array([one.info["charge"] for one in made]),
        }
        if made[0].pbc.any():
            arrays["cell"] = np.stack([one.cell.array for one in made])
            arrays["stress"] = np.stack([one.get_stress() for one in made])
        np.savez(path, **arrays)
        return read_npz(path, units=FileUnits("eV")).frames
    if name == "own.extxyz":
        path.write_text(extxyz_text(Frames.from_atoms(made)))
    else:
        write(path, made)
    return read_structures(path).frames


# ASE writes eight decimals of positions and forces into extended XYZ.
_DIGITS = {"extxyz": 6e-9}
# These do not keep `info`.
_WITHOUT_INFO = ("db", "json")


@pytest.mark.parametrize("kind", ["crystal", "molecule"])
@pytest.mark.parametrize("name", ["extxyz", "own.extxyz", "traj", "db", "json", "npz"])
def test_round_trip(tmp_path: Path, name: str, kind: str) -> None:
    made = systems(kind)
    frames = _written(name, made, tmp_path)
    wanted = Frames.from_atoms(made)
    digits = _DIGITS.get(name, 0.0)
    np.testing.assert_array_equal(frames.numbers, wanted.numbers)
    np.testing.assert_array_equal(frames.pbc, wanted.pbc)
    np.testing.assert_array_equal(frames.cell, wanted.cell)
    np.testing.assert_array_equal(frames.energy, wanted.energy)
    np.testing.assert_allclose(frames.positions, wanted.positions, rtol=0, atol=digits)
    np.testing.assert_allclose(frames.forces, wanted.forces, rtol=0, atol=digits)
    assert (frames.stress is None) == (kind == "molecule")
    if frames.stress is not None:
        np.testing.assert_array_equal(frames.stress, wanted.stress)
    if name not in _WITHOUT_INFO:
        assert [frames.atoms(index).info.get("charge") for index in range(3)] == [0, 1, 0]


def test_systems_of_different_cells_and_sizes_in_one_file(tmp_path: Path) -> None:
    made = [*systems("crystal", 2), *systems("molecule", 2), systems("crystal", 1)[0].repeat(2)]
    made[-1].calc = SinglePointCalculator(made[-1], energy=1.0)
    write(tmp_path / "a.traj", made)
    frames = read_structures(tmp_path / "a.traj").frames
    assert frames.counts.tolist() == [4, 4, 9, 9, 32]
    assert frames.labelled("energy").all()
    assert frames.labelled("forces").tolist() == [True] * 4 + [False]
    assert frames.labelled("stress").tolist() == [True, True, False, False, False]
    for index, atoms in enumerate(made):
        np.testing.assert_array_equal(frames.atoms(index).cell, atoms.cell)
