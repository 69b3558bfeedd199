"""The embedded ethanol at three temperatures: what it holds, and that it is as hot as it says."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_mlff.datasets import open_dataset
from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER

TEMPERATURES = (300, 600, 1200)


def test_replicas_and_heat() -> None:
    """Ten replicas each; potential energy grows by about (3N - 6)/2 kT."""
    source = open_dataset("temperatures")
    means = []
    for temperature in TEMPERATURES:
        dataset = source.load(f"ethanol_{temperature}K")
        frames = dataset.frames
        assert dataset.level_of_theory == "GFN2-xTB"
        replica, counts = np.unique(np.asarray(frames.replica), return_counts=True)
        assert len(replica) == 10
        assert set(counts) == {16}
        means.append(float(np.asarray(frames.energy).mean()))
    per_kelvin = 0.5 * 21 * 8.617e-5
    for low, high in ((0, 1), (1, 2)):
        grown = means[high] - means[low]
        full = per_kelvin * (TEMPERATURES[high] - TEMPERATURES[low])
        assert 0.6 * full < grown < 1.3 * full


def test_no_trajectory_stands_there_twice() -> None:
    source = open_dataset("temperatures")
    starts = [
        source.load(f"ethanol_{t}K").frames.positions.reshape(10, 16, 9, 3)[:, 0]
        for t in TEMPERATURES
    ]
    assert len(np.unique(np.concatenate(starts).reshape(30, -1), axis=0)) == 30


def test_one_label_is_the_oracle_s() -> None:
    pytest.importorskip("tblite")
    from pytest_mlff.datasets import oracle

    frames = open_dataset("temperatures").load("ethanol_1200K").frames.select([5])
    energy, forces = oracle.label([frames.atoms(0)])
    assert np.asarray(frames.energy)[0] == pytest.approx(energy[0], abs=1e-6)
    np.testing.assert_allclose(np.asarray(frames.forces), forces[0], atol=2e-5)


def test_small_enough_to_ship() -> None:
    folder = EMBEDDED_FOLDER / "temperatures"
    assert sum(one.stat().st_size for one in folder.iterdir()) < 150_000
