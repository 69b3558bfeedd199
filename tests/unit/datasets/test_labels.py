"""Labels as people have them: other keys, other shapes, two levels, no numbers, odd cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from ase.io import write

from pytest_mlff.datasets.conversion import FileUnits, parse_units
from pytest_mlff.datasets.frames import Frames
from pytest_mlff.datasets.label_keys import LabelKeys, check_one_level
from pytest_mlff.datasets.labels import LabelReport
from pytest_mlff.datasets.readers.npz import read_npz
from pytest_mlff.datasets.readers.structures import read_structures
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from pathlib import Path

EV = FileUnits("eV")


def strained(seed: int = 0) -> Atoms:
    """A copper crystal pulled and sheared, with the labels of ASE's EMT."""
    rng = np.random.default_rng(seed)
    atoms = bulk("Cu", cubic=True)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.03 * rng.normal(size=(3, 3))), True)
    atoms.calc = EMT()
    results = {
        "energy": atoms.get_potential_energy(),
        "forces": atoms.get_forces(),
        "stress": atoms.get_stress(),
    }
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


def _with_comment(tmp_path: Path, words: str, atoms: Atoms) -> Path:
    lattice = " ".join(repr(float(one)) for one in atoms.cell.array.ravel())
    lines = [f'4\nLattice="{lattice}" pbc="T T T" Properties=species:S:1:pos:R:3 energy=1 {words}']
    lines += ["Cu " + " ".join(repr(float(one)) for one in row) for row in atoms.positions]
    path = tmp_path / "a.extxyz"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_stress_is_the_derivative_of_the_energy() -> None:
    """The sign: σ = (1/V) ∂E/∂ε for all six components of EMT's own labels."""
    atoms = strained()
    sigma = Frames.from_atoms([atoms]).stress
    assert sigma is not None
    step = 1e-5
    for i, j in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)):
        energies = []
        for sign in (1, -1):
            strain = np.eye(3)
            strain[i, j] += sign * step / 2
            strain[j, i] += sign * step / 2
            one = atoms.copy()
            one.set_cell(atoms.cell.array @ strain, scale_atoms=True)
            one.calc = EMT()
            energies.append(one.get_potential_energy())
        slope = (energies[0] - energies[1]) / (2 * step) / atoms.get_volume()
        assert sigma[0, i, j] == pytest.approx(slope, abs=2e-6)


def _spelled(sigma: np.ndarray[Any, Any], volume: float) -> dict[str, tuple[str, LabelKeys, str]]:
    def text(values: Any) -> str:
        return " ".join(repr(float(one)) for one in np.ravel(values))

    xx, yy, zz, yz, xz, xy = (
        sigma[0, 0], sigma[1, 1], sigma[2, 2], sigma[1, 2], sigma[0, 2], sigma[0, 1],
    )  # fmt: skip
    voigt = [xx, yy, zz, yz, xz, xy]
    none = LabelKeys()
    return {
        "matrix": (f'stress="{text(sigma)}"', none, "eV"),
        "voigt": (f'stress="{text(voigt)}"', none, "eV"),
        "own key": (f'REF_stress="{text(voigt)}"', LabelKeys(stress="REF_stress"), "eV"),
        "GPa": (f'stress="{text(sigma / units.GPa)}"', none, "eV, Å, GPa"),
        "kbar": (f'stress="{text(sigma / units.GPa * 10)}"', none, "eV, Å, kbar"),
        "pressure": (f'stress="{text(-sigma / units.GPa * 10)}"', none, "eV, Å, -kbar"),
        "virial": (f'virial="{text(-sigma * volume)}"', LabelKeys(virial="virial"), "eV"),
    }


@pytest.mark.parametrize(
    "spelling", ["matrix", "voigt", "own key", "GPa", "kbar", "pressure", "virial"]
)
def test_stress_in_every_spelling(tmp_path: Path, spelling: str) -> None:
    atoms = strained()
    sigma = atoms.get_stress(voigt=False)
    words, keys, unit = _spelled(sigma, atoms.get_volume())[spelling]
    path = _with_comment(tmp_path, words, atoms)
    content = read_structures(path, units=parse_units(unit, ""), keys=keys)
    found = content.frames.stress
    assert found is not None
    np.testing.assert_allclose(found[0], sigma, rtol=1e-12, atol=1e-15)
    # The mutants: another sign, another order of the six.
    assert not np.allclose(found[0], -sigma)
    swapped = found[0][[1, 0, 2]][:, [1, 0, 2]]
    assert not np.allclose(swapped, sigma)


@pytest.mark.parametrize("words", ['stress="1 2 3 4 5"', "stress=none", 'stress="a b c d e f"'])
def test_unreadable_stress_leaves_the_rest(tmp_path: Path, words: str) -> None:
    content = read_structures(_with_comment(tmp_path, words, strained()))
    assert content.frames.energy is not None
    assert content.frames.stress is None
    assert "frame 0: 'stress'" in content.labels.lacking("stress")


@pytest.mark.parametrize(
    "word, message",
    [
        ("energy=None", "frame 0: 'energy' is 'None', not a number"),
        ('energy="1 2"', "frame 0: 'energy' holds 2 numbers, not one"),
        ("energy=low", "frame 0: 'energy' is 'low', not a number"),
        ("energy=T", "frame 0: 'energy' is True, not a number"),
        ("energy=1e999", "frame 0: 'energy' is not finite"),
        ("energy", "frame 0: 'energy' is True, not a number"),
    ],
)
def test_energies_that_are_no_numbers(tmp_path: Path, word: str, message: str) -> None:
    path = tmp_path / "a.extxyz"
    path.write_text(f"1\nProperties=species:S:1:pos:R:3 {word}\nHe 0 0 0\n")
    with pytest.raises(MlffError) as caught:
        read_structures(path)
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize(
    "quantity, key, option",
    [
        ("forces", "force", "forces_key"),
        ("forces", "REF_forces", "forces_key"),
        ("energy", "Energy", "energy_key"),
        ("energy", "free_energy", "energy_key"),
        ("energy", "dft_energy", "energy_key"),
        ("stress", "virial", "virial_key"),
        ("stress", "REF_virials", "virial_key"),
        ("stress", "Stress", "stress_key"),
    ],
)
def test_near_keys_are_named(quantity: str, key: str, option: str) -> None:
    said = LabelReport(("comment", key)).lacking(quantity)
    assert f"`{option}: {key}`" in said
    assert "_key" not in LabelReport(("charge",)).lacking(quantity)


@pytest.mark.parametrize(
    "energy, forces, present",
    [
        ("dft_energy", "ccsd_forces", ["dft_energy", "ccsd_forces"]),
        ("wb97x_dz.energy", "wb97x_tz.forces", []),
        ("energy_pbe", "forces_pbe0", []),
        # Energies under the usual name pass by the partner of the forces that are named.
        (None, "dft_forces", ["energy", "dft_energy", "dft_forces"]),
    ],
)
def test_two_levels_are_refused(energy: str | None, forces: str, present: list[str]) -> None:
    with pytest.raises(MlffError, match=r"^f: .* two levels of theory"):
        check_one_level(LabelKeys(energy, forces), present, "f")


@pytest.mark.parametrize(
    "energy, forces",
    [
        ("REF_energy", "REF_forces"),
        ("dft_total_energy", "dft_total_gradient"),
        ("energy", "force"),
        ("TotEnergy", "force"),
        ("E", "F"),
        (None, "REF_forces"),
        ("free_energy", None),
        ("wb97x_dz.energy", "wb97x_dz.forces"),
    ],
)
def test_one_level_is_taken(energy: str | None, forces: str | None) -> None:
    keys = LabelKeys(energy, forces)
    check_one_level(keys, [key for key in keys.named if key], "f")


@pytest.mark.parametrize("key", ["dft_energy", "free_energy"])
def test_frames_of_different_keys_are_refused_until_one_is_named(tmp_path: Path, key: str) -> None:
    frames = [bulk("Cu", cubic=True) for _ in range(4)]
    for index, atoms in enumerate(frames):
        atoms.info["energy" if index < 2 else key] = -1.0
    write(tmp_path / "a.extxyz", frames, format="extxyz")
    with pytest.raises(MlffError, match=rf"frame 2 has '{key}' where others have 'energy'"):
        read_structures(tmp_path / "a.extxyz")
    named = read_structures(tmp_path / "a.extxyz", keys=LabelKeys(energy="energy"))
    assert named.frames.labelled("energy").tolist() == [True, True, False, False]


def _md17(path: Path, **more: Any) -> None:
    arrays = {"z": np.array([8, 1]), "R": np.zeros((2, 2, 3)), "E": np.ones(2),
              "F": np.zeros((2, 2, 3)), "e_unit": "eV", "r_unit": "Ang"}  # fmt: skip
    np.savez(path, **(arrays | more))


def test_unknown_units_are_refused(tmp_path: Path) -> None:
    _md17(tmp_path / "a.npz", e_unit="unknown", r_unit="unknown")
    with pytest.raises(MlffError, match=r"'unknown, unknown'.*set `units`"):
        read_npz(tmp_path / "a.npz")
    assert read_npz(tmp_path / "a.npz", units=EV).frames.energy is not None


CELL = np.array([[4.0, 0.0, 0.0], [1.0, 5.0, 0.0], [0.5, 0.3, 6.0]])


@pytest.mark.parametrize(
    "more, rows",
    [
        ({"lattice": CELL.T}, CELL),
        ({"cell": CELL}, CELL),
        ({"cells": np.stack([CELL, CELL])}, CELL),
        ({"box": CELL.reshape(1, 9).repeat(2, 0)}, CELL),
        ({"cell": np.array([4.0, 5.0, 6.0])}, np.diag([4.0, 5.0, 6.0])),
    ],
)
def test_cells_are_read_rightly(tmp_path: Path, more: dict[str, Any], rows: Any) -> None:
    _md17(tmp_path / "a.npz", **more)
    frames = read_npz(tmp_path / "a.npz").frames
    np.testing.assert_array_equal(frames.cell, np.stack([rows, rows]))
    assert frames.pbc.all()


@pytest.mark.parametrize(
    "more, message",
    [
        ({"cell": np.zeros((2, 2))}, "'cell' has shape"),
        ({"unitcell_abc": CELL}, "'unitcell_abc' looks like a cell"),
        ({"cell": CELL, "lattice": CELL}, "give different cells"),
        ({"pbc": np.array([True] * 3)}, "frame 0 is periodic along x and has no cell"),
        ({"cell": np.full((3, 3), np.nan)}, "'cell' is not finite"),
    ],
)
def test_or_refused(tmp_path: Path, more: dict[str, Any], message: str) -> None:
    _md17(tmp_path / "a.npz", **more)
    with pytest.raises(MlffError, match=message):
        read_npz(tmp_path / "a.npz")


@pytest.mark.parametrize("words", ['lattice="4 0 0 0 5 0 0 0 6"', 'cell="4 5 6"', 'pbc="T T T"'])
def test_a_crystal_is_never_taken_for_a_molecule(tmp_path: Path, words: str) -> None:
    path = tmp_path / "a.extxyz"
    path.write_text(f"1\nProperties=species:S:1:pos:R:3 energy=-1.0 {words}\nHe 0 0 0\n")
    with pytest.raises(MlffError, match=r"frame 0.*Lattice"):
        read_structures(path)


def test_padded_frames_of_nequips_layout(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    numbers = np.array([[8, 1, 1], [1, 1, 0]])
    positions, forces = rng.normal(size=(2, 2, 3, 3))
    positions[1, 2] = forces[1, 2] = np.nan
    np.savez(
        tmp_path / "a.npz", atomic_numbers=numbers, pos=positions, forces=forces,
        energy=np.array([[1.0], [2.0]]), charge=np.array([0, 1]),
    )  # fmt: skip
    frames = read_npz(tmp_path / "a.npz", units=EV).frames
    assert frames.counts.tolist() == [3, 2]
    assert frames.numbers.tolist() == [8, 1, 1, 1, 1]
    np.testing.assert_array_equal(np.asarray(frames.forces)[3:], forces[1, :2])
    assert np.asarray(frames.energy).tolist() == [1.0, 2.0]
    assert frames.atoms(1).info["charge"] == 1


def _dump(columns: str, row: str, head: str = "") -> str:
    return (
        f"{head}ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n1\nITEM: BOX BOUNDS pp pp pp\n"
        f"0 4\n0 5\n0 6\nITEM: ATOMS {columns}\n{row}\n"
    )


def test_a_dump_has_forces_and_no_invented_energy(tmp_path: Path) -> None:
    path = tmp_path / "a.lammpstrj"
    path.write_text(_dump("id type element x y z fx fy fz", "1 1 Cu 0 0 0 1 2 3"))
    content = read_structures(path, file_format="lammps-dump-text")
    assert content.frames.energy is None
    np.testing.assert_allclose(content.frames.forces, [[1, 2, 3]])
    assert content.frames.pbc.all()


def test_types_need_their_elements(tmp_path: Path) -> None:
    path = tmp_path / "a.lammpstrj"
    path.write_text(_dump("id type x y z fx fy fz", "1 2 0 0 0 1 2 3"))
    with pytest.raises(MlffError, match=r"atom types, not elements.*species: \{1: Cu"):
        read_structures(path, file_format="lammps-dump-text")
    frames = read_structures(path, file_format="lammps-dump-text", species={1: "H", 2: "Cu"}).frames
    assert frames.species == ("Cu",)
    with pytest.raises(MlffError, match="frame 0: atom 0 is no element"):
        read_structures(path, file_format="lammps-dump-text", species={3: "Cu"})


def test_a_dump_in_real_units(tmp_path: Path) -> None:
    path = tmp_path / "a.lammpstrj"
    head = "ITEM: UNITS\nreal\n"
    path.write_text(_dump("id type element x y z fx fy fz", "1 1 Cu 0 0 0 1 2 3", head))
    frames = read_structures(path, file_format="lammps-dump-text").frames
    np.testing.assert_allclose(frames.forces, np.array([[1, 2, 3]]) * units.kcal / units.mol)


def test_energies_that_are_all_nought_are_no_labels(tmp_path: Path) -> None:
    atoms = strained()
    atoms.calc.results["energy"] = 0.0
    write(tmp_path / "a.extxyz", [atoms, atoms])
    content = read_structures(tmp_path / "a.extxyz")
    assert content.frames.energy is None
    assert "exactly 0" in content.labels.lacking("energy")
    meant = read_structures(tmp_path / "a.extxyz", keys=LabelKeys(energy="energy"))
    assert meant.frames.labelled("energy").all()


def test_bom_and_odd_symbols(tmp_path: Path) -> None:
    path = tmp_path / "a.xyz"
    text = "3\nProperties=species:S:1:pos:R:3 energy=-1.5\nO1 0 0 0\nD 0 0 1\nH2 0 1 0\n"
    path.write_text(text, encoding="utf-8-sig")
    frames = read_structures(path).frames
    assert frames.numbers.tolist() == [8, 1, 1]
    assert np.asarray(frames.energy).tolist() == [-1.5]


def test_schnetpack_databases(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with connect(path) as database:
        for index in range(3):
            database.write(
                Atoms("H2", [[0, 0, 0], [0, 0, 0.8]]),
                data={"energy": np.array([1.0 + index]), "forces": np.full((2, 3), 2.0)},
            )
    with pytest.raises(MlffError, match=r"does not say the units.*set `units`"):
        read_structures(path)
    with connect(path) as database:
        database.metadata = {
            "_distance_unit": "Ang",
            "_property_unit_dict": {"energy": "kcal/mol", "forces": "kcal/mol/Ang"},
        }
    frames = read_structures(path).frames
    kcal = units.kcal / units.mol
    np.testing.assert_allclose(frames.energy, np.array([1, 2, 3]) * kcal)
    np.testing.assert_allclose(frames.forces, 2.0 * kcal)
    with pytest.raises(MlffError, match="but the spec says eV"):
        read_structures(path, units=EV)


def test_what_a_structure_carries_reaches_the_model(tmp_path: Path) -> None:
    made = []
    for index in range(3):
        atoms = strained(index)
        atoms.info |= {"charge": index, "config_type": "bulk"}
        if index:
            atoms.info["spin"] = 1
        atoms.set_tags([index, 0, 1, 2])
        atoms.set_initial_charges([0.5, 0, 0, index])
        atoms.set_initial_magnetic_moments([1.0, 2.0, 3.0, index])
        made.append(atoms)
    write(tmp_path / "a.traj", made)
    frames = read_structures(tmp_path / "a.traj").frames
    picked = Frames.concatenate([frames.select([2]), frames.select([0, 1])])
    for place, index in enumerate((2, 0, 1)):
        seen = picked.without_labels().atoms(place)
        assert seen.info == made[index].info
        assert type(seen.info["charge"]) is int
        assert seen.calc is None
        np.testing.assert_array_equal(seen.get_tags(), made[index].get_tags())
        np.testing.assert_array_equal(seen.get_initial_charges(), made[index].get_initial_charges())
        np.testing.assert_array_equal(
            seen.get_initial_magnetic_moments(), made[index].get_initial_magnetic_moments()
        )
    made[0].info["charge"] = 1
    other = Frames.from_atoms(made)
    assert other.structure_digest != Frames.from_atoms([strained(k) for k in range(3)]).digest
    made[0].info["charge"] = 0
    assert other.structure_digest != Frames.from_atoms(made).structure_digest


def test_no_model_sees_labels_under_other_names(tmp_path: Path) -> None:
    atoms = strained()
    atoms.info |= {"REF_virial": -1.0, "quux": 3.0, "charge": 1}
    atoms.arrays["REF_forces"] = np.ones((4, 3))
    write(tmp_path / "a.extxyz", [atoms])
    frames = read_structures(
        tmp_path / "a.extxyz", keys=LabelKeys(energy="quux", forces="REF_forces")
    ).frames
    seen = frames.atoms(0)
    assert seen.info == {"charge": 1}
    assert "REF_forces" not in seen.arrays
