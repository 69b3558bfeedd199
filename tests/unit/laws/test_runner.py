"""What a run gives: evidence, determinism, refusal, clear errors, a counterexample that repeats."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ase.build import molecule
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.errors import MlffError, NotSupportedError
from pytest_mlff.laws import (
    NonFiniteError,
    StructurePool,
    VacuousCheckError,
    check_law,
    measure_again,
    read_counterexample,
    run_law,
    write_counterexample,
)
from pytest_mlff.laws.context import Context, dtype_of
from pytest_mlff.laws.exact import ExactPotential, harmonic, lennard_jones
from pytest_mlff.laws.mutants import mutant
from pytest_mlff.laws.registry import law_named
from pytest_mlff.laws.runner import _drive
from pytest_mlff.laws.tolerance import Noise, noise_of, part, probes, reach_of

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlff.laws.trial import Trial
    from pytest_mlff.potentials.protocol import Potential, PotentialInfo, Prediction


@dataclass
class Wrapped:
    """A sound potential of which one thing is changed."""

    base: ExactPotential
    species: tuple[str, ...] | None = ("Ar", "Ne")
    cells: bool = True
    stress: bool = True
    fails: Exception | None = None
    nan: bool = False

    @property
    def info(self) -> PotentialInfo:
        return replace(self.base.info, species=self.species)

    def predict(self, frames: Frames) -> Prediction:
        if frames.pbc.any() and not self.cells:
            raise NotSupportedError("no cells")
        if self.fails is not None:
            raise self.fails
        answer = self.base.predict(frames)
        if self.nan:
            answer = replace(answer, energy=answer.energy * np.nan)
        return answer if self.stress else replace(answer, stress=None)


def test_evidence_stands_in_the_result() -> None:
    result = run_law("rotation", lennard_jones(), seed=4, examples=12)
    assert result.evidence["examples"] == 12
    assert result.evidence["seed"] == 4
    assert float(result.evidence["mean_force_norm"]) > 0.1
    assert 60 < float(result.evidence["transformation"]) < 180
    assert result.counterexample is None


@pytest.mark.parametrize(
    "law, name", [("rotation", "stretched_axis"), ("smoothness", "hard_cutoff")]
)
def test_same_seed_same_result(law: str, name: str) -> None:
    runs = [run_law(law, mutant(name, 1e-3), strictness="fast", seed=11) for _ in range(2)]
    assert runs[0].excess == runs[1].excess
    first, second = runs[0].counterexample, runs[1].counterexample
    assert first is not None
    assert second is not None
    assert first.frames.structure_digest == second.frames.structure_digest
    assert first.parameters == second.parameters


@pytest.mark.parametrize("law", ["rotation", "smoothness", "locality", "periodic_images"])
def test_hypothesis_draws_the_same_again_to_shrink(law: str) -> None:
    """Drawing is kept apart from measuring, which is right only if this holds."""
    potential = lennard_jones()
    context = Context(potential, StructurePool.for_potential(potential))
    runs: list[list[str]] = []
    for shrink in (False, True):
        drawn: list[str] = []

        def visit(trial: Trial, drawn: list[str] = drawn) -> None:
            drawn.append(f"{trial.frames.structure_digest} {sorted(trial.parameters.items())}")

        _drive(law_named(law).trials(context), visit, 25, 6, shrink=shrink)
        runs.append(drawn)
    assert runs[0] == runs[1]
    assert len(set(runs[0])) > 20


def test_other_seed_draws_otherwise() -> None:
    norms = {
        run_law("rotation", lennard_jones(), strictness="fast", seed=seed).evidence[
            "mean_force_norm"
        ]
        for seed in (0, 1)
    }
    assert len(norms) == 2


@pytest.mark.parametrize("law", ["rotation", "permutation", "net_force", "translation"])
def test_zero_forces_are_no_evidence(law: str) -> None:
    with pytest.raises(VacuousCheckError, match="mean_force_norm is zero"):
        run_law(law, mutant("zero_forces"), strictness="fast")


def test_nan_is_an_error_and_names_a_small_structure() -> None:
    with pytest.raises(NonFiniteError, match=r"NaN or infinity for 2 atoms"):
        run_law("rotation", Wrapped(lennard_jones(), nan=True), strictness="fast")


def test_model_that_raises_gives_one_line() -> None:
    potential = Wrapped(lennard_jones(), fails=ValueError("first\nsecond"))
    pool = StructurePool(("Ar",))
    with pytest.raises(MlffError, match=r"raises ValueError on 2 atoms.*first second") as caught:
        run_law("rotation", potential, structures=pool, strictness="fast")
    assert "\n" not in str(caught.value)


def test_what_the_model_cannot_serve_is_unsupported() -> None:
    plain = Wrapped(lennard_jones(), cells=False)
    for law in ("periodic_images", "stress_consistency"):
        with pytest.raises(NotSupportedError, match="does not take periodic cells"):
            run_law(law, plain, strictness="fast")
    with pytest.raises(NotSupportedError, match="gives no stress"):
        run_law("stress_consistency", Wrapped(lennard_jones(), stress=False), strictness="fast")
    assert run_law("rotation", plain, strictness="fast").holds


def test_species_must_come_from_somewhere() -> None:
    nameless = Wrapped(harmonic(), species=None)
    with pytest.raises(NotSupportedError, match="give reference frames"):
        run_law("rotation", nameless, strictness="fast")
    reference = Frames.from_atoms([molecule("CH3CH2OH")])
    pool = StructurePool.for_potential(nameless, reference)
    assert pool.species == ("C", "H", "O")
    assert run_law("rotation", nameless, structures=pool, strictness="fast").holds
    assert run_law("unknown_species", nameless, structures=pool, strictness="fast").holds


def test_reference_of_unknown_species_is_left_out() -> None:
    reference = Frames.from_atoms([molecule("H2O"), molecule("NH3")])
    pool = StructurePool.for_potential(harmonic(("H", "O")), reference)
    assert pool.reference is not None
    assert pool.reference.species == ("H", "O")


def test_only_known_species_are_drawn() -> None:
    seen: set[int] = set()

    class Watching(Wrapped):
        def predict(self, frames: Frames) -> Prediction:
            seen.update(frames.numbers.tolist())
            return super().predict(frames)

    run_law("rotation", Watching(lennard_jones()), seed=0)
    assert seen == {10, 18}


@pytest.mark.parametrize(
    "law, options, message",
    [
        ("rotatoin", {}, "no law 'rotatoin'; did you mean 'rotation'?"),
        ("rotation", {"strictness": "hard"}, "strictness 'hard' is none of fast, ci, thorough"),
    ],
)
def test_bad_input_is_one_line(law: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(MlffError) as caught:
        run_law(law, lennard_jones(), **options)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_check_asserts_and_shows_the_counterexample() -> None:
    assert check_law("rotation", lennard_jones(), strictness="fast").holds
    with pytest.raises(AssertionError, match=r"(?s)rotation is broken.*counterexample, 2 atoms"):
        check_law("rotation", mutant("one_axis"), strictness="fast")


@settings(
    deadline=None,
    derandomize=True,
    max_examples=3,
    suppress_health_check=[HealthCheck.nested_given],
)
@given(st.integers(0, 100))
def test_run_inside_a_hypothesis_test(seed: int) -> None:
    assert run_law("rotation", lennard_jones(), seed=seed, examples=3).holds


def test_model_that_answers_differently_each_time_ends_in_a_verdict() -> None:
    result = run_law("determinism", mutant("jitter"), strictness="ci", seed=0)
    assert not result.holds


@pytest.mark.parametrize(
    "law, name",
    [
        ("smoothness", "hard_cutoff"),
        ("permutation", "index_order"),
        ("periodic_images", "missing_image"),
        ("locality", "centre_of_mass"),
        ("batch_independence", "batch_leakage"),
        ("no_holes", "nan_short"),
        ("unknown_species", "guessing"),
    ],
)
def test_counterexample_file_repeats_the_measurement(law: str, name: str, tmp_path: Path) -> None:
    potential = mutant(name)
    found = run_law(law, potential, strictness="fast", seed=5).counterexample
    assert found is not None
    path = write_counterexample(found, tmp_path / "laws")
    again = read_counterexample(path)
    # Not one bit is lost on the way: a jump may hide in the last places.
    assert again.frames.structure_digest == found.frames.structure_digest
    assert again.parameters == found.parameters
    assert (again.law, again.seed) == (law, 5)
    first, second = measure_again(found, potential), measure_again(again, potential)
    assert second.excess > 1.0
    assert second.violation == first.violation
    assert found.command(path).startswith(f"mlff laws repro {path} --model mutant:{name}")


def _noise(potential: Potential, frame: Frames, reach: float) -> Noise:
    dtype = dtype_of(potential)
    batch = Frames.concatenate([frame, probes(frame, dtype, reach, 0)])
    answer = potential.predict(batch)
    return noise_of(
        part(answer, batch, 0, 1), part(answer, batch, 1, len(batch)), frame, dtype, reach
    )


def test_tolerance_follows_dtype_and_reach() -> None:
    frame = Frames.from_atoms([molecule("CH3CH2OH")])
    near = reach_of(frame)
    fine, coarse = (_noise(harmonic(dtype=d), frame, near) for d in ("float64", "float32"))
    # 2^29 lies between the two dtypes.
    assert 1e7 < coarse.forces / fine.forces < 1e10
    assert 1e7 < coarse.energy / fine.energy < 1e10
    far = _noise(harmonic(), frame, 1000.0 * near)
    assert 100 < far.forces / fine.forces < 3000


def test_truncation_does_not_buy_tolerance() -> None:
    """A model that rounds to float32 inside float64 is measured at the floor of float64."""
    frame = Frames.from_atoms([molecule("CH3CH2OH")])
    sound, truncated = harmonic(), mutant("truncated")
    cheat = replace(truncated, base=sound)
    noise = _noise(sound, frame, reach_of(frame))
    assert _noise(cheat, frame, reach_of(frame)).forces <= 2 * noise.forces


def test_counterexample_keeps_what_the_model_was_given(tmp_path: Path) -> None:
    """A charge that the file forgot would make the repro command measure another structure."""
    from ase import Atoms

    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.laws.counterexample import (
        Counterexample,
        read_counterexample,
        write_counterexample,
    )

    atoms = Atoms("OH", [[0, 0, 0], [0, 0, 0.1 + 0.2]], tags=[3, 1])
    atoms.info |= {"charge": -1, "spin": 2, "field": np.array([0.0, 0.1, 0.3]), "open": True}
    atoms.set_initial_magnetic_moments([1.0 / 3.0, 0.0])
    atoms.arrays["kind"] = np.array(["a", "b"])
    frames = Frames.from_atoms([atoms])
    path = write_counterexample(
        Counterexample("rotation", frames, "", {"angle": 1.0 / 3.0}, 7, "m"), tmp_path
    )
    back = read_counterexample(path)
    assert back.frames.structure_digest == frames.structure_digest
    assert back.parameters == {"angle": 1.0 / 3.0}
    assert (back.law, back.seed) == ("rotation", 7)
    found = back.frames.atoms(0)
    assert found.info["charge"] == -1
    assert found.info["open"] is True
    assert found.get_initial_magnetic_moments().tolist() == [1.0 / 3.0, 0.0]
    assert found.get_tags().tolist() == [3, 1]
