"""A Lennard-Jones liquid as its own reference, and what is no such liquid; a harmonic crystal."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from ase import Atoms
from scipy import stats
from support.closed_forms import PairPotential, lennard_jones

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.datasets.reference_energies import ReferenceEnergies
from pytest_mlff.metrics.diffusion import diffusivity, displacements
from pytest_mlff.metrics.radial import radial
from pytest_mlff.metrics.survival import lifetimes
from pytest_mlff.metrics.trajectory_structure import StructureReference
from pytest_mlff.metrics.visited import visited_errors
from pytest_mlff.simulation import SimulationSettings, Trajectory, simulate

pytest.importorskip("freud")
SIDE, EDGE = 3, 11.0
"""27 argon atoms at reduced density 0.8."""
PAIR = lennard_jones(0.0104, 3.4, cutoff=5.4)
SKIP_PS = 0.8


def starts(count: int) -> Frames:
    grid = np.stack(np.meshgrid(*[np.arange(SIDE)] * 3), axis=-1).reshape(-1, 3) * EDGE / SIDE
    rng = np.random.default_rng(0)
    frames = Frames.of_one_molecule(
        np.full(SIDE**3, 18), grid + rng.normal(0.0, 0.3, (count, SIDE**3, 3))
    )
    return replace(
        frames,
        cell=np.tile(EDGE * np.eye(3), (count, 1, 1)),
        pbc=np.ones((count, 3), dtype=bool),
    )


@cache
def liquid(seed: int, force_scale: float = 1.0, temperature: float = 130.0) -> Trajectory:
    settings = SimulationSettings(
        steps=600, stride=10, replicas=8, timestep_fs=5.0, temperature_k=temperature,
        friction_per_ps=5.0, seed=seed,
    )  # fmt: skip
    return simulate(PairPotential(PAIR, force_scale=force_scale), starts(8), settings)


@cache
def reference() -> StructureReference:
    made = liquid(1)
    late = np.flatnonzero(made.time_ps >= SKIP_PS)
    return StructureReference(
        Frames.concatenate([made.frames(one).select(late) for one in range(8)])
    )


@pytest.mark.parametrize("metric", ["rdf_jsd", "wright_factor"])
def test_a_liquid_is_at_the_floor_of_itself(metric: str) -> None:
    found = reference().of(liquid(2), skip_ps=SKIP_PS)
    assert found.value(metric) < 3 * reference().noise_floor(metric)


def test_a_liquid_is_sound_and_a_stretched_one_is_not() -> None:
    limit = 1.0
    sound = lifetimes(liquid(2)).with_structure(liquid(2), reference(), limit)
    assert not sound.died.any()
    # Mutant: from the third window on every second atom stands at another place.
    moved = liquid(2).positions.copy()
    moved[41:, 3, ::2] += np.float32(1.2)
    gone = replace(liquid(2), positions=moved)
    found = lifetimes(gone).with_structure(gone, reference(), limit)
    assert found.died.tolist() == [one == 3 for one in range(8)]


def test_weaker_forces_are_another_liquid() -> None:
    """Mutant: forces of four tenths the size, as of another potential."""
    found = reference().of(liquid(2, 0.4), skip_ps=SKIP_PS)
    assert found.value("rdf_jsd") > 5 * reference().noise_floor("rdf_jsd")


@pytest.mark.parametrize("scale", [1.0, 1.1])
def test_a_liquid_too_stiff_is_told_where_it_went(scale: float) -> None:
    """Mutant: 10 % too stiff, energy and forces consistent; its g(r) is within the floor."""
    settings = SimulationSettings(
        steps=60, stride=10, replicas=8, timestep_fs=5.0, temperature_k=130.0, friction_per_ps=5.0
    )
    model = PairPotential(lennard_jones(scale * 0.0104, 3.4, cutoff=5.4))
    made = simulate(model, starts(8), settings)
    zero = ReferenceEnergies({"Ar": 0.0}, 1, "")
    found = visited_errors(made, model, PairPotential(PAIR), zero)
    # ‖1.1 F − F‖ / (1.1 ‖F‖ + ‖F‖) on each frame, and nothing of the liquid itself.
    assert found.force_violation == pytest.approx((scale - 1.0) / (scale + 1.0), abs=1e-12)
    assert found.force_mae.mean() >= 5.0 * (scale > 1.0)
    assert found.energy_mae.mean() >= 1.0 * (scale > 1.0)


def test_a_liquid_diffuses_and_the_cold_one_hardly() -> None:
    def of(made: Trajectory) -> np.ndarray:
        return diffusivity(*displacements(made, skip_ps=SKIP_PS))

    warm, cold = of(liquid(2)), of(liquid(2, temperature=8.0))
    # The cold one still settles from its starts.
    assert warm.mean() > 5 * abs(cold.mean())
    # The same from another seed, within what replicas differ.
    assert stats.ttest_ind(warm, of(liquid(1)), equal_var=False).pvalue > 1e-3


def test_a_harmonic_crystal_has_gaussian_shells() -> None:
    """Einstein's crystal: the first shell of g(r) is as wide as two atoms' vibrations together."""
    edge, n, width = 3.0, 4, 0.1
    grid = np.stack(np.meshgrid(*[np.arange(n)] * 3), axis=-1).reshape(-1, 3) * edge
    rng = np.random.default_rng(0)
    frames = Frames.of_one_molecule(
        Atoms("Po64").numbers, grid + rng.normal(0.0, width, (40, n**3, 3))
    )
    frames = replace(
        frames,
        cell=np.tile(n * edge * np.eye(3), (40, 1, 1)),
        pbc=np.ones((40, 3), dtype=bool),
    )
    found = radial(frames)
    first = found.r < 3.6
    weight = found.h["all"][first] / found.h["all"][first].sum()
    mean = float(weight @ found.r[first])
    spread = float(np.sqrt(weight @ (found.r[first] - mean) ** 2))
    # Along the bond √2 σ, and a bin; across it the mean distance grows by 2σ²/r.
    assert spread == pytest.approx(np.hypot(np.sqrt(2) * width, 0.05 / np.sqrt(12)), rel=0.03)
    assert mean == pytest.approx(edge + 2 * width**2 / edge, abs=0.01)
    # Mutant: 10 % too stiff.
    assert abs(spread - np.sqrt(2 / 1.1) * width) > 3 * 0.001
