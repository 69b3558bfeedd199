"""Order in time: an index that does not rise, one of other frames, and misplaced frames."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_mlff.datasets import open_dataset
from pytest_mlff.datasets.integrity import check_integrity
from pytest_mlff.datasets.integrity.groups import group_dataset
from pytest_mlff.datasets.integrity.time_order import smallest_ratio
from pytest_mlff.datasets.molecules import MOLECULES
from pytest_mlff.datasets.splits import FrameSets, IndexSet

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlff.datasets.dataset import Dataset
    from pytest_mlff.datasets.integrity import IntegrityResult

NAMES = [molecule.name for molecule in MOLECULES]


def _checked(dataset: Dataset, numbers: np.ndarray | None = None) -> IntegrityResult:
    molecule = str(dataset.molecule)
    chosen = np.arange(len(dataset.frames)) if numbers is None else numbers
    sets = FrameSets(test=IndexSet({molecule: chosen}, {molecule: dataset}))
    return check_integrity("time_order", sets)


def _reordered(dataset: Dataset, order: np.ndarray) -> Dataset:
    """Structures in another order under an index that rises as before."""
    frames = replace(dataset.frames.select(order), time_index=dataset.frames.time_index)
    return replace(dataset, frames=frames)


@pytest.mark.parametrize("molecule", NAMES)
@pytest.mark.parametrize("count", [2000, 200, 50])
def test_trajectories_pass_and_shuffled_ones_do_not(molecule: str, count: int) -> None:
    whole = open_dataset("embedded").load(molecule)
    sound = replace(whole, frames=whole.frames.select(np.arange(count)))
    assert _checked(sound).value == 0, _checked(sound).reason
    order = np.random.default_rng(count).permutation(count)
    result = _checked(_reordered(sound, order))
    assert result.value == count
    assert result.frames == tuple((molecule, number) for number in range(count))
    assert "no trace of their order" in result.reason
    assert f"{molecule} frames 0, 1, 2, 3, 4 and {count - 5:,} more" in result.reason


def test_an_index_that_does_not_rise() -> None:
    sound = open_dataset("embedded").load("ethanol")
    index = np.array(sound.frames.time_index)
    index[[300, 301]] = index[[301, 300]]
    index[900] = index[899]
    wrong = replace(sound, frames=replace(sound.frames, time_index=index))
    result = _checked(wrong)
    assert result.frames == (("ethanol", 301), ("ethanol", 900))
    assert result.value == 2
    # Frame k lies 20 (k + 1) steps after the start.
    assert "time index does not rise strictly: 6020 at frame 301 after 6040" in result.reason


def test_a_shuffled_index() -> None:
    sound = open_dataset("embedded").load("uracil")
    index = np.random.default_rng(1).permutation(np.array(sound.frames.time_index))
    wrong = replace(sound, frames=replace(sound.frames, time_index=index))
    expected = [k for k in range(1, 2000) if index[k] <= index[:k].max()]
    result = _checked(wrong)
    assert [number for _, number in result.frames] == expected
    assert result.value > 1900


@pytest.mark.parametrize("molecule", NAMES)
def test_two_exchanged_frames_are_named(molecule: str) -> None:
    """Far enough apart in time that the molecule has turned."""
    sound = open_dataset("embedded").load(molecule)
    order = np.arange(2000 if molecule != "aspirin" else 4000)
    order[[400, 1500]] = [1500, 400]
    for timestep in (sound.timestep_fs, None):
        result = _checked(replace(_reordered(sound, order), timestep_fs=timestep))
        assert result.frames == ((molecule, 400), (molecule, 1500)), result.reason


def test_frames_of_a_set_out_of_order() -> None:
    sound = open_dataset("embedded").load("ethanol")
    result = _checked(sound, np.array([5, 9, 7, 12]))
    assert result.frames == (("ethanol", 7),)
    assert "the test frames are out of order" in result.reason


def test_an_unknown_order_is_no_failure_and_says_so() -> None:
    sound = open_dataset("embedded").load("ethanol")
    unknown = replace(sound, frames=replace(sound.frames, time_index=None))
    result = _checked(unknown)
    assert result.value == 0
    assert "no known time order, and no window is cut from it" in result.reason


def test_sparse_or_unstated_time_steps_are_judged_by_the_index_alone() -> None:
    """Frames picoseconds apart rightly look as if shuffled."""
    sound = open_dataset("embedded").load("ethanol")
    order = np.random.default_rng(2).permutation(2000)
    for timestep, says in ((50.0, "1000 fs apart"), (None, "states no time step")):
        result = _checked(replace(_reordered(sound, order), timestep_fs=timestep))
        assert result.value == 0
        assert says in result.reason


def test_the_ratio_against_its_definition() -> None:
    sound = open_dataset("embedded").load("toluene")
    group = group_dataset("toluene", sound)[0]
    positions = group.positions - group.positions.mean(axis=1, keepdims=True)
    smallest = np.inf
    for atom in range(15):
        for axis in range(3):
            one = positions[:, atom, axis]
            smallest = min(smallest, np.mean((one[1:] - one[:-1]) ** 2) / (2 * np.var(one)))
    assert smallest_ratio(group) <= smallest * (1 + 1e-12)
    assert smallest_ratio(group) > 0.2 * smallest


@pytest.mark.parametrize("name", NAMES)
def test_rmd17_is_in_order_and_an_index_of_other_frames_is_seen(
    reference_data: Path, name: str
) -> None:
    sound = open_dataset("rmd17", data_dir=reference_data).load(name)
    assert _checked(sound).value == 0
    result = _checked(_reordered(sound, np.random.default_rng(1).permutation(9633)))
    # Malonaldehyde's frames are 52 fs apart on average, too sparse to be judged.
    assert result.value == (0 if name == "malonaldehyde" else 9633)
