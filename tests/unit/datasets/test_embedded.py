"""The data that ship with the package: what issue they must serve, and that they are true."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_mlff.datasets import open_dataset
from pytest_mlff.datasets.embedded import (
    EMBEDDED_FOLDER,
    EmbeddedTrajectory,
    Labels,
    content_digest,
    read_trajectory,
    write_trajectory,
)
from pytest_mlff.datasets.molecules import MOLECULES
from pytest_mlff.datasets.record import record_named
from pytest_mlff.datasets.relabel import relabel
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from pathlib import Path

NAMES = [molecule.name for molecule in MOLECULES]
MEGABYTE = 1_000_000


def test_all_seven_are_here_and_small() -> None:
    sizes = {path.stem: path.stat().st_size for path in EMBEDDED_FOLDER.glob("*.npz")}
    assert set(sizes) == set(NAMES)
    assert sum(sizes.values()) <= 15 * MEGABYTE


@pytest.mark.parametrize("name", NAMES)
def test_frames_time_and_types(name: str) -> None:
    trajectory = read_trajectory(EMBEDDED_FOLDER / f"{name}.npz")
    metadata = trajectory.metadata
    frames, picoseconds = (4000, 40.0) if name == "aspirin" else (2000, 20.0)
    assert len(trajectory.positions) >= frames
    assert len(trajectory.positions) * metadata["frame_interval_fs"] / 1000 >= picoseconds
    dynamics = metadata["dynamics"]
    assert dynamics["timestep_fs"] == 0.5
    assert dynamics["temperature_k"] == 500.0
    assert dynamics["equilibration_fs"] > 0
    assert metadata["frame_interval_fs"] == dynamics["stride"] * dynamics["timestep_fs"]
    assert metadata["licence"]
    assert metadata["levels_of_theory"]["gfn2-xtb"]["method"] == "GFN2-xTB"
    labels = trajectory.labels["gfn2-xtb"]
    assert trajectory.positions.dtype == labels.forces.dtype == np.float32
    assert labels.energy.dtype == np.float64
    for array in (trajectory.positions, labels.energy, labels.forces):
        assert np.isfinite(array).all()


@pytest.mark.parametrize("name", NAMES)
def test_dataset_view(name: str) -> None:
    source = open_dataset("embedded")
    dataset = source.load(name)
    assert (
        dataset.frames.species == source.species(name) == record_named("embedded").species()[name]
    )
    steps = np.asarray(dataset.frames.time_index)
    assert (np.diff(steps) == 20).all()
    assert dataset.level_of_theory == "GFN2-xTB"
    assert dataset.digest == open_dataset("embedded").load(name).digest


@pytest.mark.parametrize("name", NAMES)
def test_temperature_of_the_trajectory(name: str) -> None:
    """Consecutive frames move as far as atoms at 500 K do, so they are in time order.

    Shuffled frames lie as far apart as any two frames of the trajectory.
    """
    positions = read_trajectory(EMBEDDED_FOLDER / f"{name}.npz").positions.astype(float)
    shuffled = positions[np.random.default_rng(0).permutation(len(positions))]

    def step(frames: np.ndarray) -> float:
        return float(np.sqrt((np.diff(frames, axis=0) ** 2).sum(axis=-1)).mean())

    assert step(positions) < 0.5 * step(shuffled)


@pytest.mark.parametrize("name", NAMES)
def test_labels_recomputed(name: str) -> None:
    pytest.importorskip("tblite")
    found = relabel(EMBEDDED_FOLDER / f"{name}.npz", samples=3, seed=11)
    assert len(found.frames) == 3
    assert found.energy_error <= 1e-6
    # A force component of about 5 eV/Å is stored in float32.
    assert found.force_error <= 5e-6


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_more_labels_recomputed(name: str) -> None:
    pytest.importorskip("tblite")
    assert relabel(EMBEDDED_FOLDER / f"{name}.npz", samples=60, seed=12).passed


@pytest.mark.parametrize("mutant", ["energy", "forces", "positions", "scaled", "other frame"])
def test_wrong_labels_are_noticed(mutant: str) -> None:
    pytest.importorskip("tblite")
    true = read_trajectory(EMBEDDED_FOLDER / "ethanol.npz")
    labels = true.labels["gfn2-xtb"]
    energy, forces, positions = labels.energy.copy(), labels.forces.copy(), true.positions.copy()
    if mutant == "energy":
        energy += 1e-4
    elif mutant == "forces":
        forces += np.float32(1e-3)
    elif mutant == "positions":
        positions *= np.float32(1.0001)
    elif mutant == "scaled":
        forces *= np.float32(1.0005)
    else:
        energy = np.roll(energy, 1)
    spoiled = EmbeddedTrajectory(
        true.numbers, positions, {"gfn2-xtb": Labels(energy, forces)}, true.metadata
    )
    assert not relabel(spoiled, samples=2, seed=0).passed
    assert relabel(true, samples=2, seed=0).passed


def _small(levels: tuple[str, ...] = ("a",)) -> EmbeddedTrajectory:
    rng = np.random.default_rng(0)
    return EmbeddedTrajectory(
        numbers=np.array([8, 1, 1], dtype=np.uint8),
        positions=rng.normal(size=(4, 3, 3)).astype(np.float32),
        labels={
            level: Labels(rng.normal(size=4), rng.normal(size=(4, 3, 3)).astype(np.float32))
            for level in levels
        },
        metadata={"molecule": "water"},
    )


def test_round_trip_with_several_label_sets(tmp_path: Path) -> None:
    made = _small(("cheap", "dear"))
    write_trajectory(tmp_path / "water.npz", made)
    read = read_trajectory(tmp_path / "water.npz")
    assert set(read.labels) == {"cheap", "dear"}
    assert content_digest(read) == content_digest(made) == read.metadata["digest"]
    np.testing.assert_array_equal(read.labels["dear"].forces, made.labels["dear"].forces)
    assert [path.name for path in tmp_path.iterdir()] == ["water.npz"]


def test_changed_content_does_not_match_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "water.npz"
    write_trajectory(path, _small())
    with np.load(path) as archive:
        arrays = {key: archive[key] for key in archive.files}
    arrays["energy.a"][2] += 1e-9
    np.savez(path, **arrays)
    with pytest.raises(MlffError, match=r"water\.npz: content does not match the digest"):
        read_trajectory(path)


@pytest.mark.parametrize("size", [0, 100, 700])
def test_truncated(tmp_path: Path, size: int) -> None:
    path = tmp_path / "water.npz"
    write_trajectory(path, _small())
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(MlffError, match=r"not a readable embedded data file") as caught:
        read_trajectory(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(MlffError, match="no such data file"):
        read_trajectory(tmp_path / "none.npz")
