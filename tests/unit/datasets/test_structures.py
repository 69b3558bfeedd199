"""The user's own structure files."""

from __future__ import annotations

import gzip
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from pytest_mlff.datasets.conversion import FileUnits
from pytest_mlff.datasets.label_keys import LabelKeys
from pytest_mlff.datasets.readers.structures import read_structures
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _water(count: int = 3, **labels: Any) -> list[Atoms]:
    rng = np.random.default_rng(0)
    made = []
    for index in range(count):
        atoms = Atoms("OH2", rng.normal(size=(3, 3)))
        results = {"energy": -10.0 - index, "forces": rng.normal(size=(3, 3))} | labels
        given = {key: value for key, value in results.items() if value is not None}
        if given:
            atoms.calc = SinglePointCalculator(atoms, **given)
        made.append(atoms)
    return made


@pytest.mark.parametrize("name", ["a.extxyz", "a.xyz", "a.traj", "a.db", "a.json"])
def test_formats_that_ase_reads(tmp_path: Path, name: str) -> None:
    structures = _water()
    write(tmp_path / name, structures)
    frames = read_structures(tmp_path / name).frames
    assert frames.energy is not None
    assert frames.forces is not None
    np.testing.assert_allclose(frames.energy, [-10, -11, -12])
    expected = np.concatenate([atoms.get_forces() for atoms in structures])
    np.testing.assert_allclose(frames.forces, expected, atol=1e-8)
    assert frames.time_index is None


def test_compressed_and_given_format(tmp_path: Path) -> None:
    write(tmp_path / "a.extxyz", _water())
    with (
        (tmp_path / "a.extxyz").open("rb") as plain,
        gzip.open(tmp_path / "a.xyz.gz", "wb") as packed,
    ):
        shutil.copyfileobj(plain, packed)
    told = read_structures(tmp_path / "a.xyz.gz").frames
    given = read_structures(tmp_path / "a.xyz.gz", file_format="extxyz").frames
    assert told.digest == given.digest
    assert len(told) == 3


def test_own_keys_and_units(tmp_path: Path) -> None:
    structures = _water(energy=None, forces=None)
    for index, atoms in enumerate(structures):
        atoms.info["REF_energy"] = -76.0 - index
        atoms.arrays["REF_forces"] = np.full((3, 3), 0.5 + index)
    write(tmp_path / "a.extxyz", structures)
    frames = read_structures(
        tmp_path / "a.extxyz",
        units=FileUnits("Hartree", "Bohr"),
        keys=LabelKeys(energy="REF_energy", forces="REF_forces"),
    ).frames
    assert frames.energy is not None
    assert frames.forces is not None
    np.testing.assert_allclose(frames.energy, [k * units.Hartree for k in (-76, -77, -78)])
    np.testing.assert_allclose(frames.forces[3:6], 1.5 * units.Hartree / units.Bohr)
    np.testing.assert_allclose(
        frames.positions[:3], structures[0].positions * units.Bohr, atol=1e-8
    )


def test_energies_alone_are_labels(tmp_path: Path) -> None:
    write(tmp_path / "a.extxyz", _water(forces=None))
    frames = read_structures(tmp_path / "a.extxyz").frames
    assert frames.forces is None
    assert frames.energy is not None


def test_labels_of_some_frames_are_kept(tmp_path: Path) -> None:
    write(tmp_path / "a.extxyz", [*_water(2), *_water(1, forces=None)])
    frames = read_structures(tmp_path / "a.extxyz").frames
    assert frames.labelled("energy").all()
    assert frames.labelled("forces").tolist() == [True, True, False]


@pytest.mark.parametrize(
    "make, keys, message",
    [
        (lambda _: None, {}, "no such file"),
        (lambda path: path.write_text("3\nwater\nO 0 0\n"), {}, "cannot be read as"),
        (lambda path: path.write_bytes(b"\x00\x01\x02"), {}, "cannot be read as|cannot tell"),
        (lambda path: write(path, _water()), {"keys": LabelKeys(energy="REF")},
         "no frame has the key 'REF' .the file holds energy, forces"),
        (lambda path: write(path, _water()), {"file_format": "extxzy"}, "ASE knows no format"),
        (lambda path: write(path, _water(energy=float("nan"))), {},
         "frame 0: 'energy' is not finite"),
    ],
)  # fmt: skip
def test_bad_files_in_one_line(
    tmp_path: Path, make: Callable[[Path], object], keys: dict[str, Any], message: str
) -> None:
    path = tmp_path / "a.extxyz"
    make(path)
    with pytest.raises(MlffError, match=message) as caught:
        read_structures(path, **keys)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
