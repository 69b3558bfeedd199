"""Opening datasets by name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_mlff.datasets import Dataset, DatasetSource, open_dataset
from pytest_mlff.datasets.locations import default_data_dir
from pytest_mlff.datasets.record import record_named
from pytest_mlff.errors import MlffError
from pytest_mlff.specs import DatasetOption

if TYPE_CHECKING:
    from collections.abc import Callable

ETHANOL = (6, 6, 8, 1, 1, 1, 1, 1, 1)


@pytest.mark.parametrize(
    "place",
    ["rmd17/rmd17_ethanol.npz", "rmd17_ethanol.npz", "rmd17/npz_data/rmd17_ethanol.npz",
     "npz_data/rmd17_ethanol.npz"],
)  # fmt: skip
def test_rmd17_is_found_where_it_may_lie(
    tmp_path: Path, rmd17_file: Callable[..., Any], place: str
) -> None:
    rmd17_file(tmp_path / place, numbers=ETHANOL)
    source = open_dataset("rmd17", data_dir=tmp_path)
    assert isinstance(source, DatasetSource)
    dataset = source.load("ethanol")
    assert isinstance(dataset, Dataset)
    assert dataset.source == str(tmp_path / place)
    assert dataset.timestep_fs == 0.5
    assert dataset.level_of_theory == "PBE/def2-SVP"
    assert source.load("ethanol") is dataset


def test_published_short_name(tmp_path: Path, rmd17_file: Callable[..., Any]) -> None:
    rmd17_file(tmp_path / "rmd17_salicylic.npz", numbers=(6, 8, 1))
    source = open_dataset("rmd17", data_dir=tmp_path)
    assert source.load("salicylic_acid").frames.species == ("C", "H", "O")


def test_species_need_no_file(tmp_path: Path) -> None:
    source = open_dataset("rmd17", data_dir=tmp_path)
    assert source.species("uracil") == ("C", "H", "N", "O")
    assert source.molecules == tuple(record_named("rmd17").systems)


def test_index_files_of_the_archive(tmp_path: Path, rmd17_file: Callable[..., Any]) -> None:
    raw = rmd17_file(tmp_path / "rmd17/npz_data/rmd17_ethanol.npz", numbers=ETHANOL)
    splits = tmp_path / "rmd17/splits"
    splits.mkdir()
    (splits / "index_train_01.csv").write_text("6\n0\n2\n")
    (splits / "index_test_01.csv").write_text("70000\n")  # drawn for the whole set
    (splits / "readme.txt").write_text("words")
    dataset = open_dataset("rmd17", data_dir=tmp_path).load("ethanol")
    assert set(dataset.index_sets) == {"train_01"}
    positions = dataset.frames.positions.reshape(7, 9, 3)
    np.testing.assert_array_equal(
        positions[dataset.index_sets["train_01"]], raw["coords"][[6, 0, 2]]
    )
    (splits / "index_train_02.csv").write_text("six\n")
    with pytest.raises(MlffError, match=r"index_train_02.csv: expected one integer per line"):
        open_dataset("rmd17", data_dir=tmp_path).load("ethanol")


def test_repeated_steps_are_noted(tmp_path: Path, rmd17_file: Callable[..., Any]) -> None:
    rmd17_file(
        tmp_path / "rmd17_ethanol.npz", numbers=ETHANOL, old_indices=np.array([3, 3, 1, 2, 9, 8, 9])
    )
    dataset = open_dataset("rmd17", data_dir=tmp_path).load("ethanol")
    assert dataset.notes == ("2 MD steps occur more than once: 3, 9",)


def test_md17_counts_its_steps(tmp_path: Path) -> None:
    arrays = {
        "z": np.array(ETHANOL), "R": np.zeros((4, 9, 3)), "E": np.zeros(4), "F": np.zeros((4, 9, 3))
    }  # fmt: skip
    np.savez(tmp_path / "ethanol_dft.npz", **arrays)
    dataset = open_dataset("md17", data_dir=tmp_path).load("ethanol")
    assert np.asarray(dataset.frames.time_index).tolist() == [0, 1, 2, 3]
    assert dataset.span_ps == pytest.approx(3 * 0.5e-3)
    np.savez(tmp_path / "md17_aspirin_a.npz", **arrays)
    np.savez(tmp_path / "md17_aspirin_b.npz", **arrays)
    with pytest.raises(MlffError, match=r"several files in .*md17_aspirin_a.npz, md17_aspirin_b"):
        open_dataset("md17", data_dir=tmp_path).load("aspirin")


def _own(folder: Path, **option: Any) -> Any:
    return open_dataset("mine", DatasetOption(**option), spec_dir=folder)


def test_own_npz(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "water.npz", z=np.array([8, 1, 1]), R=np.zeros((4, 3, 3)), E=np.zeros((4, 1)),
        F=np.zeros((4, 3, 3)), theory="CCSD(T)",
    )  # fmt: skip
    source = _own(tmp_path, path="water.npz", units="eV")
    assert source.molecules == ("water",)
    assert source.species("water") == ("H", "O")
    with pytest.raises(MlffError, match="does not say its units; set `units`"):
        _own(tmp_path, path="water.npz").load("water")
    dataset = source.load("water")
    assert dataset.level_of_theory == "CCSD(T)"
    assert not dataset.time_ordered
    told = _own(
        tmp_path, path="water.npz", time_ordered=True, level_of_theory="mine", units="eV"
    ).load("water")
    assert told.time_ordered
    assert told.level_of_theory == "mine"
    assert told.timestep_fs is None
    assert told.span_ps is None


def test_own_extxyz(tmp_path: Path) -> None:
    (tmp_path / "w.xyz").write_text("1\nProperties=species:S:1:pos:R:3 energy=-2.0\nHe 0 0 0\n")
    source = _own(tmp_path, path="w.xyz", units="Hartree")
    assert source.species("w") == ("He",)
    energy = source.load("w").frames.energy
    assert energy is not None
    assert energy[0] == pytest.approx(-2 * 27.211386, rel=1e-6)


def test_wrong_units_are_told_when_opening(tmp_path: Path) -> None:
    with pytest.raises(MlffError, match=r"dataset 'mine' \(w.xyz\): unknown units 'parsec'"):
        _own(tmp_path, path="w.xyz", units="parsec")


@pytest.mark.parametrize(
    "name, molecule, message",
    [
        ("rdm17", "ethanol", "unknown dataset 'rdm17'; did you mean 'rmd17'.; choose one of 3bpa"),
        ("rmd17", "water", "dataset 'rmd17' has no molecule 'water'; it has aspirin, azobenzene"),
        ("rmd17", "aspirin", "rmd17 aspirin not found in .*run `mlff data fetch rmd17` or point"),
        ("gete", "test", "gete test not found in .*put gete/test.npz there or point"),
        ("embedded", "benzene", "dataset 'embedded' has no molecule 'benzene'"),
    ],
)
def test_what_is_not_there(tmp_path: Path, name: str, molecule: str, message: str) -> None:
    with pytest.raises(MlffError, match=message):
        open_dataset(name, data_dir=tmp_path).load(molecule)


def test_no_such_data_folder(tmp_path: Path) -> None:
    with pytest.raises(MlffError, match="does not exist; make it or fix --mlff-data"):
        open_dataset("rmd17", data_dir=tmp_path / "nowhere")


def test_wrong_molecule_in_the_file(tmp_path: Path, rmd17_file: Callable[..., Any]) -> None:
    rmd17_file(tmp_path / "rmd17_uracil.npz", numbers=ETHANOL)
    with pytest.raises(MlffError, match=r"holds C, H, O; uracil is made of C, H, N, O"):
        open_dataset("rmd17", data_dir=tmp_path).load("uracil")


def test_embedded_label_sets() -> None:
    source = open_dataset("embedded", DatasetOption(level_of_theory="ccsd(t)"))
    with pytest.raises(MlffError, match=r"no labels of level 'ccsd\(t\)'; it has .*gfn2-xtb"):
        source.load("ethanol")


def test_cache_folder_is_the_one_pooch_names() -> None:
    pooch = pytest.importorskip("pooch")
    assert default_data_dir() == Path(pooch.os_cache("pytest_mlff"))


def test_importing_datasets_stays_light() -> None:
    heavy = ("torch", "ase", "tblite", "rdkit", "pooch", "requests", "pandas", "pytest", "tqdm")
    code = f"import sys, pytest_mlff.datasets; print([m for m in {heavy} if m in sys.modules])"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert answer.stdout.strip() == "[]"
