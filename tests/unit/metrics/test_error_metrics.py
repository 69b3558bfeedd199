"""Error metrics against plain loops over frames, atoms and components."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import constants

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.errors import MlffError, NotSupportedError
from pytest_mlff.metrics.errors import measure, trajectory_segments
from pytest_mlff.potentials.protocol import Prediction

# eV/Å³ in GPa by another library.
GPA = constants.e * 1e21
SYMBOL = {1: "H", 6: "C", 8: "O"}


def mixed_frames(seed: int = 0, n_frames: int = 60) -> tuple[Frames, Prediction]:
    """Frames of differing size and composition, with labels, and a wrong prediction."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(2, 7, n_frames)
    total = int(counts.sum())
    frames = Frames(
        numbers=rng.choice([1, 6, 8], total).astype(np.int64),
        positions=rng.normal(size=(total, 3)),
        counts=counts.astype(np.int64),
        cell=np.tile(5.0 * np.eye(3), (n_frames, 1, 1)),
        pbc=np.ones((n_frames, 3), dtype=bool),
        energy=rng.normal(-100.0, 5.0, n_frames),
        forces=rng.normal(size=(total, 3)),
        stress=rng.normal(size=(n_frames, 3, 3)),
    )
    assert frames.energy is not None
    assert frames.forces is not None
    assert frames.stress is not None
    return frames, Prediction(
        energy=frames.energy + rng.normal(0.1, 0.3, n_frames),
        forces=frames.forces + rng.normal(0.0, 0.2, (total, 3)),
        stress=frames.stress + rng.normal(0.0, 0.01, (n_frames, 3, 3)),
    )


def by_loops(metric: str, frames: Frames, prediction: Prediction, species: str | None) -> float:
    """The same definition, written as loops in pure Python."""
    found: list[float] = []
    first = 0
    for f in range(len(frames)):
        n = int(frames.counts[f])
        if metric.startswith("energy"):
            found.append((float(prediction.energy[f]) - float(frames.energy[f])) * 1000.0 / n)
        elif metric.startswith("stress"):
            found.extend(
                (float(prediction.stress[f, i, j]) - float(frames.stress[f, i, j])) * GPA
                for i in range(3)
                for j in range(3)
            )
        else:
            for a in range(first, first + n):
                if species is None or SYMBOL[int(frames.numbers[a])] == species:
                    found.extend(
                        (float(prediction.forces[a, k]) - float(frames.forces[a, k])) * 1000.0
                        for k in range(3)
                    )
        first += n
    if metric.endswith("rmse"):
        return math.sqrt(math.fsum(x * x for x in found) / len(found))
    return math.fsum(abs(x) for x in found) / len(found)


ERRORS = [f"{one}_{kind}" for one in ("energy", "force", "stress") for kind in ("mae", "rmse")]
CASES = [(m, None) for m in ERRORS] + [
    (m, s) for m in ("force_mae", "force_rmse") for s in ("H", "C", "O")
]


@pytest.mark.parametrize("metric, species", CASES)
def test_value_equals_loops(metric: str, species: str | None) -> None:
    frames, prediction = mixed_frames()
    found = measure(metric, frames, prediction, species)
    assert found.value == pytest.approx(by_loops(metric, frames, prediction, species), rel=1e-12)
    assert found.unit == {"e": "meV/atom", "f": "meV/Å", "s": "GPa"}[metric[0]]
    numbers = [SYMBOL[int(z)] for z in frames.numbers]
    assert found.n_atoms == (len(numbers) if species is None else numbers.count(species))
    assert type(found.value) is float
    assert all(type(one) in (int, float, str) for one in found.evidence.values())


@pytest.mark.parametrize("metric", ERRORS)
def test_known_change_moves_value_by_the_computed_amount(metric: str) -> None:
    """A perfect prediction made worse by a known amount has exactly that error."""
    frames, _ = mixed_frames()
    assert frames.energy is not None
    assert frames.forces is not None
    assert frames.stress is not None
    worse = Prediction(
        energy=frames.energy + 1e-3 * frames.counts,
        forces=frames.forces - 0.010,
        stress=frames.stress + 0.002,
    )
    expected = {"e": 1.0, "f": 10.0, "s": 0.002 * GPA}[metric[0]]
    found = measure(metric, frames, worse)
    assert found.value == pytest.approx(expected, rel=1e-9)
    perfect = Prediction(frames.energy, frames.forces, frames.stress)
    exact = measure(metric, frames, perfect)
    assert exact.value == 0.0
    assert (exact.ci_low, exact.ci_high) == (0.0, 0.0)


def test_series_gives_the_value_and_names_the_worst_frame() -> None:
    frames, prediction = mixed_frames()
    for metric, species in CASES:
        found = measure(metric, frames, prediction, species)
        series = found.series
        assert series is not None
        assert series.value == found.value
        worst = by_loops(
            metric,
            frames.select([series.worst_frame]),
            Prediction(
                prediction.energy[[series.worst_frame]],
                prediction.forces[frames.frame_of_atom == series.worst_frame],
                prediction.stress[[series.worst_frame]] if prediction.stress is not None else None,
            ),
            species,
        )
        assert found.evidence["worst_frame_value"] == pytest.approx(worst, rel=1e-12)
        assert worst == pytest.approx(float(series.per_frame.max()))


@pytest.mark.parametrize("metric, species", CASES)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e300])
def test_non_finite_prediction_is_nan_and_says_where(
    metric: str, species: str | None, bad: float
) -> None:
    frames, prediction = mixed_frames()
    name = {"energy": "energy", "force": "forces", "stress": "stress"}[metric.partition("_")[0]]
    values = getattr(prediction, name).copy()
    rows = frames.offsets[[7, 31]] if name == "forces" else [7, 31]
    values[rows] = bad
    found = measure(metric, frames, replace(prediction, **{name: values}), species)
    assert math.isnan(found.value)
    assert (found.ci_low, found.ci_high) == (None, None)
    assert found.nonfinite_frames == 2
    assert found.evidence["first_nonfinite_frame"] == 7
    assert "2 of 60 frames" in str(found.evidence["nonfinite"])


def test_species_is_not_called_finite_when_another_atom_of_the_frame_is_broken() -> None:
    frames, prediction = mixed_frames()
    forces = prediction.forces.copy()
    forces[np.flatnonzero(frames.numbers == 8)[0], 2] = math.nan
    found = measure("force_mae", frames, replace(prediction, forces=forces), "H")
    assert math.isnan(found.value)


def test_exploded_but_finite_forces_stay_finite_numbers() -> None:
    frames, prediction = mixed_frames()
    found = measure("force_rmse", frames, replace(prediction, forces=1e90 * prediction.forces))
    assert math.isfinite(found.value)
    assert found.ci_high is not None
    assert math.isfinite(found.ci_high)
    assert found.value <= found.ci_high


@pytest.mark.parametrize("metric", ERRORS)
def test_missing_labels_are_an_error(metric: str) -> None:
    """Not "unsupported", which beside other cases is a green run."""
    frames, prediction = mixed_frames()
    with pytest.raises(MlffError, match="no test frame has any") as caught:
        measure(metric, frames.without_labels(), prediction)
    assert not isinstance(caught.value, NotSupportedError)


@pytest.mark.parametrize("metric", ERRORS)
def test_labels_of_some_frames_are_measured_on_those(metric: str) -> None:
    frames, prediction = mixed_frames()
    some = np.arange(2, len(frames), 3)
    bare = frames.without_labels()
    parts = [(frames if index in some else bare).select([index]) for index in range(len(frames))]
    found = measure(metric, Frames.concatenate(parts), prediction)
    wanted = measure(metric, frames.select(some), prediction.select(frames, some))
    assert found.value == wanted.value
    assert found.n_frames == len(some)
    assert f"on the {len(some)} of {len(frames)} frames" in str(found.evidence["labelled"])
    assert found.series is not None
    assert wanted.series is not None
    np.testing.assert_array_equal(found.series.order, some[wanted.series.order])


def test_a_column_of_energies_never_broadcasts() -> None:
    """The mutant: (B, 1) minus (B,) is a matrix, and a perfect model looks wrong by its spread."""
    frames, prediction = mixed_frames()
    assert frames.energy is not None
    column = replace(prediction, energy=frames.energy[:, None])
    broadcast = np.abs(np.asarray(column.energy) - frames.energy).mean()
    assert broadcast > 0.1
    for guard in (lambda: measure("energy_mae", frames, column), lambda: column.check(frames, "m")):
        with pytest.raises(MlffError, match=r"shape \(60, 1\)"):
            guard()


def test_unserved_input_is_one_clear_line() -> None:
    frames, prediction = mixed_frames()
    with pytest.raises(NotSupportedError, match="the model does not give any"):
        measure("stress_mae", frames, replace(prediction, stress=None))
    with pytest.raises(NotSupportedError, match=r"'N' does not occur.* C, H, O"):
        measure("force_mae", frames, prediction, "N")
    with pytest.raises(NotSupportedError, match="'Xyz' does not occur"):
        measure("force_mae", frames, prediction, "Xyz")
    with pytest.raises(MlffError, match="not defined per species"):
        measure("energy_mae", frames, prediction, "H")
    with pytest.raises(MlffError, match="unknown metric 'energy_mse'; did you mean 'energy_rmse'"):
        measure("energy_mse", frames, prediction)
    with pytest.raises(MlffError, match=r"shape \(59,\)"):
        measure("energy_mae", frames, replace(prediction, energy=prediction.energy[:-1]))
    with pytest.raises(NotSupportedError, match="empty"):
        measure("energy_mae", frames.select([]), prediction)
    assert frames.energy is not None
    energy = frames.energy.copy()
    energy[3] = math.inf
    with pytest.raises(MlffError, match=r"reference energy.*first in frame 3") as caught:
        measure("energy_mae", replace(frames, energy=energy), prediction)
    assert not isinstance(caught.value, NotSupportedError)
    assert "\n" not in str(caught.value)


def molecule(numbers: list[int], n_frames: int, seed: int, time: bool = False) -> Frames:
    rng = np.random.default_rng(seed)
    shape = (n_frames, len(numbers), 3)
    return Frames.of_one_molecule(
        np.array(numbers),
        rng.normal(size=shape),
        energy=rng.normal(size=n_frames),
        forces=rng.normal(size=shape),
        time_index=np.arange(n_frames) if time else None,
    )


def test_segments_follow_the_composition() -> None:
    a, b = molecule([6, 1, 1], 40, 1), molecule([1, 6, 1], 25, 2)
    assert trajectory_segments(a) == (40,)
    assert trajectory_segments(Frames.concatenate([a, b])) == (40, 25)
    assert trajectory_segments(Frames.concatenate([a, b, a])) == (40, 25, 40)
    assert trajectory_segments(Frames.concatenate([a, b.select(slice(0, 5))])) == (45,)
    assert trajectory_segments(a.select([])) == ()


def test_shuffled_frames_with_time_have_the_interval_of_ordered_ones() -> None:
    """A random pick in random order would look uncorrelated; its interval must not."""
    frames = molecule([6, 1, 1], 800, 3, time=True)
    assert frames.energy is not None
    assert frames.forces is not None
    rng = np.random.default_rng(4)
    slow = np.zeros(800)
    for i in range(1, 800):
        slow[i] = 0.9 * slow[i - 1] + rng.normal()
    energy = frames.energy + 20.0 + slow
    ordered = measure("energy_mae", frames, Prediction(energy, frames.forces))
    shuffle = rng.permutation(800)
    shuffled = measure(
        "energy_mae",
        frames.select(shuffle),
        Prediction(energy[shuffle], np.zeros((2400, 3))),
    )
    assert ordered.value == pytest.approx(shuffled.value, rel=1e-12)
    assert (ordered.ci_low, ordered.ci_high) == pytest.approx(
        (shuffled.ci_low, shuffled.ci_high), rel=1e-9
    )
    assert ordered.evidence["worst_frame"] == shuffle[int(shuffled.evidence["worst_frame"])]
    without_time = measure(
        "energy_mae",
        replace(frames.select(shuffle), time_index=None),
        Prediction(energy[shuffle], np.zeros((2400, 3))),
    )
    assert without_time.ci_high is not None
    assert ordered.ci_high is not None
    narrow = without_time.ci_high - without_time.value
    assert ordered.ci_high - ordered.value > 2.0 * narrow


def test_too_few_frames_say_how_many_are_needed() -> None:
    frames, prediction = mixed_frames(n_frames=20)
    found = measure("force_mae", frames, prediction)
    assert (found.ci_low, found.ci_high) == (None, None)
    assert math.isfinite(found.value)
    assert "20 frames are too few for an interval: at least 31" in str(found.evidence["undecided"])
