"""Reference energies against numpy's least squares on the full matrix."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlff.datasets import open_dataset
from pytest_mlff.datasets.frames import Frames
from pytest_mlff.datasets.reference_energies import composition, fit_reference_energies
from pytest_mlff.errors import MlffError, NotSupportedError

SYMBOLS = {1: "H", 6: "C", 7: "N", 8: "O"}


def _embedded(*molecules: str, count: int = 300) -> Frames:
    source = open_dataset("embedded")
    return Frames.concatenate(
        [source.load(one).frames.select(np.arange(count)) for one in molecules]
    )


def _full_matrix(frames: Frames) -> tuple[list[str], np.ndarray[Any, Any]]:
    """One row a frame, counted atom by atom."""
    species = sorted({SYMBOLS[int(z)] for z in frames.numbers})
    matrix = np.zeros((len(frames), len(species)))
    for frame in range(len(frames)):
        for z in frames.numbers[frames.offsets[frame] : frames.offsets[frame + 1]]:
            matrix[frame, species.index(SYMBOLS[int(z)])] += 1
    return species, matrix


@pytest.mark.parametrize(
    "molecules, rank",
    [
        (("aspirin", "ethanol", "uracil", "toluene"), 4),
        (("aspirin", "ethanol", "naphthalene"), 3),
        (("aspirin", "ethanol"), 2),
        (("toluene",), 1),
        (("aspirin", "ethanol", "malonaldehyde", "salicylic_acid", "uracil"), 4),
    ],
)
def test_equals_least_squares_on_the_full_matrix(molecules: tuple[str, ...], rank: int) -> None:
    frames = _embedded(*molecules)
    assert frames.energy is not None
    species, matrix = _full_matrix(frames)
    expected, _, full_rank, _ = np.linalg.lstsq(matrix, frames.energy, rcond=None)
    found = fit_reference_energies(frames)
    assert list(found.energies) == species
    np.testing.assert_allclose(list(found.energies.values()), expected, rtol=1e-10)
    assert found.rank == full_rank == rank
    if rank < len(species):
        assert found.note.startswith(f"rank {rank} of {len(species)} species")
        assert "minimum-norm" in found.note
    else:
        assert found.note == ""
    np.testing.assert_allclose(found.of(frames), matrix @ expected, rtol=1e-10)


@settings(deadline=None)  # the machine may be busy
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 6))
def test_random_compositions(seed: int, n_species: int, n_kinds: int) -> None:
    """Also those of low rank, each composition with another number of frames."""
    rng = np.random.default_rng(seed)
    numbers = np.array([1, 6, 7, 8, 9])[:n_species]
    kinds = rng.integers(0, 5, size=(n_kinds, n_species))
    kinds[kinds.sum(axis=1) == 0, 0] = 1
    rows = kinds[rng.integers(0, n_kinds, size=30)]
    energy = rows @ rng.uniform(-1000, -10, size=n_species) + rng.normal(size=30)
    frames = Frames(
        numbers=np.concatenate([np.repeat(numbers, row) for row in rows]).astype(np.int64),
        positions=np.zeros((int(rows.sum()), 3)),
        counts=rows.sum(axis=1).astype(np.int64),
        cell=np.zeros((30, 3, 3)),
        pbc=np.zeros((30, 3), dtype=bool),
        energy=energy,
    )
    present = rows.any(axis=0)
    symbols = [{1: "H", 6: "C", 7: "N", 8: "O", 9: "F"}[int(z)] for z in numbers[present]]
    expected, _, rank, _ = np.linalg.lstsq(rows[:, present].astype(float), energy, rcond=None)
    found = fit_reference_energies(frames)
    ours = np.array([found.energies[one] for one in symbols])
    assert np.linalg.norm(ours - expected) <= 1e-10 * np.linalg.norm(expected)
    assert found.rank == rank


def test_exact_energies_are_recovered() -> None:
    """Energies that are sums over atoms come back to the last digits, whatever their size."""
    frames = _embedded("aspirin", "ethanol", "naphthalene", "uracil", count=50)
    true = {"C": -1037.1, "H": -16.3, "N": -1489.9, "O": -2043.7}
    _, matrix = _full_matrix(frames)
    exact = replace(frames, energy=matrix @ np.array(list(true.values())))
    found = fit_reference_energies(exact)
    assert found.energies == pytest.approx(true, rel=1e-12)
    shifted = found.subtract(frames)
    assert shifted.energy is not None
    assert frames.energy is not None
    np.testing.assert_allclose(frames.energy - shifted.energy, exact.energy, rtol=1e-12)
    assert shifted.forces is frames.forces
    assert shifted.positions is frames.positions


def test_differences_within_a_molecule_are_untouched() -> None:
    frames = _embedded("aspirin", "ethanol")
    shifted = fit_reference_energies(frames).subtract(frames)
    assert shifted.energy is not None
    assert frames.energy is not None
    np.testing.assert_allclose(
        np.diff(shifted.energy[:300]), np.diff(frames.energy[:300]), atol=1e-10
    )
    assert np.abs(shifted.energy).max() < 2  # what stands against 1,077 eV before


def test_many_frames_keep_their_digits() -> None:
    rng = np.random.default_rng(0)
    energy = -17617.72 + 0.2 * rng.normal(size=100_000)
    frames = Frames.of_one_molecule(np.array([6]), np.zeros((100_000, 1, 3)), energy=energy)
    from math import fsum

    assert fit_reference_energies(frames).energies["C"] == pytest.approx(
        fsum(energy) / 100_000, rel=1e-15
    )


def test_what_cannot_be_fitted() -> None:
    frames = _embedded("ethanol", count=3)
    with pytest.raises(NotSupportedError, match="need frames with energies"):
        fit_reference_energies(frames.without_labels())
    with pytest.raises(NotSupportedError, match="at least one frame"):
        fit_reference_energies(frames.select(np.arange(0)))
    found = fit_reference_energies(frames)
    with pytest.raises(MlffError, match=r"no reference energy for N \(there are C, H, O\)"):
        found.of(_embedded("uracil", count=2))
    with pytest.raises(NotSupportedError, match="no energies"):
        found.subtract(frames.without_labels())


def test_composition_counts_atoms() -> None:
    frames = _embedded("uracil", "toluene", count=2)
    counted = composition(frames, ("C", "H", "N", "O"))
    assert counted.tolist() == [[4, 4, 2, 2]] * 2 + [[7, 8, 0, 0]] * 2
