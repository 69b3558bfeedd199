"""Counts of predictions against references: exact sums, whatever the grids."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.metrics.spread import HALF, PER_DECADE, counted
from pytest_mlff.potentials.protocol import Prediction
from pytest_mlff.reports.spreads import spreads_of

NUMBERS = np.array([6, 1, 1])


def drawn(n: int, scale: float, seed: int = 0) -> tuple[Frames, Prediction]:
    rng = np.random.default_rng(seed)
    forces = rng.normal(scale=scale, size=(3 * n, 3))
    energy = rng.normal(scale=scale, size=n) - 1000.0
    positions = rng.normal(size=(n, 3, 3))
    frames = Frames.of_one_molecule(
        NUMBERS, positions, energy=energy, forces=forces.reshape(n, 3, 3)
    )
    wrong = forces + rng.normal(scale=0.1 * scale, size=forces.shape)
    return frames, Prediction(energy + 0.01, wrong, None)


@pytest.mark.parametrize("answer", [1.0, 0.0, 100.0])
def test_cells_are_where_the_values_are(answer: float) -> None:
    frames, prediction = drawn(40, 1.0)
    prediction.forces[:] *= answer
    found = counted("forces", frames, prediction)
    assert found is not None
    end = 2.0 ** found["reach"]
    edges = np.linspace(-end, end, 2 * HALF + 1)
    wanted, _, _ = np.histogram2d(
        1000 * frames.forces.ravel(), 1000 * prediction.forces.ravel(), bins=(edges, edges)
    )
    got = np.zeros_like(wanted)
    for column, row, count in found["parity"]:
        got[column, row] = count
    assert np.array_equal(got, wanted)
    size = 1000 * np.linalg.norm(frames.forces, axis=1)
    error = 1000 * np.linalg.norm(prediction.forces - frames.forces, axis=1)
    low, high = -PER_DECADE * 6, PER_DECADE * 6
    decades = 10.0 ** (np.arange(low, high + 1) / PER_DECADE)
    wanted, _, _ = np.histogram2d(size, error, bins=(decades, decades))
    for column, row, count in found["sizes"]:
        assert wanted[column - low, row - low] == count
    assert sum(count for *_, count in found["sizes"]) == 120


def test_a_species_and_energies_from_their_mean() -> None:
    frames, prediction = drawn(30, 1.0)
    carbon = counted("forces", frames, prediction, "C")
    assert carbon is not None
    assert sum(count for *_, count in carbon["sizes"]) == 30
    energy = counted("energy", frames, prediction)
    assert energy is not None
    # A thousand eV would need a reach of 19; the offset of 10 meV over three atoms stays.
    assert energy["reach"] < 12
    middle = np.log10(10.0 / 3.0) * PER_DECADE
    assert energy["sizes"] == [[0, int(np.floor(middle)), 30]]
    assert counted("forces", frames, prediction, "N") is None


def test_frames_without_label_or_answer_are_left_out() -> None:
    frames, prediction = drawn(10, 1.0)
    assert frames.forces is not None
    frames.forces[:3] = np.nan
    prediction.forces[3:6] = np.inf
    found = counted("forces", frames, prediction)
    assert found is not None
    assert sum(count for *_, count in found["sizes"]) == 24


def test_without_labels_or_answers_nothing_is_counted() -> None:
    frames, prediction = drawn(10, 1.0)
    assert counted("stress", frames, prediction) is None
    bare = Frames.of_one_molecule(NUMBERS, frames.positions.reshape(10, 3, 3))
    assert counted("energy", bare, prediction) is None
    assert counted("forces", frames, replace(prediction, forces=None)) is None
    assert counted("energy", frames, replace(prediction, energy=prediction.energy[:9])) is None


class _Case:
    def __init__(self, variant: str, metric: str = "force_mae") -> None:
        self.model, self.suite, self.spec, self.metric = "m", "s", "t", metric
        self.species = self.group = None
        self.variant, self.nodeid = variant, f"{variant}/{metric}"


@pytest.mark.parametrize("scale", [0.3, 40.0])
def test_sums_of_parts_are_the_counts_of_the_whole(scale: float) -> None:
    parts = [drawn(20, 1.0), drawn(30, scale, seed=1)]
    frames, prediction = drawn(50, 1.0)
    assert frames.forces is not None
    frames.forces[:] = np.concatenate([one.forces for one, _ in parts])
    prediction.forces[:] = np.concatenate([one.forces for _, one in parts])
    cases = [_Case("a"), _Case("b"), _Case("a", "force_rmse")]
    counts = {case.nodeid: counted("forces", *parts[case.variant == "b"]) for case in cases}
    (found,) = spreads_of(cases, counts)  # type: ignore[arg-type]
    whole = counted("forces", frames, prediction)
    assert whole is not None
    assert {key: getattr(found, key) for key in whole} == whole
    assert found.variants == 2
