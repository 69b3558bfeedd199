"""Simulations of a run: made once, gone on with, doubted, and measured."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.closed_forms import PairPotential, morse

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.errors import NotSupportedError
from pytest_mlff.metrics.registry import metrics
from pytest_mlff.run import simulations
from pytest_mlff.run.simulations import Simulations, settings_of
from pytest_mlff.simulation import Trajectory
from pytest_mlff.specs.simulate import SimulationPlan
from pytest_mlff.store import Store, StoreWarning

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlff.potentials.protocol import Prediction

MORSE = morse(depth=2.0, width=1.5, length=1.6)
PLAN = SimulationPlan(
    ensemble="nvt_langevin", temperature=300.0, timestep=0.5, steps=60, stride=10, replicas=4,
    friction=20.0,
)  # fmt: skip
LEVEL = "GFN2-xTB"
SIMULATED_IDS = [one.id for one in metrics().values() if one.ensembles]
NVE = PLAN.model_copy(update={"ensemble": "nve"})


def frames(count: int = 30) -> Frames:
    """The tetrahedron of four atoms that the pairs want, a little distorted."""
    rng = np.random.default_rng(1)
    shape = 1.6 * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(8)
    made = Frames.of_one_molecule(
        np.array([6, 6, 6, 6]), shape + rng.normal(0.0, 0.03, (count, 4, 3))
    )
    return replace(made, energy=np.zeros(count))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_a_simulation_is_made_once_for_all_metrics_and_later_runs(store: Store) -> None:
    potential = PairPotential(MORSE)
    mine = Simulations(store)
    values = {
        name: mine.measure(name, potential, frames(), PLAN, 0, level=LEVEL).value
        for name in ("rdf_jsd", "wright_factor", "temperature_error", "stability_time")
    }
    assert potential.batches == PLAN.n_steps + 1
    again = PairPotential(MORSE)
    later = Simulations(store)
    for name, value in values.items():
        assert later.measure(name, again, frames(), PLAN, 0, level=LEVEL).value == value
    assert again.batches == simulations.SPOT_CHECKS  # and nothing but these
    trusting = PairPotential(MORSE)
    Simulations(store, trust="full").measure("rdf_jsd", trusting, frames(), PLAN, 0, level=LEVEL)
    assert trusting.batches == 0
    for changes in ({"seed": 1}, {"plan": PLAN.model_copy(update={"friction": 10.0})}):
        other = PairPotential(MORSE)
        asked: Any = {"plan": PLAN, "seed": 0, **changes}
        Simulations(store).measure("rdf_jsd", other, frames(), **asked, level=LEVEL)
        assert other.batches == PLAN.n_steps + 1


def test_what_has_no_digest_is_not_kept(store: Store) -> None:
    for _ in range(2):
        potential = PairPotential(MORSE, digest=None)
        Simulations(store).measure("rdf_jsd", potential, frames(), PLAN, 0, level=LEVEL)
        assert potential.batches == PLAN.n_steps + 1


def test_an_interrupted_one_is_gone_on_with(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Simulations(Store(store.root / "other")).of(
        PairPotential(MORSE), frames(), settings_of(PLAN, 0)
    )

    class Tires(PairPotential):
        def predict(self, frames: Frames) -> Prediction:
            if self.batches == 40:
                raise KeyboardInterrupt
            return super().predict(frames)

    real = simulations.simulate
    monkeypatch.setattr(simulations, "simulate", lambda *a, **k: real(*a, **k, seconds_at_risk=0.0))
    with pytest.raises(KeyboardInterrupt):
        Simulations(store).of(Tires(MORSE), frames(), settings_of(PLAN, 0))
    potential = PairPotential(MORSE)
    found = Simulations(store).of(potential, frames(), settings_of(PLAN, 0))
    assert potential.batches <= 30
    assert np.array_equal(found.positions, whole.positions)


def test_a_forged_trajectory_is_made_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: a trajectory in the store that the model never made."""
    settings = settings_of(PLAN, 0)
    honest = Trajectory.to_arrays

    def forged(made: Trajectory) -> Any:
        return {**honest(made), "positions": made.positions * np.float32(1.01)}

    with monkeypatch.context() as patch:
        patch.setattr(Trajectory, "to_arrays", forged)
        right = Simulations(store).of(PairPotential(MORSE), frames(), settings)
    potential = PairPotential(MORSE)
    with pytest.warns(StoreWarning, match="does not fit the model"):
        found = Simulations(store).of(potential, frames(), settings)
    assert np.array_equal(found.positions, right.positions)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Simulations(store).of(PairPotential(MORSE), frames(), settings)


@pytest.mark.parametrize("metric", [one for one in SIMULATED_IDS if "violation" not in one])
def test_each_metric_has_an_interval_of_its_starts(store: Store, metric: str) -> None:
    plan = NVE if metric == "energy_drift" else PLAN
    found = Simulations(store).measure(metric, PairPotential(MORSE), frames(), plan, 0, level=LEVEL)
    assert np.isfinite(found.value)
    assert found.ci_low is not None
    assert found.ci_high is not None
    assert 0.0 <= found.ci_low <= found.value <= found.ci_high
    assert found.evidence["replicas"] == found.evidence["starts"] == 4
    assert found.n_frames == 4 * 7


def test_a_sound_model_is_stable_and_no_more_is_claimed(store: Store) -> None:
    found = Simulations(store).measure(
        "stability_time", PairPotential(MORSE), frames(), PLAN, 0, level=LEVEL
    )
    assert found.value == pytest.approx(0.03)
    assert found.evidence["died"] == 0
    assert found.ci_low is not None
    assert found.ci_low < 0.6 * found.value


class Explodes(PairPotential):
    def predict(self, frames: Frames) -> Prediction:
        found = super().predict(frames)
        if self.batches > 25:
            found.forces[:12] = np.nan
        return found


@pytest.mark.parametrize("metric", [one for one in SIMULATED_IDS if one != "stability_time"])
def test_a_model_that_explodes_has_no_value_but_a_time(store: Store, metric: str) -> None:
    """Mutant: the three replicas that live would look as good as any."""
    plan = NVE if metric == "energy_drift" else PLAN
    potential = Explodes(MORSE, digest=None)
    mine = Simulations(store)
    found = mine.measure(metric, potential, frames(), plan, 0, level=LEVEL)
    assert np.isnan(found.value)
    assert "replicas exploded" in str(found.evidence["nonfinite"])
    assert "not finite" in str(found.evidence["nonfinite"])
    stable = mine.measure("stability_time", potential, frames(), plan, 0, level=LEVEL)
    assert stable.value < 0.03
    assert "not finite" in str(stable.evidence["first_death"])


def test_the_oracle_labels_nothing_of_another_method(store: Store) -> None:
    """Mutant: the distance between two methods would be the model's violation."""
    for metric in ("energy_violation", "force_violation"):
        with pytest.raises(NotSupportedError, match="computes GFN2-xTB, not PBE"):
            Simulations(store).measure(metric, PairPotential(MORSE), frames(), PLAN, 0, level="PBE")


class _Oracle(PairPotential):
    """Stands in for the oracle."""

    @classmethod
    def wrap(cls, *_: Any, **__: Any) -> PairPotential:
        return cls(MORSE)


@pytest.mark.parametrize("scale, expected", [(1.0, 0.0), (1.1, 0.1 / 2.1)])
def test_violations_on_the_way(
    store: Store, monkeypatch: pytest.MonkeyPatch, scale: float, expected: float
) -> None:
    monkeypatch.setattr("pytest_mlff.potentials.families.ase.AsePotential", _Oracle)
    monkeypatch.setattr("pytest_mlff.datasets.oracle.calculator", lambda: None)
    potential = PairPotential(MORSE, force_scale=scale)
    mine = Simulations(store)
    forces = mine.measure("force_violation", potential, frames(), PLAN, 0, level=LEVEL)
    assert forces.value == pytest.approx(expected)
    energy = mine.measure("energy_violation", potential, frames(), PLAN, 0, level=LEVEL)
    assert energy.value == 0.0
