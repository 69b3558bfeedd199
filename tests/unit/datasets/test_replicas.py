"""Independent replicas: one file, one index per frame, and what it does to the evidence."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from pytest_mlff.datasets.embedded import (
    EmbeddedTrajectory,
    Labels,
    read_trajectory,
    write_trajectory,
)
from pytest_mlff.datasets.frames import Frames
from pytest_mlff.datasets.generate import Protocol
from pytest_mlff.datasets.registry import EmbeddedSource, open_dataset
from pytest_mlff.datasets.replicas import pack_replicas, replica_protocol
from pytest_mlff.datasets.splits import cut
from pytest_mlff.errors import MlffError
from pytest_mlff.metrics.errors import measure
from pytest_mlff.potentials.protocol import Prediction
from pytest_mlff.specs.dataset_option import DatasetOption
from pytest_mlff.statistics.evidence import FrameSeries

if TYPE_CHECKING:
    from pathlib import Path


def trajectory(seed: int, frames: int = 4, stride: int = 500) -> EmbeddedTrajectory:
    rng = np.random.default_rng(seed)
    return EmbeddedTrajectory(
        numbers=np.array([8, 1, 1], dtype=np.uint8),
        positions=rng.normal(size=(frames, 3, 3)).astype(np.float32),
        labels={
            "gfn2-xtb": Labels(
                rng.normal(size=frames), rng.normal(size=(frames, 3, 3)).astype(np.float32)
            )
        },
        metadata={
            "dynamics": {"stride": stride, "timestep_fs": 1.0, "seed": seed},
            "licence": "CC0-1.0",
        },
    )


def written(folder: Path, *made: EmbeddedTrajectory) -> list[Path]:
    paths = [folder / f"{number}.npz" for number in range(len(made))]
    for path, one in zip(paths, made, strict=True):
        write_trajectory(path, one)
    return paths


def test_packed_replicas_come_back_with_their_index(tmp_path: Path) -> None:
    made = [trajectory(seed) for seed in range(6)]
    pack_replicas(written(tmp_path, *made), tmp_path / "ethanol.npz")
    packed = read_trajectory(tmp_path / "ethanol.npz")
    assert packed.replica is not None
    assert packed.replica.tolist() == np.repeat(np.arange(6), 4).tolist()
    assert packed.metadata["dynamics"]["seeds"] == list(range(6))
    frames = EmbeddedSource(folder=tmp_path, name="gate").load("ethanol").frames
    assert frames.time_index is None
    np.testing.assert_array_equal(frames.replica, packed.replica)
    np.testing.assert_array_equal(frames.positions[12:24].reshape(4, 3, 3), made[1].positions)


@pytest.mark.parametrize(
    "other, said",
    [
        (trajectory(1, stride=20), "another molecule or protocol"),
        (trajectory(0), "the same seed"),
        (replace(trajectory(1), numbers=np.array([8, 1, 8], dtype=np.uint8)), "another molecule"),
    ],
)
def test_what_does_not_belong_together(
    tmp_path: Path, other: EmbeddedTrajectory, said: str
) -> None:
    with pytest.raises(MlffError, match=said):
        pack_replicas(written(tmp_path, trajectory(0), other), tmp_path / "x.npz")


def test_the_protocol_of_the_gate_set() -> None:
    assert replica_protocol(7) == Protocol(frames=25, stride=500, timestep_fs=1.0, seed=3007)
    assert replica_protocol(0).equilibration_fs >= 3000.0


def replicated(n: int, size: int, seed: int = 0) -> Frames:
    rng = np.random.default_rng(seed)
    return Frames.of_one_molecule(
        np.array([8, 1, 1]),
        rng.normal(size=(n * size, 3, 3)),
        energy=np.zeros(n * size),
        forces=np.zeros((n * size, 3, 3)),
        replica=rng.permutation(np.repeat(np.arange(n), size)),
    )


def test_replicas_are_the_unit_of_evidence_whatever_the_order() -> None:
    frames = replicated(6, 5)
    assert frames.replica is not None
    energy = 3e-3 * (1.0 + frames.replica)
    found = measure("energy_mae", frames, Prediction(energy, np.zeros((90, 3))))
    assert isinstance(found.series, FrameSeries)
    assert found.series.independent
    assert found.series.segments == (5,) * 6
    np.testing.assert_allclose(found.series.replicates.per_frame, [1, 2, 3, 4, 5, 6])
    assert found.evidence["replicas"] == 6
    assert found.ci_low is not None
    assert found.ci_low < 3.5 - 1.0
    few = frames.select(frames.replica < 4)
    told = measure("energy_mae", few, Prediction(few.energy + 1e-3, np.zeros((60, 3))))
    assert told.evidence["undecided"] == (
        "4 replicas are too few for an interval: at least 5 are needed"
    )


def test_selected_and_joined_replicas_stay_apart() -> None:
    one, other = replicated(3, 2, 1), replicated(2, 2, 2)
    both = Frames.concatenate([one, other])
    assert both.replica is not None
    assert sorted(np.unique(both.replica, return_counts=True)[1]) == [2] * 5
    assert Frames.concatenate([one, replace(other, replica=None)]).replica is None
    assert one.digest != replace(one, replica=None).digest
    assert one.structure_digest == replace(one, replica=None).structure_digest


def own_file(folder: Path, suffix: str) -> Path:
    """Twelve frames of water, of three runs that are named in the file, out of order."""
    rng = np.random.default_rng(4)
    runs = ["b", "a", "c", "a"] * 3
    path = folder / f"own{suffix}"
    energies, positions = rng.normal(size=12), rng.normal(size=(12, 3, 3))
    if suffix == ".npz":
        np.savez(
            path, z=np.array([8, 1, 1]), R=positions, E=energies,
            F=np.zeros((12, 3, 3)), run=np.array(runs),
        )  # fmt: skip
        return path
    structures = []
    for energy, one, run in zip(energies, positions, runs, strict=True):
        atoms = Atoms("OH2", one, info={"run": run})
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=np.zeros((3, 3)))
        structures.append(atoms)
    write(path, structures)
    return path


@pytest.mark.parametrize("suffix", [".extxyz", ".npz"])
def test_own_files_name_their_replicas(tmp_path: Path, suffix: str) -> None:
    own_file(tmp_path, suffix)
    option = DatasetOption(path=f"own{suffix}", replica="run", units="eV")
    frames = open_dataset("mine", option, spec_dir=tmp_path).load("own").frames
    assert frames.replica is not None
    assert frames.replica.tolist() == [1, 0, 2, 0] * 3
    assert "run" not in frames.per_frame
    lone = DatasetOption(path=f"own{suffix}", independent=True, units="eV")
    drawn = open_dataset("mine", lone, spec_dir=tmp_path).load("own").frames
    assert drawn.replica is not None
    assert drawn.replica.tolist() == list(range(12))
    for bad, said in (
        (DatasetOption(path=f"own{suffix}", replica="walker", units="eV"), "no key 'walker'"),
        (
            DatasetOption(path=f"own{suffix}", replica="run", independent=True, units="eV"),
            "exclude each other",
        ),
    ):
        with pytest.raises(MlffError, match=said):
            open_dataset("mine", bad, spec_dir=tmp_path).load("own")


def test_a_window_of_replicas_holds_whole_replicas(tmp_path: Path) -> None:
    pack_replicas(
        written(tmp_path, *(trajectory(seed, frames=3 + seed % 2) for seed in range(10))),
        tmp_path / "ethanol.npz",
    )
    source = EmbeddedSource(folder=tmp_path)

    def selection(start: float, end: float) -> SimpleNamespace:
        return SimpleNamespace(
            molecules=("ethanol",), start=start, end=end, pick="all", count=None, dataset=None
        )

    named = {"train": selection(0, 39), "test": selection(40, 100)}
    variant = SimpleNamespace(
        id="v", spec=SimpleNamespace(seed=0), selections=SimpleNamespace(train=None, named=named)
    )
    sets = cut(variant, source)
    assert sets.train_frames is not None
    assert sets.train_frames.replica is not None
    assert sets.test_frames.replica is not None
    assert set(sets.train_frames.replica.tolist()) == {0, 1, 2}
    assert set(sets.test_frames.replica.tolist()) == set(range(4, 10))
    assert len(sets.test_frames) == 3 * 3 + 3 * 4
