"""DeePMD folders and HDF5 files: written here, read back, held against what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ase import units
from support.mutated import copper
from support.program_outputs import cp2k_output, outcar, vasprun

from pytest_mlff.datasets import Frames, open_dataset
from pytest_mlff.errors import MlffError
from pytest_mlff.specs import DatasetOption

if TYPE_CHECKING:
    from pathlib import Path


def _source(path: str, folder: Path, **option: Any) -> Any:
    return open_dataset("own", DatasetOption(path=path, **option), spec_dir=folder)


def deepmd(folder: Path, **changes: Any) -> dict[str, Any]:
    """A water molecule in a box, two sets of frames."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    made: dict[str, Any] = {
        "type": "0 1 1\n", "type_map": "O H\n",
        "coord": rng.normal(size=(5, 9)), "box": np.tile(np.diag([9.0, 8.0, 7.0]).ravel(), (5, 1)),
        "energy": rng.normal(size=5) - 100.0, "force": rng.normal(size=(5, 9)),
        "virial": rng.normal(size=(5, 9)),
    } | changes  # fmt: skip
    made["virial"] = made["virial"].reshape(5, 3, 3)
    made["virial"] = (made["virial"] + made["virial"].transpose(0, 2, 1)).reshape(5, 9)
    for name in ("type", "type_map"):
        if made[name] is not None:
            (folder / f"{name}.raw").write_text(made[name])
    for number, frames in enumerate((slice(0, 3), slice(3, 5))):
        (folder / f"set.{number:03}").mkdir()
        for name in ("coord", "box", "energy", "force", "virial"):
            np.save(folder / f"set.{number:03}" / f"{name}.npy", made[name][frames])
    return made


def test_deepmd_folders(tmp_path: Path) -> None:
    pytest.importorskip("dpdata")
    made = deepmd(tmp_path / "water")
    source = _source("water", tmp_path)
    assert source.molecules == ("water",)
    frames = source.load("water").frames
    assert frames.numbers[:3].tolist() == [8, 1, 1]
    assert frames.pbc.all()
    np.testing.assert_array_equal(frames.positions.reshape(5, 9), made["coord"])
    np.testing.assert_array_equal(frames.energy, made["energy"])
    np.testing.assert_array_equal(np.asarray(frames.forces).reshape(5, 9), made["force"])
    wanted = -made["virial"] / (9.0 * 8.0 * 7.0)
    np.testing.assert_allclose(np.asarray(frames.stress).reshape(5, 9), wanted, rtol=1e-12)


def test_deepmd_frames_of_several_compositions(tmp_path: Path) -> None:
    """Types by frame, the shorter frames filled with -1, and an input of the model."""
    pytest.importorskip("dpdata")
    made = deepmd(tmp_path / "mixed", type="0 0 0\n")
    types = np.array([[0, 1, 1], [1, 0, 1], [1, 1, -1], [0, 0, -1], [1, 1, 1]])
    heat = np.linspace(0.1, 0.5, 5)
    for number, frames in enumerate((slice(0, 3), slice(3, 5))):
        np.save(tmp_path / f"mixed/set.{number:03}/real_atom_types.npy", types[frames])
        np.save(tmp_path / f"mixed/set.{number:03}/fparam.npy", heat[frames, None])
    frames = _source("mixed", tmp_path).load("mixed").frames
    assert frames.counts.tolist() == [3, 3, 2, 2, 3]
    assert frames.numbers.tolist() == [8, 1, 1, 1, 8, 1, 1, 1, 8, 8, 1, 1, 1]
    coordinates = made["coord"].reshape(5, 3, 3)[types >= 0]
    np.testing.assert_array_equal(frames.positions, coordinates)
    np.testing.assert_array_equal(frames.forces, made["force"].reshape(5, 3, 3)[types >= 0])
    assert [one.info["fparam"].tolist() for one in frames] == heat[:, None].tolist()


def test_inputs_of_atoms_that_only_fill_a_row_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("dpdata")
    deepmd(tmp_path / "mixed")
    for number, count in enumerate((3, 2)):
        folder = tmp_path / f"mixed/set.{number:03}"
        np.save(folder / "real_atom_types.npy", np.tile([0, 1, -1], (count, 1)))
        np.save(folder / "aparam.npy", np.zeros((count, 3)))
    with pytest.raises(MlffError, match="aparam beside atoms of type -1"):
        _source("mixed", tmp_path).load("mixed")


@pytest.mark.parametrize(
    "name, rows, message",
    [
        ("fparam", np.zeros((2, 1)), "fparam of 2 frames, of 5 in all"),
        ("real_atom_types", np.full((5, 3), 2), "atom type 2 is not named in type_map.raw"),
        ("real_atom_types", np.full((5, 3), -1), "frame 0 holds no atoms"),
        ("real_atom_types", np.zeros((5, 2)), "cannot be read as deepmd/npy"),
    ],
)
def test_bad_arrays_beside_a_deepmd_set(
    tmp_path: Path, name: str, rows: np.ndarray, message: str
) -> None:
    pytest.importorskip("dpdata")
    deepmd(tmp_path / "mixed")
    np.save(tmp_path / f"mixed/set.000/{name}.npy", rows)
    with pytest.raises(MlffError, match=message):
        _source("mixed", tmp_path).load("mixed")


def test_several_deepmd_folders_are_systems(tmp_path: Path) -> None:
    pytest.importorskip("dpdata")
    for name in ("a", "b"):
        deepmd(tmp_path / "all" / name)
    assert _source("all", tmp_path).molecules == ("a", "b")


@pytest.mark.parametrize("absolute", [False, True])
def test_a_pattern_may_be_absolute(tmp_path: Path, absolute: bool) -> None:
    pytest.importorskip("dpdata")
    for name in ("a", "b"):
        deepmd(tmp_path / "all" / name)
    pattern = f"{tmp_path}/al*/[ab]" if absolute else "al*/[ab]"
    assert _source(pattern, tmp_path).molecules == ("a", "b")


@pytest.mark.parametrize(
    "changes, option, message",
    [
        ({"type_map": None}, {}, "is no element; name the elements in type_map.raw"),
        ({"energy": np.full(5, np.nan)}, {}, "energies are not finite, first in frame 0"),
        ({"force": np.zeros((5, 6))}, {}, "cannot be read as deepmd/npy"),
        ({}, {"units": "Hartree"}, "is read in eV and Å"),
    ],
)
def test_bad_deepmd_folders_in_one_line(
    tmp_path: Path, changes: dict[str, Any], option: dict[str, Any], message: str
) -> None:
    pytest.importorskip("dpdata")
    deepmd(tmp_path / "water", **changes)
    with pytest.raises(MlffError, match=message) as caught:
        _source("water", tmp_path, **option).load("water")
    assert "\n" not in str(caught.value)


def ani(path: Path) -> dict[str, Any]:
    """Two compositions; forces of one frame were not computed."""
    h5py = pytest.importorskip("h5py")
    rng = np.random.default_rng(1)
    made = {}
    with h5py.File(path, "w") as file:
        for name, numbers in (("H2O", [8, 1, 1]), ("CH4", [6, 1, 1, 1, 1])):
            shape = (3, len(numbers), 3)
            made[name] = {
                "atomic_numbers": np.array(numbers, dtype=np.uint8),
                "coordinates": rng.normal(size=shape).astype(np.float32),
                "wb97x_dz.energy": rng.normal(size=3),
                "wb97x_dz.forces": rng.normal(size=shape),
                "wb97x_tz.forces": rng.normal(size=shape),
            }
            made[name]["wb97x_dz.forces"][1] = np.nan
            for key, value in made[name].items():
                file[f"{name}/{key}"] = value
    return made


def test_ani_layout(tmp_path: Path) -> None:
    made = ani(tmp_path / "ani.h5")
    keys = {"energy_key": "wb97x_dz.energy", "forces_key": "wb97x_dz.forces"}
    source = _source("ani.h5", tmp_path, units="Hartree", **keys)
    assert set(source.molecules) == {"H2O", "CH4"}
    assert source.species("CH4") == ("C", "H")
    frames = source.load("H2O").frames
    assert frames.labelled("energy").all()
    assert frames.labelled("forces").tolist() == [True, False, True]
    wanted = made["H2O"]["wb97x_dz.energy"] * units.Hartree
    np.testing.assert_allclose(frames.energy, wanted, rtol=1e-12)
    np.testing.assert_array_equal(frames.positions.reshape(3, 3, 3), made["H2O"]["coordinates"])
    with pytest.raises(MlffError, match="two levels of theory"):
        _source("ani.h5", tmp_path, units="Hartree", **(keys | {"forces_key": "wb97x_tz.forces"}))\
            .load("H2O")  # fmt: skip
    with pytest.raises(MlffError, match=r"does not say its units; set `units`"):
        _source("ani.h5", tmp_path, **keys).load("H2O")
    bare = _source("ani.h5", tmp_path, units="Hartree").load("H2O")
    assert "`forces_key: wb97x_dz.forces`" in bare.labels.lacking("forces")


def test_spice_layout_has_gradients(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    rng = np.random.default_rng(2)
    gradient = rng.normal(size=(4, 2, 3))
    with h5py.File(tmp_path / "spice.hdf5", "w") as file:
        file["h2/atomic_numbers"] = np.array([1, 1])
        file["h2/conformations"] = rng.normal(size=(4, 2, 3))
        file["h2/dft_total_energy"] = rng.normal(size=4)
        file["h2/dft_total_gradient"] = gradient
    frames = _source(
        "spice.hdf5", tmp_path, units="Hartree, Bohr",
        energy_key="dft_total_energy", forces_key="dft_total_gradient",
    ).load("h2").frames  # fmt: skip
    wanted = -gradient * units.Hartree / units.Bohr
    np.testing.assert_allclose(np.asarray(frames.forces).reshape(4, 2, 3), wanted, rtol=1e-12)


def test_a_file_that_is_no_hdf5(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    (tmp_path / "a.h5").write_text("hello")
    with pytest.raises(MlffError, match=r"a\.h5: cannot be read as HDF5"):
        _source("a.h5", tmp_path)


@pytest.mark.parametrize("name", ["OUTCAR", "vasprun.xml", "run.out"])
def test_outputs_of_programs(tmp_path: Path, name: str) -> None:
    """Labels and signs of stress as EMT gave them, through the units that the program prints."""
    frames = copper(3)
    option: dict[str, str] = {}
    if name == "OUTCAR":
        (tmp_path / name).write_text(outcar(frames))
    elif name == "vasprun.xml":
        (tmp_path / name).write_text(vasprun(frames))
    else:
        pytest.importorskip("dpdata")
        frames = frames[:1]
        (tmp_path / name).write_text(cp2k_output(frames[0]))
        option = {"format": "cp2k/output"}
    wanted = Frames.from_atoms(frames)
    source = _source(name, tmp_path, **option)
    found = source.load(source.molecules[0]).frames
    np.testing.assert_array_equal(found.numbers, wanted.numbers)
    assert found.pbc.all()
    for key, digits in (
        ("positions", 1e-12), ("cell", 1e-12), ("energy", 1e-9), ("forces", 1e-8), ("stress", 1e-9)
    ):  # fmt: skip
        np.testing.assert_allclose(
            getattr(found, key), getattr(wanted, key), rtol=1e-7, atol=digits, err_msg=key
        )


@pytest.mark.parametrize(
    "option, message",
    [({"units": "Hartree"}, "is read in eV and Å"), ({"energy_key": "e"}, "is read in eV and Å"),
     ({"format": "cp2k/nothing"}, "cannot be read as cp2k/nothing"), ({}, "holds no frames")],
)  # fmt: skip
def test_bad_outputs_of_programs(tmp_path: Path, option: dict[str, Any], message: str) -> None:
    pytest.importorskip("dpdata")
    text = cp2k_output(copper(1)[0]).replace("SCF run converged", "SCF run NOT converged")
    (tmp_path / "a.out").write_text(text)
    with pytest.raises(MlffError, match=message):
        _source("a.out", tmp_path, **({"format": "cp2k/output"} | option)).load("a")
