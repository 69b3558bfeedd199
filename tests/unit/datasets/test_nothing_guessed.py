"""Names, units and cells that files spell in many ways: read rightly, or refused in one line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from ase.io import write
from support.mutated import copper

from pytest_mlff.datasets import open_dataset
from pytest_mlff.errors import MlffError
from pytest_mlff.specs import DatasetOption

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlff.datasets.dataset import Dataset


def load(path: Path, **option: Any) -> Dataset:
    source = open_dataset("own", DatasetOption(path=path.name, **option), spec_dir=path.parent)
    return source.load(source.molecules[0])


def refused(path: Path, message: str, **option: Any) -> None:
    with pytest.raises(MlffError, match=message) as caught:
        load(path, **option)
    assert "\n" not in str(caught.value)


def crystal(path: Path, old: str, new: str) -> Path:
    """Three frames of copper as extended XYZ, a pattern replaced."""
    write(path, copper(3))
    path.write_text(re.sub(old, new, path.read_text()))
    return path


def test_energies_per_atom_are_no_total_energies(tmp_path: Path) -> None:
    path = crystal(tmp_path / "a.extxyz", r"(?<=\s)energy=", "energy_per_atom=")
    assert "which is per atom" in load(path).labels.lacking("energy")
    refused(path, "says energies per atom", energy_key="energy_per_atom")


@pytest.mark.parametrize(
    "key, units, fits",
    [("energy_Ha", None, False), ("energy_Ha", "Hartree", True), ("energy_eV", None, True),
     ("energy_kcal_mol", "eV", False), ("energy_kcal_mol", "kcal/mol", True)],
)  # fmt: skip
def test_units_in_the_name_of_a_key(
    tmp_path: Path, key: str, units: str | None, fits: bool
) -> None:
    path = crystal(tmp_path / "a.extxyz", r"(?<=\s)energy=", f"{key}=")
    option = {"energy_key": key} | ({} if units is None else {"units": units})
    if fits:
        assert load(path, **option).frames.labelled("energy").all()
    else:
        refused(path, f"'{key}' says .*, but the file is read in eV", **option)


def test_a_pressure_has_the_other_sign(tmp_path: Path) -> None:
    path = crystal(tmp_path / "a.extxyz", r"(?<=\s)stress=", "pressure=")
    refused(path, "whose sign is minus that of stress", stress_key="pressure")
    frames = load(path, stress_key="pressure", units="eV, Å, -GPa").frames
    wanted = -copper(3)[0].get_stress(voigt=False) * 0.00624150907
    np.testing.assert_allclose(np.asarray(frames.stress)[0], wanted, rtol=1e-6)


def test_one_level_for_a_key_of_the_other_quantity_that_is_not_named(tmp_path: Path) -> None:
    path = crystal(tmp_path / "a.extxyz", r"(?<=\s)(energy=\S+)", r"\1 ccsd_energy=1.0")
    refused(path, "of which level are the forces", energy_key="ccsd_energy")
    assert load(path).frames.labelled("energy").all()


@pytest.mark.parametrize("zeros, fault", [(1, False), (2, True), (3, True)])
def test_energies_that_are_exactly_zero(tmp_path: Path, zeros: int, fault: bool) -> None:
    frames = copper(3)
    for atoms in frames[:zeros]:
        atoms.calc = SinglePointCalculator(atoms, energy=0.0, forces=atoms.get_forces())
    write(tmp_path / "a.traj", frames)
    data = load(tmp_path / "a.traj")
    assert (data.frames.energy is None) is fault
    assert data.frames.labelled("forces").all()
    if fault:
        assert "exactly 0" in data.labels.lacking("energy")
    named = load(tmp_path / "a.traj", energy_key="energy")
    assert named.frames.labelled("energy").all()


@pytest.mark.parametrize(
    "lattice",
    ["a=3.6 b=3.6 c=3.6 alpha=90 beta=90 gamma=90", "periodic=True", 'supercell="4 4 4"',
     'lattice_vectors="4 0 0 0 4 0 0 0 4"'],
)  # fmt: skip
def test_cells_that_extended_xyz_does_not_know(tmp_path: Path, lattice: str) -> None:
    path = crystal(tmp_path / "a.extxyz", r'Lattice="[^"]*"(.*) pbc="T T T"', rf"{lattice}\1")
    refused(path, "is no key of a cell that this format knows")


def test_periodicity_under_another_name(tmp_path: Path) -> None:
    path = crystal(tmp_path / "a.extxyz", 'pbc="T T T"', 'PBC="T T F"')
    refused(path, "'PBC' is no key")
    path = crystal(tmp_path / "a.extxyz", 'pbc="T T T"', "periodic=True")
    assert load(path).frames.pbc.all()


def test_an_empty_line_ends_no_file(tmp_path: Path) -> None:
    path = crystal(tmp_path / "a.extxyz", r"(?s)(.*\n)(4\n.*)", r"\1\n\2")
    refused(path, "line 13 is empty where a frame should begin")
    path.write_text(path.read_text().replace("\n\n", "\n") + "\n \n")
    assert len(load(path).frames) == 3


def test_as_many_atoms_as_a_frame_says(tmp_path: Path) -> None:
    # With 10²⁰ of them, ASE looks for them for ever.
    for said in ("5", "99999999999999999999"):
        path = crystal(tmp_path / "a.extxyz", r"(?s)(.*\n)4(?=\n)", rf"\g<1>{said}")
        refused(path, f"line 13 says {said} atoms, of which the file holds 4")


def test_two_energies_in_one_comment(tmp_path: Path) -> None:
    path = crystal(tmp_path / "a.extxyz", r"(?<=\s)energy=", "energy=1 energy=")
    refused(path, "its comment holds 'energy' twice")


def test_comments_in_latin_1(tmp_path: Path) -> None:
    path = crystal(tmp_path / "a.extxyz", "energy=", "note=3Å energy=")
    path.write_bytes(path.read_text().encode("latin-1"))
    assert load(path).frames.atoms(0).info["note"] == "3Å"


def arrays(path: Path, **more: Any) -> Path:
    """Three frames of copper as NequIP's npz, with further arrays."""
    frames = copper(3)
    np.savez(
        path,
        atomic_numbers=frames[0].numbers,
        pos=np.stack([one.positions for one in frames]),
        energy=np.array([one.get_potential_energy() for one in frames]),
        forces=np.stack([one.get_forces() for one in frames]),
        **more,
    )
    return path


@pytest.mark.parametrize(
    "more, message",
    [
        ({"hmat": np.eye(3)}, "'hmat' looks like a cell"),
        ({"M": np.tile(4.0 * np.eye(3), (3, 1, 1))}, "'M', a matrix for each frame, may be a cell"),
        ({name: np.ones((3, 3)) for name in "abc"}, "'a', 'b', 'c' look like those of a cell"),
        ({"is_periodic": np.array(True)}, "is periodic along x and has no cell vector"),
        ({"stress": np.array(1.0)}, ""),
    ],
)
def test_cells_that_npz_does_not_know(tmp_path: Path, more: dict[str, Any], message: str) -> None:
    path = arrays(tmp_path / "a.npz", **more)
    if message:
        refused(path, message, units="eV")
    else:
        assert "has shape ()" in load(path, units="eV").labels.lacking("stress")


def test_further_arrays_reach_the_model(tmp_path: Path) -> None:
    path = arrays(
        tmp_path / "a.npz",
        dipole=np.arange(9.0).reshape(3, 3),
        quadrupole=4.0 * np.ones((3, 3, 3)),
        config_type=np.array([b"a", b"b", b"a"]),
        velocities=np.ones((3, 4, 3)),
        train_idx=np.arange(3),
        e_unit=np.array(b"eV"),
    )
    data = load(path)
    assert data.frames.atoms(1).info["config_type"] == "b"
    assert data.frames.atoms(1).info["dipole"].tolist() == [3.0, 4.0, 5.0]
    assert data.frames.atoms(1).arrays["velocities"].shape == (4, 3)
    assert set(data.frames.per_frame) == {"dipole", "quadrupole", "config_type"}
    assert "e_unit" not in data.labels.keys


def test_symbols_and_whole_numbers_with_a_point(tmp_path: Path) -> None:
    for name, numbers in (("a", np.array(["O", "H", "H"])), ("b", np.array([8.0, 1.0, 1.0]))):
        np.savez(tmp_path / f"{name}.npz", z=numbers, R=np.ones((2, 3, 3)), E=np.arange(1.0, 3.0))
        frames = load(tmp_path / f"{name}.npz", units="eV").frames
        assert frames.numbers.tolist() == [8, 1, 1] * 2
    np.savez(tmp_path / "c.npz", z=np.array([8.5, 1, 1]), R=np.ones((2, 3, 3)), E=np.arange(2.0))
    refused(tmp_path / "c.npz", "not whole numbers", units="eV")


def test_physnet_layout_is_padded(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "a.npz", Z=np.array([[8, 1, 1], [1, 1, 0]]), R=np.ones((2, 3, 3)),
        E=np.array([-3.0, -1.0]), F=np.ones((2, 3, 3)), Q=np.array([0.0, 1.0]), N=np.array([3, 2]),
    )  # fmt: skip
    frames = load(tmp_path / "a.npz", units="eV").frames
    assert frames.counts.tolist() == [3, 2]
    assert frames.atoms(1).info["Q"] == 1.0


def test_a_dump_in_a_style_of_its_own_and_types(tmp_path: Path) -> None:
    head = "ITEM: UNITS\nreal\nITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n1\n"
    head += "ITEM: BOX BOUNDS pp pp pp\n" + "0 9\n" * 3
    path = tmp_path / "a.lammpstrj"
    path.write_text(f"{head}ITEM: ATOMS id element x y z fx fy fz\n1 Cu 1 2 3 1 0 0\n")
    frames = load(path).frames
    assert np.asarray(frames.forces)[0, 0] == pytest.approx(0.0433641, rel=1e-5)  # kcal/mol in eV
    refused(path, "states its units as 'real'; leave `units` out", units="kcal/mol")
    refused(path, "the dump holds elements; leave `species` out", species={1: "Ag"})
    path.write_text(path.read_text().replace("real", "lj"))
    refused(path, "its units as 'lj', which is none of .*real, metal")


def test_a_dump_that_was_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "a.lammpstrj"
    for frame in range(2):
        head = f"ITEM: TIMESTEP\n{frame}\nITEM: NUMBER OF ATOMS\n2\n"
        head += "ITEM: BOX BOUNDS pp pp pp\n" + "0 9\n" * 3 + "ITEM: ATOMS id element x y z\n"
        with path.open("a") as stream:
            stream.write(f"{head}1 Cu 1 2 3\n2 Cu 4 5 6\n")
    assert len(load(path).frames) == 2
    path.write_text(path.read_text().removesuffix("2 Cu 4 5 6\n"))
    refused(path, "frame 1 says 2 atoms and holds 1")


def test_lammps_data_files_hold_types(tmp_path: Path) -> None:
    write(tmp_path / "a.data", copper(1)[0], format="lammps-data")
    refused(tmp_path / "a.data", "holds atom types, not elements", format="lammps-data")
    frames = load(tmp_path / "a.data", format="lammps-data", species={1: "Cu"}).frames
    assert frames.species == ("Cu",)
    refused(tmp_path / "a.data", "atom 0 is no element", format="lammps-data", species={2: "Cu"})


@pytest.mark.parametrize("unit, factor", [("eV/Ang/Ang/Ang", 1.0), ("GPa", 0.00624150907)])
def test_stress_of_schnetpack_databases(tmp_path: Path, unit: str, factor: float) -> None:
    atoms = copper(1)[0]
    labels = {"energy": np.array([atoms.get_potential_energy()]), "forces": atoms.get_forces()}
    stress = atoms.get_stress(voigt=False)
    with connect(tmp_path / "a.db") as database:
        atoms.calc = None
        database.write(atoms, data={**labels, "stress": stress[None]})
        database.metadata = {
            "_property_unit_dict": {"energy": "eV", "forces": "eV/Ang", "stress": unit},
            "_distance_unit": "Ang",
        }
    found = np.asarray(load(tmp_path / "a.db").frames.stress)[0]
    np.testing.assert_allclose(found, stress * factor, rtol=1e-6)


def test_hdf5_groups_keep_cells_charges_and_depth(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    atoms = molecule("H2O")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["bulk/one/species"] = np.array(atoms.get_chemical_symbols(), dtype="S")
        file["bulk/one/coordinates"] = atoms.positions[None]
        file["bulk/one/energy"] = np.array([-1.0])
        file["bulk/one/cell"] = 7.0 * np.eye(3)
        file["bulk/one/total_charge"] = 1
    data = load(tmp_path / "a.h5", units="eV")
    assert data.molecule == "bulk_one"
    assert data.frames.species == ("H", "O")
    assert data.frames.pbc.all()
    assert data.frames.atoms(0).info["total_charge"] == 1
