"""Lifetimes and survival against closed forms and simulated exponential lifetimes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats
from support.trajectories import still

from pytest_mlff.errors import MlffError
from pytest_mlff.metrics import simulation_pictures as pictures
from pytest_mlff.metrics.simulated import Simulated
from pytest_mlff.metrics.survival import (
    Lifetimes,
    lifetimes,
    log_rank,
    reference_bonds,
    restricted_mean,
    survival_curve,
)
from pytest_mlff.metrics.trajectory_structure import StructureReference
from pytest_mlff.specs.simulate import SimulationPlan

if TYPE_CHECKING:
    from pytest_mlff.simulation import Trajectory

pytest.importorskip("lifelines")
WATER = np.array([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]])
NUMBERS = np.array([8, 1, 1])


def exponential(mean: float, count: int, horizon: float, rng: np.random.Generator) -> Lifetimes:
    drawn = rng.exponential(mean, count)
    died = drawn < horizon
    return Lifetimes(
        time_ps=np.minimum(drawn, horizon),
        died=died,
        reasons=tuple("x" if one else "" for one in died),
        horizon_ps=horizon,
        start_of=np.arange(count),
    )


def test_bonds_of_water() -> None:
    made = still(NUMBERS, WATER, replicas=1, frames=4)
    made.positions[1::2, :, 1, 0] += np.float32(0.1)
    bonds = reference_bonds(made.frames(0))
    assert bonds.pairs.tolist() == [[0, 1], [0, 2]]
    assert bonds.lengths == pytest.approx([1.01, np.hypot(0.24, 0.93)], abs=1e-6)
    with pytest.raises(MlffError, match="hold no bonds"):
        reference_bonds(still(NUMBERS, 5 * WATER, replicas=1, frames=2).frames(0))


def test_a_replica_dies_with_its_first_broken_bond() -> None:
    made = still(NUMBERS, WATER, replicas=4, frames=20)
    bonds = reference_bonds(made.frames(0))
    made.positions[7, 1, 1, 0] += np.float32(0.51)
    made.positions[3, 2, 1, 0] += np.float32(0.49)  # not yet
    made.alive[5:, 3] = False
    made.death_ps[3] = made.time_ps[5] - 1e-4
    made = replace(made, reasons=("", "", "", "its temperature reached 2e+05 K"))
    found = lifetimes(made, bonds)
    assert found.died.tolist() == [False, True, False, True]
    assert found.time_ps == pytest.approx(
        [made.time_ps[-1], made.time_ps[7], made.time_ps[-1], made.time_ps[5] - 1e-4]
    )
    assert "a bond is off by 0.51 Å" in found.reasons[1]
    assert found.reasons[3] == "its temperature reached 2e+05 K"
    # Without bonds the explosion alone is seen.
    assert lifetimes(made).died.tolist() == [False, False, False, True]


def simulated(made: Trajectory) -> Simulated:
    asked = SimulationPlan.model_construct(structure_limit=None)
    return Simulated(made, None, made.frames(0), None, "", asked, None, lambda: made)  # type: ignore[arg-type]


def test_bonds_are_watched_in_molecules_and_not_in_what_is_periodic() -> None:
    """In a liquid or a crystal atoms may change their neighbours and nothing is broken."""
    made = still(NUMBERS, WATER, replicas=3, frames=20)
    made.positions[7, 1, 1, 0] += np.float32(0.51)
    assert simulated(made).lifetimes.died.tolist() == [False, True, False]
    box = replace(made, pbc=np.ones(3, dtype=bool), cell=np.tile(20.0 * np.eye(3), (3, 1, 1)))
    assert not simulated(box).lifetimes.died.any()


def test_the_film_shows_the_first_death_and_the_frame_of_it() -> None:
    made = still(NUMBERS, WATER, replicas=3, frames=40)
    made.positions[9:, 1, 1, 0] += np.float32(0.51)
    made.positions[7:, 2, 1, 0] += np.float32(0.52)
    made.positions[8:, 2] += np.float32(1.0)  # as a whole: what follows is another frame
    shown = pictures.survival(simulated(made))
    assert shown.moment is not None
    frame, note = shown.moment
    assert np.array_equal(frame.positions, made.positions[7, 2])
    assert note.startswith("replica 2 of 3, which dies after")
    (drawn,) = shown.pictures[0].curves
    assert drawn.x[-1] == pytest.approx(made.time_ps[-1])
    alive = [y for x, y in zip(drawn.x, drawn.y, strict=True) if x > made.time_ps[9]]
    assert alive == pytest.approx([1.0 / 3.0] * len(alive), abs=1e-3)


def test_the_first_to_explode_is_named() -> None:
    made = still(NUMBERS, WATER, replicas=3, frames=20)
    made.alive[5:, 1:] = False
    made.death_ps[1:] = [0.002, 0.0015]
    made = replace(made, reasons=("", "late", "early"))
    assert simulated(made).exploded == (
        "2 of 3 replicas exploded, the first after 0.0015 ps: early"
    )


def test_what_stands_still_is_not_stable() -> None:
    """Mutant: a frozen replica."""
    made = still(NUMBERS, WATER, replicas=2, frames=5)
    made.temperature[1:, 1] = 0.01
    found = lifetimes(made)
    assert found.died.tolist() == [False, True]
    assert found.time_ps[1] == made.time_ps[1]


def test_a_structure_that_wanders_off_dies_at_the_end_of_its_window() -> None:
    made = still(NUMBERS, WATER, replicas=2, frames=41)  # 1 ps apart is 20 frames
    made = replace(made, time_ps=np.arange(41) * 0.05)
    reference = StructureReference(made.frames(0))
    made.positions[25:, 1, 1, 0] += np.float32(0.4)
    limit = 1.0
    found = lifetimes(made).with_structure(made, reference, limit)
    assert found.died.tolist() == [False, True]
    assert found.time_ps[1] == pytest.approx(2.0)
    assert "H-O" in found.reasons[1]
    # The first window alone is not affected.
    short = replace(
        made,
        **{
            name: getattr(made, name)[:21]
            for name in (
                "time_ps", "positions", "velocities", "potential_energy", "kinetic_energy",
                "temperature", "alive",
            )
        },
    )  # fmt: skip
    assert not lifetimes(short).with_structure(short, reference, limit).died.any()


@pytest.mark.parametrize("count", [4, 12])
@pytest.mark.parametrize("mean", [0.7, 3.0, 30.0])
def test_the_interval_holds_the_mean_of_exponential_lifetimes(count: int, mean: float) -> None:
    horizon, repeats = 2.0, 150
    rng = np.random.default_rng(round(10 * mean) + count)
    truth = mean * (1.0 - np.exp(-horizon / mean))
    inside, naive = 0, 0
    for _ in range(repeats):
        found = exponential(mean, count, horizon, rng)
        shown, low, high = restricted_mean(found)
        assert 0.0 <= low <= shown <= high <= horizon + 1e-12
        inside += low <= truth <= high
        half = stats.t(count - 1).ppf(0.975) * found.time_ps.std(ddof=1) / np.sqrt(count)
        naive += abs(found.time_ps.mean() - truth) <= half
    assert inside >= stats.binom(repeats, 0.95).ppf(1e-3)
    if mean == 30.0 and count == 4:
        # Mutant: an interval by the spread alone is empty where nothing died.
        assert naive < stats.binom(repeats, 0.95).ppf(1e-3)


def test_the_interval_is_the_area_under_the_band() -> None:
    """Anderson's bounds against a sum over a fine grid of the clipped survival function."""
    times, horizon = np.array([0.7, 1.9, 2.4, 3.0, 3.0]), 3.0
    died = times < horizon
    found = Lifetimes(times, died, ("",) * 5, horizon, np.arange(5))
    shown, low, high = restricted_mean(found, level=0.8)
    grid = (np.arange(30_000) + 0.5) * horizon / 30_000
    sound = (times[:, None] > grid).mean(axis=0)
    band = stats.kstwo(5).ppf(0.8)
    assert shown == pytest.approx(sound.mean() * horizon, rel=1e-6)
    assert low == pytest.approx(np.clip(sound - band, 0.0, 1.0).mean() * horizon, rel=1e-6)
    assert high == pytest.approx(np.clip(sound + band, 0.0, 1.0).mean() * horizon, rel=1e-6)
    assert low < shown < high


def test_sound_runs_show_no_more_than_they_can() -> None:
    count = 8
    found = Lifetimes(np.ones(count), np.zeros(count, bool), ("",) * count, 1.0, np.arange(count))
    shown, low, high = restricted_mean(found)
    assert (shown, high) == (1.0, 1.0)
    assert low == pytest.approx(1.0 - stats.kstwo(count).ppf(0.95))


def test_the_curve_is_the_share_of_those_alive() -> None:
    found = exponential(1.0, 50, 1.5, np.random.default_rng(0))
    shown = survival_curve(found)
    for time, alive in zip(shown.time_ps[:-1], shown.alive[:-1], strict=True):
        assert alive == pytest.approx((found.time_ps > time).mean())
    assert (shown.low <= shown.alive + 1e-12).all()
    # Restricted mean: the area under the curve.
    assert restricted_mean(found)[0] == pytest.approx(
        float(shown.alive[:-1] @ np.diff(shown.time_ps))
    )


def test_starts_count_once() -> None:
    found = exponential(1.0, 40, 2.0, np.random.default_rng(1))
    few = restricted_mean(replace(found, start_of=np.arange(40) % 4))
    many = restricted_mean(found)
    assert few[0] == pytest.approx(many[0])
    assert few[2] - few[1] > 1.5 * (many[2] - many[1])


def test_the_log_rank_test_keeps_its_level_and_finds_what_dies_earlier() -> None:
    rng = np.random.default_rng(2)
    same = [
        log_rank([exponential(1.0, 30, 1.5, rng), exponential(1.0, 30, 1.5, rng)])
        for _ in range(40)
    ]
    assert stats.binom(40, 0.05).ppf(0.999) >= np.sum(np.array(same) < 0.05)
    found = [
        log_rank([exponential(1.0, 30, 1.5, rng), exponential(0.3, 30, 1.5, rng)]) for _ in range(9)
    ]
    assert np.median(found) < 0.01
    healthy = Lifetimes(np.ones(3), np.zeros(3, bool), ("",) * 3, 1.0, np.arange(3))
    assert log_rank([healthy, healthy]) == 1.0
    # As reports keep them.
    one, other = (exponential(mean, 30, 1.5, rng) for mean in (1.0, 0.3))
    read = [Lifetimes.from_text(str(each)) for each in (one, other)]
    assert read[0].died.tolist() == one.died.tolist()
    assert log_rank(read) == pytest.approx(log_rank([one, other]), rel=1e-3)
    with pytest.raises(MlffError, match="at least two models"):
        log_rank([healthy])
