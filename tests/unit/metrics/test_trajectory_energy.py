"""Drift, temperature and errors on visited frames: closed forms and mutants."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from scipy import stats
from support.closed_forms import PairPotential, morse, springs
from support.trajectories import still

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.datasets.reference_energies import ReferenceEnergies
from pytest_mlff.errors import NotSupportedError
from pytest_mlff.metrics.trajectory_energy import energy_drift, temperature_error
from pytest_mlff.metrics.visited import visited_errors
from pytest_mlff.potentials.failures import FrameError
from pytest_mlff.potentials.protocol import Prediction
from pytest_mlff.simulation import SimulationSettings, Trajectory, simulate

MORSE = morse(depth=2.0, width=1.5, length=1.6)
NUMBERS = np.array([8, 6, 1, 1])
ZERO = ReferenceEnergies({"C": 0.0, "H": 0.0, "O": 0.0}, 3, "")


def starts(count: int) -> Frames:
    shape = 1.6 * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(8)
    rng = np.random.default_rng(1)
    return Frames.of_one_molecule(NUMBERS, shape + rng.normal(0.0, 0.02, (count, 4, 3)))


def run(potential: PairPotential, **changes: Any) -> Trajectory:
    settings = SimulationSettings(
        **{
            "ensemble": "nve", "steps": 600, "stride": 10, "replicas": 8, "timestep_fs": 0.5,
            "temperature_k": 300.0, **changes,
        }
    )  # fmt: skip
    return simulate(potential, starts(settings.replicas), settings)


def interval(values: np.ndarray) -> tuple[float, float]:
    half = stats.t(len(values) - 1).ppf(0.999) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def test_drift_is_the_slope_of_the_total_energy() -> None:
    made = still(NUMBERS, starts(1).positions, replicas=2, frames=9)
    made = replace(made, settings=replace(made.settings, ensemble="nve"))
    made.potential_energy[:] = -17660.0 + np.outer(made.time_ps, [0.0, 3.0])
    made.kinetic_energy[:] = np.outer(made.time_ps, [0.5, -1.0])
    # 0.5 and 2 eV/ps over four atoms.
    assert energy_drift(made) == pytest.approx([125.0, 500.0], rel=1e-6)
    made.potential_energy[-1, 0] = np.nan
    assert np.isnan(energy_drift(made)[0])
    # Three frames are the fewest, of which a slope leaves something over.
    for frames in (2, 3):
        short = still(NUMBERS, starts(1).positions, replicas=1, frames=frames)
        short = replace(short, settings=replace(short.settings, ensemble="nve"))
        if frames == 3:
            assert energy_drift(short) == pytest.approx([0.0])
        else:
            with pytest.raises(NotSupportedError, match="at least three"):
                energy_drift(short)


def test_drift_tells_forces_without_an_energy() -> None:
    right = energy_drift(run(PairPotential(MORSE)))
    wrong = energy_drift(run(PairPotential(MORSE, twist=0.0005)))
    assert interval(right)[0] < 0.0 < interval(right)[1]
    assert interval(wrong)[0] > 20 * np.abs(right).mean()


def test_drift_tells_a_time_step_that_is_too_long() -> None:
    """Mutant: four times the step: energy comes and goes, and slopes with it."""
    potential = PairPotential(MORSE)
    sound = np.abs(energy_drift(run(potential))).mean()
    hurried = np.abs(energy_drift(run(potential, timestep_fs=2.0, steps=150))).mean()
    assert hurried > 8 * sound


def test_temperature_of_the_thermostat() -> None:
    made = run(PairPotential(MORSE), ensemble="nvt_langevin", friction_per_ps=20.0, replicas=40)
    found = temperature_error(made, skip_ps=0.05)
    low, high = interval(found)
    assert low < 0.0 < high
    # Mutant: a thermostat at another temperature than the settings say.
    told = replace(made, settings=replace(made.settings, temperature_k=200.0))
    assert interval(temperature_error(told, skip_ps=0.05))[0] > 0.0


@pytest.mark.parametrize(
    "measure, ensemble", [(energy_drift, "nvt_langevin"), (temperature_error, "nve")]
)
def test_each_has_its_ensemble(measure: Any, ensemble: str) -> None:
    made = run(PairPotential(MORSE), ensemble=ensemble, steps=20, replicas=1)
    with pytest.raises(NotSupportedError, match="needs a simulation"):
        measure(made)


@dataclass
class Shifted(PairPotential):
    shift: float = 0.0

    def predict(self, frames: Frames) -> Prediction:
        found = super().predict(frames)
        return Prediction(found.energy + self.shift, found.forces)


def test_the_oracle_as_its_own_model_has_no_violations() -> None:
    made = run(PairPotential(MORSE), steps=40)
    found = visited_errors(made, PairPotential(MORSE), PairPotential(MORSE), ZERO)
    assert found.energy_violation.shape == (5, 8)
    for name in ("energy_violation", "force_violation", "energy_mae", "force_mae"):
        assert (getattr(found, name) == 0.0).all()


def test_violations_have_closed_forms() -> None:
    made = run(PairPotential(MORSE), steps=40)
    model = Shifted(MORSE, force_scale=1.1, shift=0.2)
    found = visited_errors(made, model, PairPotential(MORSE), ZERO, every=2)
    assert found.time_ps == pytest.approx(made.time_ps[::2])
    # ‖1.1 F − F‖ / (1.1 ‖F‖ + ‖F‖), and 0.2 eV over four atoms.
    assert found.force_violation == pytest.approx(0.1 / 2.1)
    assert found.energy_mae == pytest.approx(50.0)
    energy = made.potential_energy[::2]
    assert found.energy_violation == pytest.approx(
        0.04 / ((energy + 0.2) ** 2 + energy**2), rel=1e-3
    )


def test_energies_are_counted_from_the_species() -> None:
    """Mutant: from the total energy's own zero, far away, any error looks like none."""
    made = run(PairPotential(MORSE), steps=20)
    oracle, model = Shifted(MORSE, shift=-4000.0), Shifted(MORSE, shift=-3999.8)
    far = visited_errors(made, model, oracle, ZERO)
    species = ReferenceEnergies({"C": -1000.0, "H": -500.0, "O": -2000.0}, 3, "")
    near = visited_errors(made, model, oracle, species)
    assert far.energy_violation.max() < 1e-8
    assert near.energy_violation.min() > 1e-4
    assert near.energy_mae == pytest.approx(50.0)


def test_dead_replicas_have_no_errors() -> None:
    made = run(PairPotential(springs(5.0, 1.6)), steps=40)
    alive = made.alive.copy()
    alive[3:, 2] = False
    alive[:, 4] = False
    found = visited_errors(
        replace(made, alive=alive), PairPotential(MORSE), PairPotential(MORSE, twist=1.0), ZERO
    )
    assert np.array_equal(np.isfinite(found.force_mae), alive)
    whole = visited_errors(made, PairPotential(MORSE), PairPotential(MORSE, twist=1.0), ZERO)
    assert np.array_equal(found.force_mae[alive], whole.force_mae[alive])
    with pytest.raises(NotSupportedError, match="no frame was visited"):
        visited_errors(
            replace(made, alive=np.zeros_like(alive)), PairPotential(MORSE), PairPotential(MORSE),
            ZERO,
        )  # fmt: skip


class Gives(PairPotential):
    """An oracle that has no answer where the first atom is beyond a place."""

    def predict(self, frames: Frames) -> Prediction:
        if frames.positions[0, 0] > self.twist:
            raise FrameError("oracle", 0, "did not converge")
        return PairPotential(self.pair).predict(frames)


def test_a_replica_is_followed_as_far_as_the_oracle_goes() -> None:
    """Mutant: left out alone, the frames that no method describes would flatter the model."""
    made = run(PairPotential(MORSE), steps=100)
    place = float(np.sort(made.positions[3:, 2, 0, 0])[-2])
    model = PairPotential(MORSE, force_scale=1.1)
    found = visited_errors(made, model, Gives(MORSE, twist=place), ZERO)
    beyond = made.positions[:, :, 0, 0] > np.float32(place)
    followed = ~np.logical_or.accumulate(beyond, axis=0)
    assert 0 < followed.sum() < followed.size
    assert np.array_equal(np.isfinite(found.force_mae), followed)
    assert found.force_violation[followed] == pytest.approx(0.1 / 2.1)
    assert found.lost == "oracle has no answer on a frame visited: did not converge"
