"""Records of datasets: those that ship, and those of a repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_mlff.datasets import open_dataset, record_named, record_names
from pytest_mlff.datasets.conversion import parse_units
from pytest_mlff.errors import MlffError
from pytest_mlff.specs import DatasetOption

if TYPE_CHECKING:
    from pathlib import Path

OWN = """\
schema_version: 1
title: our helium
format: extxyz
units: Hartree, Bohr
files: "helium/{system}.xyz"
systems:
  cold: {species: [He], atoms: 1, level_of_theory: FCI}
  warm: {species: [He], atoms: 1}
level_of_theory: HF
licence: CC-BY-4.0
citation: ours
"""
FRAME = "1\nProperties=species:S:1:pos:R:3 energy=-2.0\nHe 0 0 1\n"


@pytest.mark.parametrize("name", record_names())
def test_every_record_is_whole(name: str, tmp_path: Path) -> None:
    """What is known is stated in full; nothing here reads a file of data but the embedded one."""
    record = record_named(name)
    source = open_dataset(name, data_dir=tmp_path)
    assert source.molecules == tuple(record.systems)
    for system, one in record.systems.items():
        assert source.species(system) == tuple(sorted(one.species))
        assert record.candidates(system)
    for one in record.sources:
        assert one.place or one.note, f"{one.file}: neither a place nor why there is none"
        assert one.checksum is None or one.place
    if record.units is not None:
        parse_units(record.units, name)


def test_the_ten_of_egraffbench_have_one() -> None:
    assert set(record_names()) >= {
        "md17", "rmd17", "3bpa", "acac", "botnet_ethanol", "lips", "lips20", "gete", "water",
        "alanine_dipeptide", "ccsdt", "embedded",
    }  # fmt: skip
    atoms = {name: one.atoms for name, one in record_named("lips20").systems.items()}
    assert len(atoms) == 20
    assert (atoms["g67"], atoms["P2S5"], atoms["Li48P16S61"]) == (260, 28, 125)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repository with a record at its root, data beside it, and specs in a folder below."""
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "datasets/helium").mkdir(parents=True)
    (tmp_path / "datasets/ours.yaml").write_text(OWN)
    (tmp_path / "datasets/helium/cold.xyz").write_text(FRAME * 2)
    (tmp_path / "benchmarks").mkdir()
    return tmp_path


def test_own_record(repo: Path) -> None:
    source = open_dataset("ours", spec_dir=repo / "benchmarks")
    assert source.molecules == ("cold", "warm")
    found = source.load("cold")
    assert found.level_of_theory == "FCI"
    assert found.licence == "CC-BY-4.0"
    np.testing.assert_allclose(np.asarray(found.frames.energy), -2 * 27.211386246, rtol=1e-8)
    np.testing.assert_allclose(found.frames.positions[0], [0, 0, 0.529177211], rtol=1e-7)
    with pytest.raises(MlffError, match=r"ours warm not found in .*put helium/warm\.xyz there"):
        source.load("warm")
    (repo / "data/helium").mkdir(parents=True)
    (repo / "data/helium/warm.xyz").write_text(FRAME)
    elsewhere = open_dataset("ours", data_dir=repo / "data", spec_dir=repo / "benchmarks")
    assert elsewhere.load("warm").level_of_theory == "HF"
    told = open_dataset("ours", DatasetOption(level_of_theory="mine"), spec_dir=repo)
    assert told.load("cold").level_of_theory == "mine"


def test_a_record_of_another_project_is_not_ours(repo: Path) -> None:
    (repo / "benchmarks/.git").mkdir()
    with pytest.raises(MlffError, match="unknown dataset 'ours'"):
        open_dataset("ours", spec_dir=repo / "benchmarks")


def test_a_record_may_not_take_the_name_of_one_that_ships(repo: Path) -> None:
    (repo / "datasets/rmd17.yaml").write_text(OWN)
    with pytest.raises(MlffError, match=r"datasets/rmd17\.yaml: the package has a record 'rmd17'"):
        open_dataset("rmd17", spec_dir=repo)
    with pytest.raises(MlffError, match="`path` does not go with the name 'rmd17'"):
        open_dataset("rmd17", DatasetOption(path="a.xyz"), spec_dir=repo / "benchmarks")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"units: Hartree, Bohr": "units: parsec"}, "ours.yaml:4: units: unknown units 'parsec'"),
        (
            {"format: extxyz": "format: npz", "units: Hartree, Bohr\n": ""},
            "units: is missing; an npz",
        ),
        ({'files: "helium/{system}.xyz"\n': ""}, "systems.cold: has no files: write `files`"),
        ({"schema_version: 1": "schema_version: 2"}, "ours.yaml:1: schema_version: must be 1"),
        ({"licence:": "license:"}, "unknown key; did you mean 'licence'"),
        ({"species: [He], atoms: 1}": "atoms: 1}"}, "systems.warm.species: is missing"),
        ({"citation: ours": "citation: ours\nlayout: soap"}, "layout: 'soap' is none of rmd17"),
        (
            {"citation: ours": "citation: ours\nsources: [{file: a, checksum: abc}]"},
            "sources\\[0\\].checksum: 'abc' is no sha256:… or md5:…",
        ),
    ],
)
def test_a_record_that_is_not_in_order(repo: Path, change: dict[str, str], message: str) -> None:
    text = OWN
    for old, new in change.items():
        assert old in text
        text = text.replace(old, new)
    (repo / "datasets/ours.yaml").write_text(text)
    with pytest.raises(MlffError, match=message) as caught:
        open_dataset("ours", spec_dir=repo)
    assert "\n" not in str(caught.value)


def test_what_is_no_record_beside_the_specs_is_let_be(repo: Path) -> None:
    """A folder called datasets holds other things as well, such as settings of a trainer."""
    (repo / "datasets/qm9.yaml").write_text("batch_size: 5\n")
    assert "qm9" in record_names(repo)
    assert open_dataset("ours", spec_dir=repo).molecules == ("cold", "warm")


def test_zeros_that_a_script_made_up_are_no_energies(tmp_path: Path) -> None:
    """Fu et al. write energies of 0 beside the forces of alanine dipeptide."""
    arrays: dict[str, Any] = {
        "atomic_number": np.array([6, 1, 7, 8]),
        "pos": np.arange(36.0).reshape(3, 4, 3),
        "force": np.ones((3, 4, 3)),
        "energy": np.zeros((3, 1)),
        "lattices": np.diag([20.0, 21.0, 22.0]),
        "pbc": np.array([True] * 3),
    }
    (tmp_path / "alanine_dipeptide").mkdir()
    np.savez(tmp_path / "alanine_dipeptide/test.npz", **arrays)
    found = open_dataset("alanine_dipeptide", data_dir=tmp_path).load("test")
    assert found.frames.labelled("forces").all()
    assert not found.frames.labelled("energy").any()
    assert "every energy is exactly 0" in found.labels.lacking("energy")
    np.testing.assert_array_equal(found.frames.cell[1], np.diag([20.0, 21.0, 22.0]))
    assert found.frames.pbc.all()
