"""Radial distributions against closed forms, brute force and freud; structure of simulations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ase import Atoms, units
from scipy import integrate, stats
from support.closed_forms import PairPotential, springs

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.errors import MlffError, NotSupportedError
from pytest_mlff.metrics import distance_distribution_mae, rdf_jsd, wright_factor
from pytest_mlff.metrics.radial import BIN_ANGSTROM, radial
from pytest_mlff.metrics.replica_values import per_start, pseudo_values
from pytest_mlff.metrics.trajectory_structure import STRUCTURE_METRICS, StructureReference
from pytest_mlff.simulation import SimulationSettings, Trajectory, simulate

freud = pytest.importorskip("freud")
TRICLINIC = np.array([[9.0, 0, 0], [2.5, 8.0, 0], [-1.0, 1.5, 8.5]])


def gas(count: int, symbols: str, cell: np.ndarray, seed: int = 0) -> Frames:
    """Independent atoms anywhere in a cell, not wrapped into it."""
    rng = np.random.default_rng(seed)
    numbers = Atoms(symbols).numbers
    fractions = rng.uniform(-2.0, 3.0, (count, len(numbers), 3))
    return replace(
        Frames.of_one_molecule(numbers, fractions @ cell),
        cell=np.tile(cell, (count, 1, 1)),
        pbc=np.ones((count, 3), dtype=bool),
    )


def is_one(g: np.ndarray, r: np.ndarray, pairs: float, cell: np.ndarray) -> bool:
    """Whether counts of so many pairs are those of an ideal gas, in total to 5 sigma."""
    shells = 4.0 * np.pi * r**2 * BIN_ANGSTROM / np.linalg.det(cell)
    expected = pairs * shells
    total = float((g * expected).sum() / expected.sum())
    return abs(total - 1.0) < 5.0 / np.sqrt(expected.sum())


@pytest.mark.parametrize("pair, pairs", [("all", 28), ("C-C", 10), ("C-O", 15), ("O-O", 3)])
def test_an_ideal_gas_has_one_everywhere(pair: str, pairs: int) -> None:
    frames = gas(1000, "C5O3", TRICLINIC)
    curves = radial(frames)
    assert is_one(curves.g[pair], curves.r, 1000 * pairs, TRICLINIC)
    # Mutant: normalised by N atoms, where each has N − 1 others.
    alike = {"all": 7 / 8, "C-C": 4 / 5, "O-O": 2 / 3}.get(pair)
    if alike is not None:
        assert not is_one(alike * curves.g[pair], curves.r, 1000 * pairs, TRICLINIC)


@pytest.mark.parametrize("pair", ["all", "C-O", "O-O"])
def test_distances_in_a_cell_are_those_found_by_brute_force(pair: str) -> None:
    frames = gas(20, "C5O3", TRICLINIC)
    curves = radial(frames)
    edges = np.concatenate([[0.0], curves.r + BIN_ANGSTROM / 2])
    images = np.stack(np.meshgrid(*[np.arange(-1, 2)] * 3), axis=-1).reshape(-1, 3) @ TRICLINIC
    found = []
    for atoms in frames:
        atoms.wrap()
        for i in range(8):
            for j in range(i):
                kinds = {"all"} | {"-".join(sorted((atoms.symbols[i], atoms.symbols[j])))}
                if pair in kinds:
                    gaps = atoms.positions[i] - atoms.positions[j] + images
                    found.append(np.linalg.norm(gaps, axis=1).min())
    counted = np.histogram(found, edges)[0] / (len(found) * BIN_ANGSTROM)
    # freud works in float32, so a distance at an edge may fall on its other side.
    assert np.abs(np.cumsum(counted - curves.h[pair])).max() <= 1.5 / (len(found) * BIN_ANGSTROM)


@pytest.mark.parametrize("mirror", [1.0, -1.0], ids=["turned", "mirrored"])
def test_a_cell_may_be_turned_and_mirrored(mirror: float) -> None:
    frames = gas(50, "C5O3", TRICLINIC)
    turn = stats.special_ortho_group.rvs(3, random_state=1) * mirror
    turned = replace(frames, positions=frames.positions @ turn, cell=frames.cell @ turn)
    here, there = radial(frames).h["all"], radial(turned).h["all"]
    assert np.abs(np.cumsum(here - there)).max() <= 2.5 / (50 * 28 * BIN_ANGSTROM)


def test_a_crystal_has_its_coordination_numbers() -> None:
    edge, n = 2.5, 4
    grid = np.stack(np.meshgrid(*[np.arange(n)] * 3), axis=-1).reshape(-1, 3) * edge
    cell = n * edge * np.eye(3)
    rng = np.random.default_rng(0)
    moved = grid + rng.normal(0.0, 0.02, (10, n**3, 3))
    frames = replace(
        Frames.of_one_molecule(np.full(n**3, 84), moved),
        cell=np.tile(cell, (10, 1, 1)),
        pbc=np.ones((10, 3), dtype=bool),
    )
    curves = radial(frames)
    density = (n**3 - 1) / (n * edge) ** 3
    shells = density * 4.0 / 3.0 * np.pi * np.diff(np.append(0, curves.r + BIN_ANGSTROM / 2) ** 3)
    around = np.cumsum(curves.g["all"] * shells)
    assert around[np.searchsorted(curves.r, 3.0)] == pytest.approx(6.0, rel=1e-4)
    assert around[np.searchsorted(curves.r, 3.9)] == pytest.approx(18.0, rel=1e-4)


def dimers(mean: float, width: float, count: int, seed: int = 0) -> Frames:
    """Two atoms at normally distributed distances."""
    lengths = np.random.default_rng(seed).normal(mean, width, count)
    positions = np.zeros((count, 2, 3))
    positions[:, 1, 2] = lengths
    return Frames.of_one_molecule(np.array([6, 8]), positions)


def test_two_normal_distributions_have_known_distances() -> None:
    shift, width = 0.1, 0.2
    here, there = radial(dimers(1.5, width, 200_000)), radial(dimers(1.5 + shift, width, 200_000))
    # ∫|p − q| of two normals a shift apart; bins of a quarter width change it by less than 1 %.
    exact = 2 * (2 * stats.norm.cdf(shift / (2 * width)) - 1)
    assert distance_distribution_mae(here.h["C-O"], there.h["C-O"], 10.0) == pytest.approx(
        exact, rel=0.02
    )

    def g(r: float, mean: float) -> float:
        return float(stats.norm.pdf(r, mean, width) / r**2)

    grid = np.linspace(0.3, 3.5, 4001)
    p, q = (np.array([g(r, mean) for r in grid]) for mean in (1.5, 1.5 + shift))
    wright = 100 * integrate.trapezoid((p - q) ** 2, grid) / integrate.trapezoid(q**2, grid)
    assert wright_factor(here.g["all"], there.g["all"]) == pytest.approx(wright, rel=0.05)
    weight_p, weight_q = p / p.sum(), q / q.sum()
    middle = (weight_p + weight_q) / 2
    divergence = 0.5 * sum(
        float((one * np.log2(one / middle)).sum()) for one in (weight_p, weight_q)
    )
    assert rdf_jsd(here.g["all"], there.g["all"]) == pytest.approx(divergence, rel=0.05)


def test_a_molecule_in_pieces_is_missed_from_its_distances() -> None:
    whole, torn = radial(dimers(1.5, 0.1, 1000)), radial(dimers(30.0, 0.1, 1000))
    assert whole.h["all"].sum() * BIN_ANGSTROM == pytest.approx(1.0)
    assert torn.h["all"].sum() == 0.0
    assert distance_distribution_mae(torn.h["all"], whole.h["all"], 10.0) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "frames, said",
    [
        (dimers(1.5, 0.1, 4).select([]), "needs frames"),
        (Frames.of_one_molecule(np.array([6]), np.zeros((2, 1, 3))), "at least two atoms"),
        (
            Frames.concatenate(
                [dimers(1.5, 0.1, 1), Frames.of_one_molecule([6, 7], np.eye(3)[None, :2])]
            ),
            "one composition",
        ),
        (
            replace(dimers(1.5, 0.1, 2), pbc=np.array([[True, True, False]] * 2)),
            "all directions or in none",
        ),
        (gas(2, "C2", 1.05 * np.eye(3)), "too small for a radial distribution"),
    ],
)
def test_what_has_no_radial_distribution(frames: Frames, said: str) -> None:
    with pytest.raises(MlffError, match=said):
        radial(frames)


STIFF, TEMPERATURE = 4.0, 300.0


def drawn(
    scale: float, seed: int, replicas: int = 20, count: int = 1000, starts: int | None = None
) -> Trajectory:
    """What a spring of ``scale`` times the stiffness samples, energy and forces consistent."""
    settings = SimulationSettings(replicas=replicas, steps=count - 1, stride=1, starts=starts)
    width = np.sqrt(units.kB * TEMPERATURE / (scale * STIFF))
    frames = dimers(1.5, width, count * replicas, seed)
    empty = np.zeros((count, replicas))
    return Trajectory(
        settings=settings,
        numbers=frames.numbers[:2],
        cell=np.zeros((replicas, 3, 3)),
        pbc=np.zeros(3, dtype=bool),
        start_of=np.arange(replicas) % settings.n_starts,
        time_ps=np.arange(count) * 5e-4,
        positions=frames.positions.reshape(count, replicas, 2, 3).astype(np.float32),
        velocities=np.zeros((count, replicas, 2, 3), dtype=np.float32),
        potential_energy=empty,
        kinetic_energy=empty,
        temperature=empty,
        alive=np.ones((count, replicas), dtype=bool),
        death_ps=np.full(replicas, np.nan),
        reasons=("",) * replicas,
    )


@pytest.fixture(scope="module")
def reference() -> StructureReference:
    return StructureReference(drawn(1.0, seed=1, replicas=1, count=100_000).frames(0))


def interval(values: np.ndarray) -> tuple[float, float]:
    half = stats.t(len(values) - 1).ppf(0.999) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


@pytest.mark.parametrize("metric", STRUCTURE_METRICS)
def test_the_same_model_is_at_the_noise_floor_and_a_stiffer_one_is_not(
    reference: StructureReference, metric: str
) -> None:
    """Mutant: 10 % too stiff, with energy and forces that agree."""
    floor = reference.noise_floor(metric)
    same, stiff = reference.of(drawn(1.0, 2, count=5000)), reference.of(drawn(1.1, 3, count=5000))
    assert 0.0 < same.value(metric) < 2 * floor
    assert interval(same.pseudo_values(metric))[0] < floor
    assert interval(stiff.pseudo_values(metric))[0] > floor


def test_a_frozen_replica_is_far_from_the_reference(reference: StructureReference) -> None:
    made = drawn(1.0, seed=4)
    positions = made.positions.copy()
    positions[:, 7] = positions[0, 7]
    for metric in STRUCTURE_METRICS:
        moving = reference.of(made)
        frozen = reference.of(replace(made, positions=positions))
        assert frozen.value(metric) > moving.value(metric)
        # The one that stands still sticks out of the others.
        assert int(np.argmax(frozen.pseudo_values(metric))) == 7
        assert frozen.pseudo_values(metric).max() > 3 * np.abs(moving.pseudo_values(metric)).max()


def test_structure_of_a_simulation(reference: StructureReference) -> None:
    """The oracle as its own model: dynamics on the reference's own spring, from end to end."""
    settings = SimulationSettings(
        replicas=100, steps=400, stride=20, timestep_fs=2.0, temperature_k=TEMPERATURE,
        friction_per_ps=20.0,
    )  # fmt: skip
    begin = dimers(1.5, np.sqrt(units.kB * TEMPERATURE / STIFF), 100, 5)
    # Density of the distance in three dimensions is r² times that of the energy.
    r = np.linspace(0.5, 2.5, 400_001)
    weight = r**2 * np.exp(-0.5 * STIFF * (r - 1.5) ** 2 / (units.kB * TEMPERATURE))
    chosen = np.random.default_rng(0).choice(r, 20_000, p=weight / weight.sum())
    positions = np.zeros((20_000, 2, 3))
    positions[:, 1, 2] = chosen
    exact = StructureReference(Frames.of_one_molecule(np.array([6, 8]), positions))
    metric = "distance_distribution_mae"
    same = simulate(PairPotential(springs(STIFF, 1.5)), begin, settings)
    assert exact.of(same, skip_ps=0.2).value(metric) < 5 * exact.noise_floor(metric)
    long = simulate(PairPotential(springs(STIFF, 1.65)), begin, settings)
    assert exact.of(long, skip_ps=0.2).value(metric) > 20 * exact.noise_floor(metric)


def test_pseudo_values_of_a_mean_are_the_values() -> None:
    values = np.random.default_rng(2).normal(size=6)
    found = pseudo_values(lambda mask: float(values[mask].mean()), np.arange(6))
    assert found == pytest.approx(values)


def test_pseudo_values_take_the_bias_of_a_square_away() -> None:
    """θ = x̄² is too large by σ²/n; the mean of the pseudo-values is not."""
    rng = np.random.default_rng(3)
    means, plain = [], []
    for _ in range(4000):
        x = rng.normal(1.0, 1.0, 8)
        means.append(pseudo_values(lambda m, x=x: float(x[m].mean() ** 2), np.arange(8)).mean())
        plain.append(x.mean() ** 2)
    error = np.std(means) / np.sqrt(4000)
    assert abs(np.mean(means) - 1.0) < 4 * error
    assert abs(np.mean(plain) - 1.0) > 4 * error


def test_replicas_that_share_a_start_count_once(reference: StructureReference) -> None:
    """Mutant: taken one by one they would seem three times as sure."""
    made = drawn(1.0, 5, replicas=12, count=9, starts=4)
    assert len(reference.of(made).pseudo_values("rdf_jsd")) == 4
    assert per_start(np.arange(12.0), made.start_of).tolist() == [4.0, 5.0, 6.0, 7.0]
    one = drawn(1.0, 5, replicas=3, count=9, starts=1)
    with pytest.raises(NotSupportedError, match="one start"):
        reference.of(one).pseudo_values("rdf_jsd")


def test_wrong_questions_are_one_line(reference: StructureReference) -> None:
    made: Any = drawn(1.0, 6, replicas=2, count=9)
    with pytest.raises(MlffError, match="no element pair 'C-H'; choose from all, C-O"):
        reference.of(made).value("rdf_jsd", "C-H")
    with pytest.raises(MlffError, match="unknown metric of structure 'jsd'"):
        reference.of(made).value("jsd")
    with pytest.raises(NotSupportedError, match="no replica lived long enough"):
        reference.of(made, skip_ps=99.0).value("rdf_jsd")
    with pytest.raises(MlffError, match="differ in composition"):
        reference.of(replace(made, numbers=made.numbers[::-1]))
    with pytest.raises(MlffError, match="at least two frames"):
        StructureReference(dimers(1.5, 0.1, 1))
