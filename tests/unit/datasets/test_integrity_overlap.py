"""Overlaps, duplicates and species: planted ones are found and named, sound data pass."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from pytest_mlff.datasets.dataset import Dataset
from pytest_mlff.datasets.frames import Frames
from pytest_mlff.datasets.integrity import IntegrityResult, check_integrity
from pytest_mlff.datasets.integrity.groups import SystemFrames
from pytest_mlff.datasets.integrity.superposition import distances
from pytest_mlff.datasets.integrity.twins import features, repeats, search_radius, twins
from pytest_mlff.datasets.registry import open_dataset
from pytest_mlff.datasets.splits import FrameSets, IndexSet
from pytest_mlff.errors import MlffError
from pytest_mlff.metrics.registry import metrics

OVERLAPS = ("train_test_overlap", "validation_test_overlap", "duplicate_frames")


def _embedded(molecule: str = "ethanol", count: int = 120) -> Dataset:
    whole = open_dataset("embedded").load(molecule)
    return replace(whole, frames=whole.frames.select(np.arange(count)))


def _sets(
    *datasets: Dataset,
    train: slice | None = slice(0, 80),
    validation: slice | None = slice(80, 100),
    test: slice = slice(100, 120),
) -> FrameSets:
    held = {str(one.molecule): one for one in datasets}

    def chosen(part: slice | None) -> IndexSet | None:
        if part is None:
            return None
        return IndexSet(
            {name: np.arange(len(one.frames))[part] for name, one in held.items()}, held
        )

    found = chosen(test)
    assert found is not None
    return FrameSets(test=found, train=chosen(train), validation=chosen(validation))


def _with(dataset: Dataset, place: int, positions: np.ndarray[Any, Any]) -> Dataset:
    frames = dataset.frames
    stacked = frames.positions.reshape(len(frames), -1, 3).copy()
    stacked[place] = positions
    return replace(dataset, frames=replace(frames, positions=stacked.reshape(-1, 3)))


def _positions(dataset: Dataset, place: int) -> np.ndarray[Any, Any]:
    return dataset.frames.positions.reshape(len(dataset.frames), -1, 3)[place]


def _found(sets: FrameSets) -> dict[str, IntegrityResult]:
    return {name: check_integrity(name, sets) for name in OVERLAPS}


TURN = Rotation.from_euler("xyz", [0.3, -1.1, 2.0]).as_matrix()


@pytest.mark.parametrize("moved", ["as it is", "turned and shifted", "turned, stored as float32"])
@pytest.mark.parametrize(
    "check, source, target",
    [
        ("train_test_overlap", 17, 110),
        ("validation_test_overlap", 85, 110),
        ("duplicate_frames", 17, 42),
        ("duplicate_frames", 103, 110),
        ("duplicate_frames", 17, 85),
    ],
)
def test_one_planted_copy_is_found_and_named(
    check: str, source: int, target: int, moved: str
) -> None:
    dataset = _embedded()
    copy = _positions(dataset, source)
    if moved != "as it is":
        copy = copy @ TURN + [3.0, -2.0, 0.5]
    if "float32" in moved:
        copy = copy.astype(np.float32).astype(float)
    for name, result in _found(_sets(_with(dataset, target, copy))).items():
        assert result.value == (1 if name == check else 0), (name, result.reason)
        assert result.frames == ((("ethanol", target),) if name == check else ())
        if name == check:
            assert f"frame {source} of ethanol" in result.reason
            assert f"frame {target} of ethanol" in result.reason
            assert "\n" not in result.reason


@pytest.mark.parametrize("change", ["mirrored", "moved by 1e-4 Å", "two hydrogens exchanged"])
def test_what_is_another_structure_passes(change: str) -> None:
    dataset = _embedded()
    copy = _positions(dataset, 17).copy()
    if change == "mirrored":
        copy[:, 0] *= -1
    elif change == "moved by 1e-4 Å":
        copy[3, 1] += 1e-4
    else:
        hydrogens = np.flatnonzero(dataset.frames.numbers[:9] == 1)
        copy[hydrogens[:2]] = copy[hydrogens[1::-1]]
    assert all(one.value == 0 for one in _found(_sets(_with(dataset, 110, copy))).values())


def test_the_mirror_image_of_a_planar_structure_is_the_structure() -> None:
    dataset = _embedded()
    flat = _positions(dataset, 17).copy()
    flat[:, 2] = 0
    dataset = _with(dataset, 17, flat)
    result = check_integrity("train_test_overlap", _sets(_with(dataset, 110, flat * [-1, 1, 1])))
    assert result.frames == (("ethanol", 110),)


def test_validation_that_is_the_test_set() -> None:
    """What one published benchmark ships."""
    dataset = _embedded()
    sets = _sets(dataset, validation=slice(100, 120))
    result = check_integrity("validation_test_overlap", sets)
    assert result.value == 20
    assert result.frames == tuple(("ethanol", number) for number in range(100, 120))
    assert "and 17 more" in result.reason
    assert check_integrity("train_test_overlap", sets).value == 0
    assert check_integrity("duplicate_frames", sets).value == 0


def test_molecules_of_one_composition_are_compared() -> None:
    ethanol = _embedded()
    other = replace(ethanol, molecule="copies", frames=ethanol.frames.select(np.arange(30)))
    held = {"ethanol": ethanol, "copies": other}
    sets = FrameSets(
        train=IndexSet({"ethanol": np.arange(0, 20)}, held),
        test=IndexSet({"copies": np.arange(15, 30)}, held),
    )
    result = check_integrity("train_test_overlap", sets)
    assert result.frames == tuple(("copies", number) for number in range(15, 20))
    assert "test frame 15 of copies = training frame 15 of ethanol" in result.reason


def test_without_training_or_validation_there_is_nothing_to_find() -> None:
    found = _found(_sets(_embedded(), train=None, validation=None))
    assert [one.value for one in found.values()] == [0, 0, 0]
    assert "no training frames" in found["train_test_overlap"].reason
    assert "no validation frames" in found["validation_test_overlap"].reason


# --- against brute force ---------------------------------------------------------------------


def _group(positions: np.ndarray[Any, Any], **changes: Any) -> SystemFrames:
    n_frames, n_atoms = positions.shape[:2]
    defaults: dict[str, Any] = {
        "numbers": np.full(n_atoms, 6),
        "pbc": np.zeros(3, dtype=bool),
        "cell": np.zeros((n_frames, 3, 3)),
        "molecules": ("made",) * n_frames,
        "numbering": np.arange(n_frames),
    }
    return SystemFrames(positions=positions, **{**defaults, **changes})


def _brute(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    """SciPy's own superposition."""
    first, second = one - one.mean(axis=0), other - other.mean(axis=0)
    found, _ = Rotation.align_vectors(first, second)
    return float(np.sqrt(((found.apply(second) - first) ** 2).sum(axis=1).mean()))


@pytest.mark.filterwarnings("ignore:Optimal rotation is not uniquely")
@pytest.mark.parametrize("n_atoms", [2, 3, 4, 9])
def test_every_pair_equals_brute_force(n_atoms: int) -> None:
    rng = np.random.default_rng(n_atoms)
    first = rng.normal(size=(30, n_atoms, 3)) * 2
    second = rng.normal(size=(40, n_atoms, 3)) * 2
    # Copies displaced by less, by about and by more than the tolerance.
    for place, size in enumerate(np.geomspace(1e-8, 1e-4, 20)):
        noise = rng.normal(size=(n_atoms, 3))
        noise *= size / np.sqrt((noise**2).sum(axis=1).mean())
        turn = Rotation.random(random_state=place).as_matrix()
        second[place] = (first[place] + noise) @ turn + rng.normal(size=3)
    table = np.array([[_brute(one, other) for one in first] for other in second])
    ours = [distances(first, np.broadcast_to(one, first.shape), np.zeros((30, 3, 3)),
                      np.zeros(3, dtype=bool)) for one in second]  # fmt: skip
    np.testing.assert_allclose(ours, table, atol=2e-8)
    expected = {(int(row.argmin()), place) for place, row in enumerate(table) if row.min() <= 1e-6}
    assert 5 < len(expected) < 20
    found = twins(_group(first), _group(second))
    assert {(early, late) for early, late, _ in found} == expected
    both = np.concatenate([first, second])
    assert {(early, late - 30) for early, late, _ in repeats(_group(both))} == expected


def test_a_frame_repeated_many_times() -> None:
    rng = np.random.default_rng(0)
    positions = np.repeat(rng.normal(size=(3, 5, 3)), 400, axis=0)[rng.permutation(1200)]
    found = repeats(_group(positions))
    assert len(found) == 1197
    for early, late, _ in found:
        assert early < late
        np.testing.assert_array_equal(positions[early], positions[late])


@settings(deadline=None)  # the machine may be busy
@given(st.integers(0, 10**6), st.integers(2, 12), st.sampled_from(["isolated", "cubic", "skew"]))
def test_no_equal_frame_lies_outside_the_search_radius(seed: int, n_atoms: int, kind: str) -> None:
    """The prefilter may let too much through, never too little."""
    rng = np.random.default_rng(seed)
    one = rng.uniform(0, 6, size=(n_atoms, 3))
    cell = np.diag([6.0, 6.0, 6.0])
    if kind == "skew":
        cell = cell + rng.uniform(-2, 2, size=(3, 3))
    move = rng.normal(size=(n_atoms, 3))
    move *= 1e-6 / np.sqrt((move**2).sum(axis=1).mean())
    other = one + move
    periodic = kind != "isolated"
    if periodic:
        other = other + rng.normal(size=3) + rng.integers(-2, 3, size=(n_atoms, 3)) @ cell
    else:
        other = other @ Rotation.random(random_state=seed).as_matrix() + rng.normal(size=3)
    group = _group(np.stack([one, other]), pbc=np.full(3, periodic), cell=np.stack([cell] * 2))
    both = features(group)
    assert np.linalg.norm(both[1] - both[0]) <= search_radius(group)
    far = distances(one[None], other[None], cell[None], group.pbc)
    assert far[0] <= 1e-6 * (1 + 1e-6)


def test_periodic_frames() -> None:
    rng = np.random.default_rng(5)
    cell = np.array([[8.0, 0, 0], [1, 7, 0], [0, 2, 9]])
    first = rng.uniform(0, 7, size=(20, 6, 3))
    images = rng.integers(-1, 2, size=(6, 3)) @ cell
    second = np.stack([first[4] + images + [0.7, 0.1, -3], first[5] @ TURN, first[6], first[7]])
    cells = np.stack([cell] * 4)
    cells[2] = cell * 1.001
    pbc = np.ones(3, dtype=bool)
    found = twins(
        _group(first, cell=np.stack([cell] * 20), pbc=pbc), _group(second, cell=cells, pbc=pbc)
    )
    # A turned crystal in an unturned cell, and one in another cell, are other structures.
    assert [(early, late) for early, late, _ in found] == [(4, 0), (7, 3)]


def test_single_atoms_are_all_alike() -> None:
    atoms = np.random.default_rng(1).normal(size=(4, 1, 3))
    assert [(early, late) for early, late, _ in repeats(_group(atoms))] == [(0, 1), (0, 2), (0, 3)]


# --- species, and what is no check -----------------------------------------------------------


def test_unknown_species_are_named() -> None:
    ethanol, uracil = _embedded("ethanol"), _embedded("uracil")
    held = {"ethanol": ethanol, "uracil": uracil}
    sets = FrameSets(
        train=IndexSet({"ethanol": np.arange(10)}, held),
        test=IndexSet({"ethanol": np.arange(20, 25), "uracil": np.array([7, 9])}, held),
    )
    result = check_integrity("known_species", sets)
    assert result.value == 2
    assert result.frames == (("uracil", 7), ("uracil", 9))
    assert result.reason == (
        "N in no training frame (C, H, O), but in 2 of 7 test frames: uracil frames 7 and 9"
    )
    swapped = FrameSets(train=sets.test, test=IndexSet({"ethanol": np.arange(3)}, held))
    assert check_integrity("known_species", swapped).value == 0
    alone = check_integrity("known_species", _sets(ethanol, train=None))
    assert (alone.value, "no training frames" in alone.reason) == (0, True)


def test_one_strange_atom_in_a_mixed_file() -> None:
    water = Frames.of_one_molecule(
        np.array([8, 1, 1]), np.random.default_rng(2).normal(size=(4, 3, 3))
    )
    sulphide = Frames.of_one_molecule(np.array([16, 1, 1]), np.ones((1, 3, 3)))
    frames = Frames.concatenate([water, sulphide, water])
    dataset = Dataset("own", "mix", frames, "none", None, "none", "mix.xyz", frames.digest)
    held = {"mix": dataset}
    sets = FrameSets(
        train=IndexSet({"mix": np.arange(4)}, held), test=IndexSet({"mix": np.arange(4, 9)}, held)
    )
    result = check_integrity("known_species", sets)
    assert result.frames == (("mix", 4),)
    # The second half repeats the first: the same four structures.
    overlap = check_integrity("train_test_overlap", sets)
    assert overlap.frames == tuple(("mix", number) for number in range(5, 9))


def test_an_unknown_check_names_the_choices() -> None:
    with pytest.raises(MlffError, match="unknown data check 'overlap'; choose one of train_test_"):
        check_integrity("overlap", _sets(_embedded()))
    assert list(metrics("data")) == [
        "train_test_overlap", "validation_test_overlap", "duplicate_frames", "time_order",
        "energy_force_consistency", "unit_scale", "known_species", "test_span",
        "independent_frames", "temperature_match", "one_reference", "rounded_units",
    ]  # fmt: skip
