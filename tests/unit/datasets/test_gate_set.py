"""The gate set that ships: independent replicas of each molecule, as their file says."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER, GATE_FOLDER, read_trajectory
from pytest_mlff.datasets.molecules import MOLECULES
from pytest_mlff.datasets.registry import open_dataset
from pytest_mlff.datasets.replicas import replica_protocol
from pytest_mlff.specs import builtin_folder, cases_of, expand, load_spec

NAMES = [molecule.name for molecule in MOLECULES]


@pytest.mark.parametrize("name", NAMES)
def test_replicas_are_enough_to_decide_and_of_one_protocol(name: str) -> None:
    trajectory = read_trajectory(GATE_FOLDER / f"{name}.npz")
    assert trajectory.replica is not None
    counts = np.bincount(trajectory.replica)
    assert len(counts) >= 5
    assert set(counts) == {25}
    said = trajectory.metadata["dynamics"]
    assert len(set(said["seeds"])) == len(counts)
    protocol = replica_protocol(0)
    assert (said["stride"], said["timestep_fs"]) == (protocol.stride, protocol.timestep_fs)
    assert said["equilibration_fs"] >= 3000
    # 0.5 ps lie between frames, and more between starts: none is a copy of another.
    flat = trajectory.positions.reshape(len(trajectory.positions), -1)
    assert len(np.unique(flat, axis=0)) == len(flat)
    trained = read_trajectory(EMBEDDED_FOLDER / f"{name}.npz").positions
    assert not np.isin(flat[:, 0], trained.reshape(len(trained), -1)[:, 0]).all()


def test_the_dataset_has_replicas_and_no_time_order() -> None:
    dataset = open_dataset("gate").load("ethanol")
    assert dataset.level_of_theory == "GFN2-xTB"
    assert dataset.frames.replica is not None
    assert not dataset.time_ordered


def test_the_spec_pools_every_metric_over_all_molecules() -> None:
    spec = load_spec(builtin_folder() / "gate.yaml")
    variants = expand(spec)
    assert sorted(one.id for one in variants) == sorted(NAMES)
    assert spec.pooled == ("energy_mae", "force_mae", "force_rmse")
    for variant in variants:
        for case in cases_of(variant, ["C", "H"]):
            assert case.threshold is not None
            assert case.threshold.provenance.frames == sum(
                len(open_dataset("gate").load(name).frames) for name in NAMES
            )
