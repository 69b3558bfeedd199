"""Diffusion against Brownian motion, whose coefficient is known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats
from support.trajectories import still

from pytest_mlff.errors import NotSupportedError
from pytest_mlff.metrics.diffusion import diffusivity, displacements
from pytest_mlff.metrics.simulation_pictures import displacement

if TYPE_CHECKING:
    from pytest_mlff.simulation import Trajectory

pytest.importorskip("freud")
STEP_PS, ATOMS, EDGE = 0.01, 40, 5.0
NUMBERS = np.array([3] * 20 + [16] * 20)


def walking(coefficients: tuple[float, float], replicas: int = 12, frames: int = 200) -> Trajectory:
    """Steps of variance 2 D Δt along each axis; lithium and sulphur each have their own D."""
    rng = np.random.default_rng(0)
    widths = np.sqrt(2 * np.repeat(coefficients, 20) * STEP_PS)[:, None]
    steps = rng.normal(size=(frames, replicas, ATOMS, 3)) * widths
    made = still(NUMBERS, np.zeros((ATOMS, 3)), replicas, frames)
    return replace(
        made,
        pbc=np.ones(3, dtype=bool),
        cell=np.tile(EDGE * np.eye(3), (replicas, 1, 1)),
        time_ps=np.arange(frames) * STEP_PS,
        positions=steps.cumsum(axis=0).astype(np.float32),
    )


def interval(values: np.ndarray) -> tuple[float, float]:
    half = stats.t(len(values) - 1).ppf(0.9995) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def test_the_coefficient_of_brownian_motion_is_found() -> None:
    made = walking((2.0, 2.0))
    low, high = interval(diffusivity(*displacements(made)))
    # The centre of mass takes less than a percent of it along.
    assert low < 2.0 < high
    assert high - low < 0.6


def test_positions_folded_into_the_cell_are_caught() -> None:
    """Mutant: wrapped positions seem to stop diffusing."""
    made = walking((2.0, 2.0))
    wrapped = replace(made, positions=np.mod(made.positions, np.float32(EDGE)))
    assert interval(diffusivity(*displacements(wrapped)))[1] < 1.5


def test_a_drift_of_everything_is_no_diffusion() -> None:
    made = walking((0.0, 0.0))
    made.positions[...] += (50 * made.time_ps.astype(np.float32))[:, None, None, None]
    assert diffusivity(*displacements(made)) == pytest.approx(np.zeros(12), abs=1e-4)


def test_one_species_has_a_coefficient_of_its_own() -> None:
    made = walking((2.0, 0.1))
    lithium = diffusivity(*displacements(made, "Li")).mean()
    sulphur = diffusivity(*displacements(made, "S")).mean()
    assert lithium > 5 * sulphur


def test_what_cannot_diffuse_is_said() -> None:
    made = walking((1.0, 1.0), frames=30)
    with pytest.raises(NotSupportedError, match="a cell periodic in all directions"):
        displacements(replace(made, pbc=np.zeros(3, dtype=bool)))
    with pytest.raises(NotSupportedError, match="at least 20 stored frames, not 10"):
        displacements(made, skip_ps=0.2)


def test_what_is_drawn_is_the_mean_over_replicas_and_where_most_of_them_are() -> None:
    lag, squares = np.arange(3.0), np.outer(np.arange(101.0), [0.0, 1.0, 2.0])
    (drawn,) = displacement(lag, squares).curves
    assert (drawn.x, drawn.y) == ((0.0, 1.0, 2.0), (0.0, 50.0, 100.0))
    assert (drawn.low, drawn.high) == ((0.0, 10.0, 20.0), (0.0, 90.0, 180.0))
