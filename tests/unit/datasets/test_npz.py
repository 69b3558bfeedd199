"""Reading npz files: units, order, index sets, and what is wrong with a file in one line."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import constants

from pytest_mlff.datasets.conversion import FileUnits, parse_units
from pytest_mlff.datasets.readers.npz import read_npz, read_npz_numbers
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# One kcal/mol in eV from CODATA by another library.
KCAL_MOL = 4184.0 / (constants.N_A * constants.e)


def _md17(path: Path, **changes: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        "z": np.array([8, 1, 1], dtype=np.uint8),
        "R": rng.normal(size=(5, 3, 3)),
        "E": rng.normal(size=(5, 1)),
        "F": rng.normal(size=(5, 3, 3)),
    }
    arrays |= changes
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return arrays


def test_rmd17_is_sorted_and_converted(tmp_path: Path, rmd17_file: Callable[..., Any]) -> None:
    path = tmp_path / "rmd17_ethanol.npz"
    raw = rmd17_file(path, train_idx_01=np.array([5, 0], dtype=np.int32))
    content = read_npz(path)
    frames = content.frames
    order = sorted(range(7), key=lambda index: raw["old_indices"][index])
    assert frames.time_index is not None
    assert frames.energy is not None
    assert frames.forces is not None
    assert (np.diff(frames.time_index) > 0).all()
    for place, index in enumerate(order):
        assert frames.time_index[place] == raw["old_indices"][index]
        assert frames.energy[place] == pytest.approx(raw["energies"][index] * KCAL_MOL, rel=3e-8)
        np.testing.assert_allclose(
            frames.forces[4 * place : 4 * place + 4], raw["forces"][index] * KCAL_MOL, rtol=3e-8
        )
        np.testing.assert_array_equal(
            frames.positions[4 * place : 4 * place + 4], raw["coords"][index]
        )
    assert content.index_sets["train_01"].tolist() == [order.index(5), order.index(0)]
    assert content.duplicates.size == 0


def test_a_rounded_kcal_would_be_seen() -> None:
    """The factor 0.0433641 that some converters use is off by more than the tolerance above."""
    assert pytest.approx(KCAL_MOL, rel=3e-8) != 0.0433641
    assert FileUnits("kcal/mol").energy_in_ev() == pytest.approx(KCAL_MOL, rel=3e-8)


@pytest.mark.parametrize(
    "text, energy, length",
    [
        ("eV", 1.0, 1.0),
        ("meV", 1e-3, 1.0),
        ("KCAL/mol", KCAL_MOL, 1.0),
        ("kJ/mol, Angstrom", KCAL_MOL / 4.184, 1.0),
        (
            "Hartree, Bohr",
            constants.physical_constants["Hartree energy in eV"][0],
            constants.physical_constants["Bohr radius"][0] * 1e10,
        ),
        ("Ha", constants.physical_constants["Hartree energy in eV"][0], 1.0),
        ("Rydberg", constants.physical_constants["Rydberg constant times hc in eV"][0], 1.0),
    ],
)
def test_units_against_other_constants(text: str, energy: float, length: float) -> None:
    units = parse_units(text, "here")
    assert units.energy_in_ev() == pytest.approx(energy, rel=3e-8)
    assert units.length_in_angstrom() == pytest.approx(length, rel=3e-8)
    assert units.forces_in_ev_per_angstrom() == pytest.approx(energy / length, rel=3e-8)


@pytest.mark.parametrize("text", ["eVs", "", "eV, parsec", "eV, Å, s", "mol"])
def test_unknown_units(text: str) -> None:
    with pytest.raises(MlffError, match=r"^spec: unknown units .*write an energy \(eV, meV"):
        parse_units(text, "spec")


def test_stable_order_and_duplicates(tmp_path: Path, rmd17_file: Callable[..., Any]) -> None:
    path = tmp_path / "a.npz"
    raw = rmd17_file(path, old_indices=np.array([9, 4, 9, 1, 4, 7, 4]))
    content = read_npz(path)
    assert content.duplicates.tolist() == [4, 9]
    expected = [3, 1, 4, 6, 5, 0, 2]
    positions = content.frames.positions.reshape(7, 4, 3)
    np.testing.assert_array_equal(positions, raw["coords"][expected])
    assert [expected[place] for place in content.rank] == list(range(7))


def test_md17_copes_with_column_energies_and_strange_keys(tmp_path: Path) -> None:
    path = tmp_path / "md17.npz"
    raw = _md17(
        path,
        name=np.array(b"water"),
        theory=np.array("CCSD(T)"),
        perms=np.array([{"an": "object"}], dtype=object),
    )
    content = read_npz(path, layout="md17")
    assert content.level_of_theory == "CCSD(T)"
    assert content.frames.time_index is None
    np.testing.assert_allclose(content.frames.energy, raw["E"][:, 0] * KCAL_MOL, rtol=3e-8)


def test_only_releases_of_sgdml_need_not_say_their_units(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    raw = _md17(path)
    with pytest.raises(MlffError, match=r"does not say its units; set `units`"):
        read_npz(path)
    released = {"name": np.array(b"w"), "theory": "PBE", "type": np.array(b"d"), "md5": "0"}
    _md17(path, **released)
    np.testing.assert_allclose(read_npz(path).frames.energy, raw["E"][:, 0] * KCAL_MOL, rtol=3e-8)


def test_file_states_its_units(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    raw = _md17(path, e_unit=np.array("eV"), r_unit=np.array("Ang"))
    np.testing.assert_array_equal(read_npz(path).frames.energy, raw["E"][:, 0])
    with pytest.raises(MlffError, match="as eV, Å, but the spec says kcal/mol, Å"):
        read_npz(path, units=FileUnits("kcal/mol"))


def test_user_units_win_over_the_family(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    raw = _md17(path)
    frames = read_npz(path, units=FileUnits("eV", "Bohr")).frames
    bohr = constants.physical_constants["Bohr radius"][0] * 1e10
    np.testing.assert_allclose(frames.positions.reshape(5, 3, 3), raw["R"] * bohr, rtol=3e-8)
    np.testing.assert_allclose(
        np.asarray(frames.forces).reshape(5, 3, 3), raw["F"] / bohr, rtol=3e-8
    )


def test_periodic_arrays(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    cell = np.diag([4.0, 5.0, 6.0])
    np.savez(
        path, z=np.array([8, 1]), pos=np.zeros((3, 2, 3)), energy=np.zeros(3),
        forces=np.zeros((3, 2, 3)), cell=cell,
    )  # fmt: skip
    with pytest.raises(MlffError, match=r"does not say its units; set `units`"):
        read_npz(path)
    frames = read_npz(path, units=FileUnits("eV")).frames
    assert frames.pbc.all()
    np.testing.assert_array_equal(frames.cell, np.stack([cell] * 3))


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    _md17(path, R=np.array([[1, None]], dtype=object))
    with pytest.raises(MlffError, match=r"a\.npz: array 'R' cannot be read .*allow_pickle"):
        read_npz(path)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip(path: Path) -> None:
    """Damage bytes inside the array R, which the zip checksum then notices."""
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("R.npy").header_offset + 250
    content = bytearray(path.read_bytes())
    content[start : start + 8] = b"\xff" * 8
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    "spoil, message",
    [
        (_truncate, "not a readable npz file"),
        (lambda path: path.write_bytes(b""), "not a readable npz file"),
        (lambda path: path.write_text("hello"), "not a readable npz file"),
        (_flip, "array 'R' cannot be read"),
        (lambda path: path.unlink(), "no such file"),
        (lambda path: (path.unlink(), path.mkdir()), "a directory"),
        (lambda path: np.save(path.open("wb"), np.zeros(3)), "one bare array"),
        (lambda path: _md17(path, R=None), "expected the keys .*z, R, E, F .*found z, E, F$"),
        (lambda path: _md17(path, F=np.zeros((5, 2, 3))), r"'F' has shape \(5, 2, 3\), expected"),
        (lambda path: _md17(path, E=np.zeros(4)), r"'E' has shape \(4,\), expected \(5,\)"),
        (lambda path: _md17(path, E=np.full(5, np.nan)), "'E' .energies. is not finite in 5 of 5"),
        (lambda path: _md17(path, z=np.array([0, 1, 1])), "no elements"),
        (lambda path: _md17(path, z=np.array(["C", "H", "Q"])), "'Q' is no chemical symbol"),
        (lambda path: _md17(path, train_idx_01=np.array([5])), "index set .* reaches from 5 to 5"),
        (lambda path: _md17(path, R=np.zeros((0, 3, 3))), "holds no frames"),
    ],
)
def test_bad_files_in_one_line(
    tmp_path: Path, spoil: Callable[[Path], object], message: str
) -> None:
    path = tmp_path / "bad.npz"
    _md17(path)
    spoil(path)
    with pytest.raises(MlffError, match=message) as caught:
        read_npz(path, units=FileUnits("eV"))
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_wrong_layout_names_both_key_sets(tmp_path: Path) -> None:
    path = tmp_path / "md17.npz"
    _md17(path)
    with pytest.raises(MlffError) as caught:
        read_npz(path, layout="rmd17")
    assert str(caught.value) == (
        f"{path}: expected the keys nuclear_charges, coords, energies, forces, old_indices; "
        "found z, R, E, F"
    )


def test_numbers_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    _md17(path, z=np.array([[8, 1, 1]] * 5))
    assert read_npz_numbers(path).tolist() == [8, 1, 1]


def test_what_a_frame_carries_beside_known_keys(tmp_path: Path) -> None:
    """A total charge under the name that PhysNet has for it, and charges of atoms, are not lost."""
    arrays: dict[str, Any] = {
        "z": np.array([8, 1, 1]),
        "R": np.arange(36.0).reshape(4, 3, 3),
        "E": np.arange(4.0) + 1,
        "F": np.ones((4, 3, 3)),
        "Q": np.array([0, 1, 0, -1]),
        "charges": np.arange(12.0).reshape(4, 3),
        "ref_energy": np.ones(4),
        "train_idx_01": np.array([0, 1]),
    }
    np.savez(tmp_path / "q.npz", **arrays)
    frames = read_npz(tmp_path / "q.npz", units=FileUnits("eV")).frames
    assert set(frames.per_frame) == {"Q"}
    assert frames.atoms(3).info["Q"] == -1
    assert frames.atoms(1).arrays["charges"].tolist() == [3.0, 4.0, 5.0]
    other = arrays | {"Q": np.array([0, 1, 0, 1])}
    np.savez(tmp_path / "p.npz", **other)
    assert (
        read_npz(tmp_path / "p.npz", units=FileUnits("eV")).frames.structure_digest
        != frames.structure_digest
    )


@pytest.mark.parametrize(
    "more, message",
    [
        ({"energy": np.ones(4)}, "'E' and 'energy' both read like the energy; set `energy_key`"),
        (
            {"lengths": np.ones((4, 3)), "angles": 90 * np.ones((4, 3))},
            "'lengths', 'angles' look like those of a cell, which is not there",
        ),
        (
            {"cell": np.eye(3), "stress": np.arange(36.0).reshape(4, 3, 3)},
            "is not symmetric, as a stress is",
        ),
    ],
)
def test_what_is_not_guessed(tmp_path: Path, more: dict[str, Any], message: str) -> None:
    np.savez(
        tmp_path / "a.npz", z=np.array([8, 1, 1]), R=np.arange(36.0).reshape(4, 3, 3),
        E=np.arange(4.0), F=np.ones((4, 3, 3)), **more,
    )  # fmt: skip
    if "stress" in more:
        content = read_npz(tmp_path / "a.npz", units=FileUnits("eV"))
        assert message in content.labels.faults["stress"]
        return
    with pytest.raises(MlffError, match=message):
        read_npz(tmp_path / "a.npz", units=FileUnits("eV"))
