"""Batched dynamics against ASE's own loop and closed forms."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ase import Atoms, units
from ase.constraints import FixCom
from ase.md.langevin import Langevin
from ase.md.verlet import VelocityVerlet
from scipy import stats
from support.closed_forms import (
    AsCalculator,
    PairPotential,
    lennard_jones,
    springs,
    with_hole,
)
from support.tetrahedron import MORSE, NUMBERS, NVE, NVT, Breaks, starts

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.errors import MlffError
from pytest_mlff.simulation import SimulationSettings, Trajectory, choose_starts, simulate
from pytest_mlff.simulation.dynamics import trajectory_key
from pytest_mlff.simulation.velocities import initial_momenta, rotations

if TYPE_CHECKING:
    from pytest_mlff.potentials.protocol import Prediction

MASSES = Atoms(NUMBERS).get_masses()


def single_loop(
    potential: PairPotential, start: Frames, settings: SimulationSettings, replica: int
) -> dict[str, np.ndarray]:
    """The same replica in ASE's own loop with its own constraint, one structure."""
    rng = np.random.default_rng([settings.seed, replica])
    atoms: Any = start.atoms(0)
    (momenta,) = initial_momenta(
        rng.standard_normal((1, len(MASSES), 3)),
        MASSES,
        atoms.positions[None],
        settings.temperature_k,
        rotates=bool(atoms.pbc.any()),
    )
    atoms.set_momenta(momenta)
    atoms.calc = AsCalculator(potential)
    if settings.ensemble == "nve":
        dynamics: Any = VelocityVerlet(atoms, settings.timestep_fs * units.fs)
    else:
        atoms.set_constraint(FixCom())
        dynamics = Langevin(
            atoms,
            settings.timestep_fs * units.fs,
            temperature_K=settings.temperature_k,
            friction=settings.friction_per_ps / (1000 * units.fs),
            fixcm=False,
            rng=rng,
        )
    found: dict[str, list[Any]] = {"positions": [], "potential": [], "kinetic": []}
    for step in range(settings.steps + 1):
        if step:
            dynamics.run(1)
        found["positions"].append(atoms.get_positions())
        found["potential"].append(atoms.get_potential_energy())
        found["kinetic"].append(atoms.get_kinetic_energy())
    return {name: np.array(values) for name, values in found.items()}


@pytest.mark.parametrize("cell", [None, 9.0], ids=["molecule", "cell"])
@pytest.mark.parametrize("settings", [NVE, NVT], ids=["nve", "nvt"])
def test_each_replica_moves_as_in_ases_own_loop(
    settings: SimulationSettings, cell: float | None
) -> None:
    potential, begin = PairPotential(MORSE), starts(5, cell=cell)
    ours = simulate(potential, begin, settings)
    assert ours.alive.all()
    for replica in range(5):
        loop = single_loop(potential, begin.select([replica]), settings, replica)
        # Energies are kept in float64, which chaos would blow differences up in.
        assert np.abs(ours.potential_energy[:, replica] - loop["potential"]).max() < 1e-10
        assert np.abs(ours.kinetic_energy[:, replica] - loop["kinetic"]).max() < 1e-10
        stored = np.abs(ours.positions[:, replica] - loop["positions"]).max()
        assert stored < 1e-6  # float32 of some Å
    assert np.ptp(ours.potential_energy[-1]) > 0.01  # they are different trajectories


def test_a_replica_is_the_same_whatever_is_beside_it() -> None:
    few = simulate(PairPotential(MORSE), starts(2), replace(NVT, replicas=2))
    many = simulate(PairPotential(MORSE), starts(2), replace(NVT, replicas=6))
    assert np.array_equal(few.positions, many.positions[:, :2])
    # Two starts only, yet no two replicas alike.
    last = many.positions[-1].reshape(6, -1)
    assert len({one.tobytes() for one in last}) == 6
    assert many.start_of.tolist() == [0, 1, 0, 1, 0, 1]


def test_all_replicas_are_one_batch() -> None:
    potential = PairPotential(MORSE)
    simulate(potential, starts(5), NVE)
    assert potential.batches == NVE.steps + 1


@pytest.mark.parametrize("ensemble", ["nve", "nvt_langevin"])
def test_nothing_drifts_and_nothing_turns(ensemble: Any) -> None:
    trajectory = simulate(
        PairPotential(MORSE), starts(5), replace(NVE, ensemble=ensemble, friction_per_ps=20.0)
    )
    momenta = trajectory.velocities * MASSES[:, None]
    scale = float(np.abs(momenta).max())
    assert np.abs(momenta.sum(axis=2)).max() < 1e-5 * scale  # float32
    centres = (trajectory.positions * MASSES[:, None]).sum(axis=2) / MASSES.sum()
    assert np.ptp(centres, axis=0).max() < 1e-5
    spin = np.cross(trajectory.positions - centres[:, :, None], momenta).sum(axis=2)
    turning = np.abs(spin).max(axis=(1, 2))
    assert turning[0] < 1e-5 * scale
    if ensemble == "nve":
        assert turning.max() < 1e-4 * scale
    else:  # the thermostat may turn it
        assert turning[-1] > 1e-2 * scale


def test_rotation_of_linear_molecules_has_two_degrees_of_freedom() -> None:
    line = np.array([[0.0, 0, 0], [0, 0, 1.1], [0, 0, -1.2]])
    masses = np.array([12.0, 16.0, 16.0])
    bent = line + np.array([[0, 0, 0], [0, 0.3, 0], [0, 0, 0]])
    both = np.stack([line, bent])
    assert rotations(masses, both).tolist() == [2, 3]
    noise = np.random.default_rng(0).standard_normal(both.shape)
    momenta = initial_momenta(noise, masses, both, 300.0, rotates=False)
    assert np.abs(np.cross(both, momenta).sum(axis=1)).max() < 1e-12
    assert np.abs(momenta).max(axis=(1, 2)).min() > 0.1


@pytest.mark.parametrize("rotates, dof", [(True, 9), (False, 6)])
def test_initial_velocities_have_the_temperature_of_what_moves(rotates: bool, dof: int) -> None:
    rng = np.random.default_rng(5)
    positions = np.tile(starts(1).positions, (4000, 1, 1))
    noise = rng.standard_normal(positions.shape)
    momenta = initial_momenta(noise, MASSES, positions, 300.0, rotates=rotates)
    kinetic = (momenta**2).sum(axis=2) @ (0.5 / MASSES)
    # 2 K / kT follows a chi-squared distribution of as many degrees of freedom.
    shown = stats.kstest(2 * kinetic / (units.kB * 300.0), stats.chi2(dof).cdf)
    assert shown.pvalue > 1e-3


def _dimers(potential: PairPotential, replicas: int, **changes: Any) -> Trajectory:
    """Pairs of atoms on a spring of rest length 0: an oscillator in three dimensions."""
    settings = SimulationSettings(
        replicas=replicas, steps=400, stride=400, timestep_fs=1.0, temperature_k=300.0,
        friction_per_ps=50.0, starts=1, closest_angstrom=0.0, seed=3, **changes,
    )  # fmt: skip
    begin = Frames.of_one_molecule(np.array([18, 18]), np.array([[[0.0, 0, 0], [0.1, 0, 0]]]))
    return simulate(potential, begin, settings)


def _variance_interval(values: np.ndarray) -> tuple[float, float]:
    """99.9 % interval of a variance about 0 from independent normal numbers (chi squared)."""
    total, count = float((values**2).sum()), values.size
    low, high = stats.chi2(count).ppf([0.9995, 0.0005])
    return total / low, total / high


STIFF = 1.0  # eV/Å²
EXPECTED = units.kB * 300.0 / STIFF


def _dimer_variances(trajectory: Trajectory) -> tuple[tuple[float, float], tuple[float, float]]:
    last = trajectory.positions[-1].astype(float)
    between = last[:, 0] - last[:, 1]
    moving = trajectory.velocities[-1].astype(float)
    speed = (moving[:, 0] - moving[:, 1]) / units.fs
    reduced = Atoms("Ar").get_masses()[0] / 2
    return _variance_interval(between), _variance_interval(speed * np.sqrt(reduced))


def test_nvt_samples_the_harmonic_oscillator() -> None:
    """Position variance kT/k and velocity variance kT/μ, one frame of each replica."""
    position, velocity = _dimer_variances(_dimers(PairPotential(springs(STIFF)), 600))
    assert position[0] < EXPECTED < position[1]
    assert velocity[0] < units.kB * 300.0 < velocity[1]


def test_forces_that_are_off_sample_another_oscillator() -> None:
    """Mutant: forces 1.3 times as large; the interval tells it."""
    position, _ = _dimer_variances(_dimers(PairPotential(springs(STIFF), force_scale=1.3), 600))
    assert not position[0] < EXPECTED < position[1]


def test_nve_conserves_energy_to_second_order() -> None:
    def error(potential: PairPotential, timestep: float) -> float:
        settings = replace(NVE, timestep_fs=timestep, steps=round(60 / timestep))
        found = simulate(potential, starts(5), settings)
        total = found.potential_energy + found.kinetic_energy
        return float(np.abs(total - total[0]).max())

    fine, coarse = (error(PairPotential(MORSE), step) for step in (0.25, 0.5))
    # Velocity Verlet: half the step, a quarter of the error (Hairer, Lubich, Wanner 2003).
    assert 3.0 < coarse / fine < 5.5
    # Mutants, which no time step heals: wrong forces, and forces without an energy.
    for wrong in (
        PairPotential(MORSE, force_scale=1.1),
        PairPotential(MORSE, twist=0.05),
    ):
        assert error(wrong, 0.25) > 10 * fine


@pytest.mark.parametrize(
    "how, said",
    [("nan", "not finite"), ("raises", "has no answer"), ("hot", "temperature reached")],
)
@pytest.mark.parametrize("settings", [NVE, NVT], ids=["nve", "nvt"])
def test_what_explodes_leaves_and_the_others_do_not_notice(
    settings: SimulationSettings, how: str, said: str
) -> None:
    sound = simulate(PairPotential(MORSE), starts(5), settings)
    begin = starts(5)
    # Replica 2 is moved to where it reaches the fault on its way.
    inside = sound.positions[: 30 + 1, 2, 0, 0].astype(float)
    crossing = int(np.argmax(inside))
    assert crossing > 0
    shift = 5.0 - (inside[crossing] + np.sort(inside)[-2]) / 2
    begin.positions[2 * 4 : 3 * 4, 0] += shift
    broken = Breaks(MORSE)
    broken.how = how
    found = simulate(broken, begin, settings)
    others = [0, 1, 3, 4]
    assert np.array_equal(found.positions[:, others], sound.positions[:, others])
    assert np.array_equal(found.potential_energy[:, others], sound.potential_energy[:, others])
    assert found.alive[:, others].all()
    assert said in found.reasons[2]
    assert [found.reasons[one] for one in others] == [""] * 4
    died = int(found.alive[:, 2].sum())
    assert 0 < died < settings.n_frames
    assert found.death_ps[2] == pytest.approx(found.time_ps[died])
    assert np.isnan(found.positions[died:, 2]).all()
    assert np.isfinite(found.positions[:died, 2]).all()
    assert np.isnan(found.death_ps[others]).all()
    assert len(found.frames(2)) == died


def test_a_hole_at_short_range_is_found() -> None:
    begin = starts(3)
    settings = replace(NVT, replicas=3, steps=600, stride=5, temperature_k=3000.0)
    steep = lennard_jones(0.3, 1.4)
    assert simulate(PairPotential(steep), begin, settings).alive.all()
    pulled = with_hole(lambda r: (r, np.full_like(r, 8.0)), 0.6)
    found = simulate(PairPotential(pulled), begin, settings)
    assert not found.alive[-1].any()
    assert all("closer than 0.3 Å" in reason for reason in found.reasons)


def test_a_model_that_fails_on_a_start_is_an_error() -> None:
    begin = starts(3)
    begin.positions[4:8, 0] += 100.0
    for how in ("nan", "raises"):
        broken = Breaks(MORSE)
        broken.how = how
        with pytest.raises(MlffError, match="start frame 1"):
            simulate(broken, begin, replace(NVE, replicas=3))


def test_too_few_starts_are_an_error_and_not_taken_twice() -> None:
    with pytest.raises(MlffError, match="5 start frames are asked for"):
        choose_starts(starts(4), NVE)
    chosen = choose_starts(starts(9), replace(NVE, starts=3))
    assert np.array_equal(chosen.positions, starts(9).select([0, 4, 8]).positions)


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"ensemble": "npt"}, "ensemble 'npt'; choose nve or nvt_langevin"),
        ({"timestep_fs": 0.0}, "timestep_fs is 0.0, must be above 0"),
        ({"temperature_k": float("nan")}, "temperature_k is nan"),
        ({"steps": 7, "stride": 2}, "a multiple of stride"),
        ({"replicas": 0}, "replicas is 0, must be at least 1"),
        ({"friction_per_ps": 0.0}, "without friction"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_settings_that_make_no_sense(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(MlffError, match=said):
        replace(NVT, **changes)


def test_frames_of_different_molecules_do_not_go_together() -> None:
    mixed = Frames.concatenate(
        [starts(1), Frames.of_one_molecule(NUMBERS[::-1], starts(1).positions.reshape(1, 4, 3))]
    )
    with pytest.raises(MlffError, match="differ in composition"):
        simulate(PairPotential(MORSE), mixed, NVE)
    with pytest.raises(MlffError, match="6 start frames are more than 5 replicas"):
        simulate(PairPotential(MORSE), starts(6), NVE)


def test_a_trajectory_survives_a_file() -> None:
    made = simulate(PairPotential(MORSE), starts(5), NVT)
    again = Trajectory.from_arrays(made.to_arrays())
    assert again.settings == NVT
    assert np.array_equal(again.positions, made.positions)
    assert again.reasons == made.reasons


class Tilted(PairPotential):
    """A pair potential in a field along z: the charge of a frame and the tags of atoms matter."""

    def predict(self, frames: Frames) -> Prediction:
        found = super().predict(frames)
        forces = found.forces.copy()
        forces[:, 2] += 0.1 * frames.per_frame["charge"][frames.frame_of_atom]
        forces[:, 0] += 0.1 * frames.per_atom["tags"]
        return replace(found, forces=forces)


def test_what_a_start_carries_goes_with_its_replica() -> None:
    given = replace(
        starts(5),
        per_frame={"charge": np.array([0.0, 1.0, -1.0, 2.0, 0.0])},
        per_atom={"tags": np.concatenate([[0] * 4, np.tile([0, 1, 0, 2], 4)])},
    )
    made = simulate(Tilted(MORSE), given, NVE)
    bare = simulate(PairPotential(MORSE), starts(5), NVE)
    # Otherwise a trajectory stored without them would be found, and fit a model without them.
    assert trajectory_key(Tilted(MORSE), given, NVE)["carried"] == ["charge", "tags"]
    moved = np.abs(made.positions[-1] - bare.positions[-1]).max(axis=(1, 2))
    assert (moved > 1e-4).tolist() == [False, True, True, True, True]
    for trajectory in (made, Trajectory.from_arrays(made.to_arrays())):
        visited = trajectory.frames(3)
        assert set(visited.per_frame["charge"]) == {2.0}
        assert visited.per_atom["tags"].tolist() == [0, 1, 0, 2] * len(visited)
