"""Simulations of a run: made once, gone on with, doubted, and measured."""

from __future__ import annotations

import base64
import warnings
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.closed_forms import PairPotential, morse

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.errors import MlffError, NotSupportedError
from pytest_mlff.metrics.pictures import FILM_STEP_ANGSTROM
from pytest_mlff.metrics.registry import metric_named, metrics
from pytest_mlff.metrics.simulated import Simulated
from pytest_mlff.run import simulations
from pytest_mlff.run.simulations import Simulations, settings_of
from pytest_mlff.simulation import Trajectory
from pytest_mlff.specs.simulate import SimulationPlan
from pytest_mlff.store import Store, StoreWarning

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlff.metrics.measurement import Measurement
    from pytest_mlff.potentials.protocol import Prediction

MORSE = morse(depth=2.0, width=1.5, length=1.6)
PLAN = SimulationPlan(
    ensemble="nvt_langevin", temperature=300.0, timestep=0.5, steps=60, stride=10, replicas=4,
    friction=20.0,
)  # fmt: skip
LEVEL = "GFN2-xTB"
SIMULATED_IDS = [one.id for one in metrics().values() if one.ensembles]
# The others need the oracle, or a cell.
OF_PAIRS = [
    "rdf_jsd", "wright_factor", "distance_distribution_mae", "energy_drift", "temperature_error",
    "stability_time",
]  # fmt: skip
NVE = PLAN.model_copy(update={"ensemble": "nve"})


def frames(count: int = 30) -> Frames:
    """The tetrahedron of four atoms that the pairs want, a little distorted."""
    rng = np.random.default_rng(1)
    shape = 1.6 * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(8)
    made = Frames.of_one_molecule(
        np.array([6, 6, 6, 6]), shape + rng.normal(0.0, 0.03, (count, 4, 3))
    )
    return replace(made, energy=np.zeros(count))


def measure(
    simulations: Simulations,
    metric: str,
    potential: Any,
    frames: Frames,
    plan: SimulationPlan,
    seed: int,
    *,
    level: str,
    species: str | None = None,
    training: Frames | None = None,
    folder: Path | None = None,
) -> Measurement:
    """A case of a simulation."""
    run = simulations.simulated(
        potential, frames, plan, seed, level=level, training=training, folder=folder
    )
    one = metric_named(metric)
    inputs = SimpleNamespace(metric=one, species=species, simulated=lambda: run)
    found: Measurement = one.measured(inputs)
    return found


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_a_simulation_is_made_once_for_all_metrics_and_later_runs(store: Store) -> None:
    potential = PairPotential(MORSE)
    mine = Simulations(store)
    values = {
        name: measure(mine, name, potential, frames(), PLAN, 0, level=LEVEL).value
        for name in ("rdf_jsd", "wright_factor", "temperature_error", "stability_time")
    }
    assert potential.batches == PLAN.n_steps + 1
    again = PairPotential(MORSE)
    later = Simulations(store)
    for name, value in values.items():
        assert measure(later, name, again, frames(), PLAN, 0, level=LEVEL).value == value
    assert again.batches == simulations.SPOT_CHECKS  # and nothing but these
    trusting = PairPotential(MORSE)
    measure(Simulations(store, trust="full"), "rdf_jsd", trusting, frames(), PLAN, 0, level=LEVEL)
    assert trusting.batches == 0
    for changes in ({"seed": 1}, {"plan": PLAN.model_copy(update={"friction": 10.0})}):
        other = PairPotential(MORSE)
        asked: Any = {"plan": PLAN, "seed": 0, **changes}
        measure(Simulations(store), "rdf_jsd", other, frames(), **asked, level=LEVEL)
        assert other.batches == PLAN.n_steps + 1


def test_what_has_no_digest_is_not_kept(store: Store) -> None:
    for _ in range(2):
        potential = PairPotential(MORSE, digest=None)
        measure(Simulations(store), "rdf_jsd", potential, frames(), PLAN, 0, level=LEVEL)
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


@pytest.mark.parametrize("metric", OF_PAIRS)
def test_each_metric_has_an_interval_of_its_starts(store: Store, metric: str) -> None:
    plan = NVE if metric == "energy_drift" else PLAN
    found = measure(
        Simulations(store), metric, PairPotential(MORSE), frames(), plan, 0, level=LEVEL
    )
    assert np.isfinite(found.value)
    assert found.ci_low is not None
    assert found.ci_high is not None
    assert 0.0 <= found.ci_low <= found.value <= found.ci_high
    assert found.evidence["replicas"] == found.evidence["starts"] == 4
    assert ("noise_floor" in found.evidence) == metric_named(metric).has_floor
    assert found.n_frames == 4 * 7


def test_a_sound_model_is_stable_and_no_more_is_claimed(store: Store) -> None:
    found = measure(
        Simulations(store), "stability_time", PairPotential(MORSE), frames(), PLAN, 0, level=LEVEL
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
    found = measure(mine, metric, potential, frames(), plan, 0, level=LEVEL)
    assert np.isnan(found.value)
    assert "replicas exploded" in str(found.evidence["nonfinite"])
    assert "not finite" in str(found.evidence["nonfinite"])
    stable = measure(mine, "stability_time", potential, frames(), plan, 0, level=LEVEL)
    assert stable.value < 0.03
    assert "not finite" in str(stable.evidence["first_death"])


def test_the_oracle_labels_nothing_of_another_method(store: Store) -> None:
    """Mutant: the distance between two methods would be the model's violation."""
    for metric in ("energy_violation", "force_violation"):
        with pytest.raises(NotSupportedError, match="no oracle computes PBE: name one"):
            measure(
                Simulations(store), metric, PairPotential(MORSE), frames(), PLAN, 0, level="PBE"
            )


LAB = """\
from support.closed_forms import AsCalculator, PairPotential, morse


def make():
    return AsCalculator(PairPotential(morse(depth=2.0, width=1.5, length=1.6)))
"""


@pytest.mark.parametrize("scale", [1.0, 1.1])
def test_an_oracle_that_the_spec_names(store: Store, tmp_path: Path, scale: float) -> None:
    (tmp_path / "lab_pairs.py").write_text(LAB)
    plan = PLAN.model_copy(update={"oracle": "lab_pairs:make", "oracle_level": "pairs"})
    found = measure(
        Simulations(store), "force_violation", PairPotential(MORSE, force_scale=scale), frames(),
        plan, 0, level="pairs", folder=tmp_path,
    )  # fmt: skip
    assert found.value == pytest.approx((scale - 1.0) / (scale + 1.0), abs=1e-12)


@pytest.fixture
def oracle(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same pairs stand in for the oracle."""
    monkeypatch.setattr(Simulated, "oracle", property(lambda _: PairPotential(MORSE)))


@pytest.mark.usefixtures("oracle")
@pytest.mark.parametrize("scale, expected", [(1.0, 0.0), (1.1, 0.1 / 2.1)])
def test_violations_on_the_way(store: Store, scale: float, expected: float) -> None:
    potential = PairPotential(MORSE, force_scale=scale)
    mine = Simulations(store)
    forces = measure(mine, "force_violation", potential, frames(), PLAN, 0, level=LEVEL)
    assert forces.value == pytest.approx(expected)
    energy = measure(mine, "energy_violation", potential, frames(), PLAN, 0, level=LEVEL)
    assert energy.value == 0.0


@pytest.mark.usefixtures("oracle")
@pytest.mark.parametrize("metric", ["energy_violation", "force_violation"])
def test_violations_at_equal_times(store: Store, metric: str) -> None:
    """The oracle as its own model never parts from itself; a stiffer model does."""
    at_equal = f"{metric}_equal_times"
    same = measure(
        Simulations(store), at_equal, PairPotential(MORSE), frames(), PLAN, 0, level=LEVEL
    )
    assert same.value == 0.0
    stiff = PairPotential(MORSE, force_scale=1.1, digest="stiff")
    off = measure(Simulations(store), at_equal, stiff, frames(), PLAN, 0, level=LEVEL)
    (picture,) = off.shown.pictures
    (shown,) = picture.curves
    at_start = 0.1 / 2.1 if metric == "force_violation" else 0.0
    assert shown.y[0] == pytest.approx(at_start, rel=1e-4)
    assert shown.y[-1] > 1.5 * shown.y[0]
    assert off.value > same.value


def test_a_pair_of_elements_has_a_value_and_a_floor_of_its_own(store: Store) -> None:
    mine, mixed = Simulations(store), frames()
    mixed.numbers[:] = np.tile([8, 6, 6, 6], 30)
    found = {
        pair: measure(
            mine, "rdf_jsd", PairPotential(MORSE), mixed, PLAN, 0, level=LEVEL, species=pair
        )
        for pair in (None, "C-O", "C-C")
    }
    assert len({one.value for one in found.values()}) == 3
    assert len({one.evidence["noise_floor"] for one in found.values()}) == 3
    for one in found.values():
        above = float(one.evidence["above_floor"])
        assert above == pytest.approx(one.value - float(one.evidence["noise_floor"]))
    with pytest.raises(MlffError, match="no element pair 'O-O'; choose from all, C-C, C-O"):
        measure(mine, "rdf_jsd", PairPotential(MORSE), mixed, PLAN, 0, level=LEVEL, species="O-O")


def test_what_is_shown_of_a_simulation_that_dies(store: Store) -> None:
    """The film ends at the death, and the moment is a frame that was visited alive."""
    potential = Explodes(MORSE, digest=None)
    found = measure(Simulations(store), "stability_time", potential, frames(), PLAN, 0, level=LEVEL)
    shown = found.shown
    assert shown.film is not None
    assert shown.moment is not None
    assert np.isfinite(shown.moment[0].positions).all()
    assert "not finite" in shown.moment[1]
    assert shown.film.time_ps[-1] < 0.03
    steps = np.frombuffer(base64.b64decode(shown.film.positions), dtype="<i2").reshape(-1, 4, 3)
    first = steps[0] * FILM_STEP_ANGSTROM
    trajectory = Simulations(store).of(Explodes(MORSE, digest=None), frames(), settings_of(PLAN, 0))
    start = trajectory.positions[0, 0]
    assert first == pytest.approx(start - start.mean(axis=0), abs=1e-3)
    (survival,) = shown.pictures
    assert survival.curves[0].y[0] == 1.0
    assert survival.curves[0].y[-1] < 1.0


def test_a_long_simulation_says_how_far_it_is(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulations, "_SECONDS_BETWEEN_LINES", 0.0)
    said: list[str] = []
    potential = PairPotential(MORSE)
    Simulations(store, notice=said.append).of(potential, frames(), settings_of(PLAN, 0))
    assert len(said) == PLAN.n_steps - 1
    assert f"{potential.info.name} has simulated 0.015 of 0.03 ps in 4 replicas" in said[29]


def test_errors_are_shown_up_to_the_explosion(store: Store) -> None:
    potential = Explodes(MORSE, digest=None)
    found = measure(
        Simulations(store), "temperature_error", potential, frames(), PLAN, 0, level=LEVEL
    )
    assert np.isnan(found.value)
    (picture,) = found.shown.pictures
    assert picture.level == PLAN.temperature
