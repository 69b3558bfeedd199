"""SOAP vectors: what they must not depend on, and what they must."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from scipy.spatial.transform import Rotation

from pytest_mlff.datasets import Frames
from pytest_mlff.errors import MissingExtraError, MlffError, NotSupportedError
from pytest_mlff.similarity import SoapSettings, soap_chunks, soap_vectors

pytest.importorskip("dscribe")

SMALL = SoapSettings(r_cut=4.0, n_max=4, l_max=3)


def rotated(frames: Frames, seed: int) -> Frames:
    turn = Rotation.random(random_state=seed).as_matrix()
    return replace(frames, positions=frames.positions @ turn.T + [1.0, -2.0, 3.0])


def test_rows_have_unit_length(aspirin: Frames) -> None:
    vectors = soap_vectors(aspirin.select(slice(0, 5)))
    assert vectors.shape == (5, 2100)
    np.testing.assert_allclose((vectors**2).sum(axis=1), 1.0, rtol=1e-14)


def test_size_is_that_of_the_vectors(uracil: Frames) -> None:
    settings = SMALL.covering(uracil)
    assert settings.species == ("C", "H", "N", "O")
    assert soap_vectors(uracil.select([0]), settings).shape == (1, settings.size)


def test_a_turned_and_shifted_frame_is_the_same(aspirin: Frames) -> None:
    frames = aspirin.select([0, 2000])
    np.testing.assert_allclose(
        soap_vectors(rotated(frames, 3), SMALL), soap_vectors(frames, SMALL), atol=1e-9
    )


def test_the_order_of_atoms_is_nothing(ethanol: Frames) -> None:
    frame = ethanol.select([7])
    order = np.random.default_rng(0).permutation(len(frame.numbers))
    shuffled = replace(
        frame.without_labels(), numbers=frame.numbers[order], positions=frame.positions[order]
    )
    np.testing.assert_allclose(
        soap_vectors(shuffled, SMALL), soap_vectors(frame, SMALL), atol=1e-12
    )


def test_distinct_frames_differ(aspirin: Frames) -> None:
    vectors = soap_vectors(aspirin.select([0, 2000]), SMALL)
    assert vectors[0] @ vectors[1] < 1.0 - 1e-6


def test_a_row_depends_on_its_own_frame_only(aspirin: Frames, ethanol: Frames) -> None:
    frames = Frames.concatenate([aspirin.select([0, 9]), ethanol.select([4]), aspirin.select([3])])
    settings = SMALL.covering(frames)
    together = soap_vectors(frames, settings)
    alone = np.concatenate([soap_vectors(frames.select([i]), settings) for i in range(4)])
    assert np.array_equal(together, alone)


def test_a_supercell_has_the_vector_of_its_cell() -> None:
    cell = bulk("NaCl", "rocksalt", a=5.6)
    frames = Frames.from_atoms([cell, cell * (2, 1, 3), cell * (2, 2, 2)])
    vectors = soap_vectors(frames, SMALL)
    np.testing.assert_allclose(vectors[1:] @ vectors[0], 1.0, atol=1e-9)
    cluster = Frames.from_atoms([Atoms(cell.symbols, cell.positions)])
    assert soap_vectors(cluster, SMALL)[0] @ vectors[0] < 0.999


def test_periodic_and_other_frames_in_one_set(ethanol: Frames) -> None:
    slab = fcc111("Al", (1, 1, 2))  # periodic along the surface only, no third cell vector
    slab.cell[2] = 0.0
    assert slab.pbc.tolist() == [True, True, False]
    frames = Frames.concatenate([ethanol.select([0]), Frames.from_atoms([slab]), ethanol])
    frames = frames.select(slice(0, 4))
    settings = SMALL.covering(frames)
    assert np.array_equal(
        soap_vectors(frames, settings),
        np.concatenate([soap_vectors(frames.select([i]), settings) for i in range(4)]),
    )
    wider = Frames.from_atoms([slab * (2, 1, 1)])
    np.testing.assert_allclose(
        soap_vectors(wider, settings)[0] @ soap_vectors(frames.select([1]), settings)[0],
        1.0,
        atol=1e-9,
    )


def test_chunks_are_bounded_and_complete(ethanol: Frames) -> None:
    frames = ethanol.select(slice(0, 23))
    settings = SMALL.covering(frames)
    limit = 5 * 8 * settings.size
    chunks = list(soap_chunks(frames, settings, chunk_bytes=limit))
    assert [len(one) for one in chunks] == [5, 5, 5, 5, 3]
    assert all(one.nbytes <= limit for one in chunks)
    assert np.array_equal(np.concatenate(chunks), soap_vectors(frames, settings))


def test_no_frames_no_rows(ethanol: Frames) -> None:
    assert len(soap_vectors(ethanol.select([]), SMALL.covering(ethanol))) == 0


def test_settings_of_the_same_species_are_equal() -> None:
    assert SoapSettings(species=("O", "H", "C", "H")) == SoapSettings(species=("C", "H", "O"))


@pytest.mark.parametrize(
    "wrong, part",
    [
        ({"r_cut": 1.0}, "r_cut must be above 1 Å, not 1"),
        ({"r_cut": float("nan")}, "r_cut"),
        ({"n_max": 0}, "n_max must be at least 1, not 0"),
        ({"l_max": 21}, "l_max must lie between 0 and 20, not 21"),
        ({"sigma": 0.0}, "sigma must be above 0"),
        ({"species": ("C", "Xx")}, "'Xx'"),
        ({"species": ()}, "an empty list"),
    ],
)
def test_impossible_settings_are_one_line(wrong: dict[str, float], part: str) -> None:
    with pytest.raises(MlffError, match=part):
        SoapSettings(**wrong)  # type: ignore[arg-type]


def test_a_species_beyond_the_settings_is_not_supported(uracil: Frames) -> None:
    with pytest.raises(NotSupportedError, match="cover C, H, O; the frames hold N"):
        soap_vectors(uracil.select([0]), replace(SMALL, species=("C", "H", "O")))


def test_a_position_that_is_not_finite_is_named(ethanol: Frames) -> None:
    frames = ethanol.select(slice(0, 3))
    positions = frames.positions.copy()
    positions[10, 1] = np.nan
    with pytest.raises(MlffError, match="not finite in frame 1"):
        soap_vectors(replace(frames, positions=positions))


def test_a_missing_library_names_the_extra(
    ethanol: Frames, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "dscribe.descriptors", None)
    with pytest.raises(MissingExtraError, match=r"pytest-mlff\[soap\]"):
        soap_vectors(ethanol.select([0]))
