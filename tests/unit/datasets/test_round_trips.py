"""Each format, written and read back: energy, forces, stress, cell, charge, replica."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from ase.io import write

from pytest_mlff.datasets import open_dataset
from pytest_mlff.datasets.export import extxyz_text
from pytest_mlff.datasets.frames import Frames
from pytest_mlff.datasets.readers.structures import read_structures
from pytest_mlff.specs import DatasetOption

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
        atoms.info["run"] = index // 2
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


def _arrays(made: list[Atoms]) -> dict[str, Any]:
    found = {
        "atomic_numbers": made[0].numbers,
        "pos": np.stack([one.positions for one in made]),
        "energy": np.array([[one.get_potential_energy()] for one in made]),
        "forces": np.stack([one.get_forces() for one in made]),
        "charge": np.array([one.info["charge"] for one in made]),
        "run": np.array([one.info["run"] for one in made]),
    }
    if made[0].pbc.any():
        found["cell"] = np.stack([one.cell.array for one in made])
        found["stress"] = np.stack([one.get_stress() for one in made])
    return found


def _deepmd(path: Path, made: list[Atoms], kind: str) -> None:
    dpdata = pytest.importorskip("dpdata")
    parts = [dpdata.LabeledSystem(one, fmt="ase/structure") for one in made]
    for part, one in zip(parts, made, strict=True):
        # dpdata takes no stress of ASE's calculators; W = -V sigma.
        part.data["virials"] = -one.get_stress(voigt=False)[None] * one.get_volume()
    whole = parts[0]
    for part in parts[1:]:
        whole.append(part)
    whole.to(kind, str(path), **({"prec": np.float64} if kind == "deepmd/npy" else {}))


def _write(name: str, path: Path, made: list[Atoms]) -> None:
    if name == "npz":
        np.savez(path, **_arrays(made))
    elif name == "h5":
        h5py = pytest.importorskip("h5py")
        with h5py.File(path, "w") as file:
            for key, value in _arrays(made).items():
                file[f"one/{'positions' if key == 'pos' else key}"] = value
    elif name in ("deepmd/npy", "deepmd/raw"):
        _deepmd(path, made, name)
    elif name in ("db", "schnetpack.db"):
        with connect(path) as database:
            for one in made:
                bare = one.copy()
                labels = dict(one.calc.results) if name == "schnetpack.db" else {}
                bare.calc = None if labels else one.calc
                labels["energy"] = np.array([labels.get("energy", 0.0)])
                database.write(bare, data=one.info | (labels if name != "db" else {}))
            if name != "db":
                units = {"energy": "eV", "forces": "eV/Ang"}
                database.metadata = {"_property_unit_dict": units, "_distance_unit": "Ang"}
    elif name == "own.extxyz":
        path.write_text(extxyz_text(Frames.from_atoms(made)))
    else:
        write(path, made)


# ASE writes eight decimals of positions and forces into extended XYZ; W / V and back rounds.
_DIGITS = {"extxyz": 6e-9}
_STRESS = {"deepmd/npy": 1e-15, "deepmd/raw": 1e-15}
# These do not keep `info`.
_WITHOUT_INFO = ("json", "deepmd/npy", "deepmd/raw")
_NAMES = (
    "extxyz", "own.extxyz", "traj", "db", "schnetpack.db", "json", "npz", "h5", "deepmd/npy",
    "deepmd/raw",
)  # fmt: skip


# dpdata takes ASE's structures for periodic.
_KINDS = [
    (name, kind)
    for name in _NAMES
    for kind in ("crystal", "molecule")
    if kind == "crystal" or not name.startswith("deepmd")
]


@pytest.mark.parametrize("name, kind", _KINDS)
def test_round_trip(tmp_path: Path, name: str, kind: str) -> None:
    """Energy, forces, stress, cell, charge and replica of each format."""
    made = systems(kind)
    path = tmp_path / ("folder" if name.startswith("deepmd") else f"a.{name}")
    _write(name, path, made)
    said: dict[str, Any] = {"path": path.name}
    if name in ("npz", "h5"):
        said["units"] = "eV"
    if name not in _WITHOUT_INFO:
        said["replica"] = "run"
    source = open_dataset("own", DatasetOption(**said), spec_dir=tmp_path)
    frames, wanted = source.load(source.molecules[0]).frames, Frames.from_atoms(made)
    digits = _DIGITS.get(name, 0.0)
    np.testing.assert_array_equal(frames.numbers, wanted.numbers)
    np.testing.assert_array_equal(frames.pbc, wanted.pbc)
    np.testing.assert_array_equal(frames.cell, wanted.cell)
    np.testing.assert_array_equal(frames.energy, wanted.energy)
    np.testing.assert_allclose(frames.positions, wanted.positions, rtol=0, atol=digits)
    np.testing.assert_allclose(frames.forces, wanted.forces, rtol=0, atol=digits)
    assert (frames.stress is None) == (kind == "molecule")
    if frames.stress is not None:
        atol = _STRESS.get(name, 0.0)
        np.testing.assert_allclose(frames.stress, wanted.stress, rtol=0, atol=atol)
    if name not in _WITHOUT_INFO:
        assert [frames.atoms(index).info.get("charge") for index in range(3)] == [0, 1, 0]
        assert np.asarray(frames.replica).tolist() == [0, 0, 1]


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
