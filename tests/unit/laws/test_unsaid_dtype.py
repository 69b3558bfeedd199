"""Models that do not say what they compute in: what their answers show is what they are held to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER, read_trajectory
from pytest_mlff.laws import StructurePool, run_law
from pytest_mlff.laws.exact import lennard_jones, morse, stillinger_weber
from pytest_mlff.laws.growing import isolated
from pytest_mlff.laws.mutants import mutant
from pytest_mlff.laws.resolution import found_dtype
from pytest_mlff.laws.runner import measure_again
from pytest_mlff.potentials.protocol import Prediction

if TYPE_CHECKING:
    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.potentials.protocol import Potential, PotentialInfo

SYMMETRIES = ("rotation", "inversion", "permutation", "precision", "net_force")
POTENTIALS = {"lj": lennard_jones, "morse": morse, "sw": stillinger_weber}


@dataclass(frozen=True)
class Unsaid:
    """A potential that keeps its dtype to itself, as an ASE calculator does."""

    base: Potential

    @property
    def info(self) -> PotentialInfo:
        return replace(self.base.info, dtype="unknown")

    def predict(self, frames: Frames) -> Prediction:
        return self.base.predict(frames)


class Widened(Unsaid):
    """Turns its float32 forces in float64: they are float32 numbers no more, and no better."""

    def predict(self, frames: Frames) -> Prediction:
        answer = self.base.predict(frames)
        turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
        return replace(answer, forces=(answer.forces @ turn) @ turn.T)


@pytest.mark.parametrize("name", POTENTIALS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_answers_tell(name: str, dtype: str) -> None:
    base = POTENTIALS[name](dtype=dtype)
    assert found_dtype(base, base.species) is None
    for unsaid in (Unsaid(base), Widened(base)):
        assert found_dtype(unsaid, base.species) == dtype
        assert StructurePool.for_potential(unsaid).found_dtype == dtype


def test_realistic_frames_tell_too() -> None:
    found = read_trajectory(EMBEDDED_FOLDER / "ethanol.npz")
    ethanol = isolated(found.numbers, found.positions[0])
    for dtype in ("float32", "float64"):
        base = lennard_jones(("C", "H", "O"), dtype=dtype)
        for unsaid in (Unsaid(base), Widened(base)):
            assert found_dtype(unsaid, base.species, ethanol) == dtype


@pytest.mark.parametrize("law", SYMMETRIES)
@pytest.mark.parametrize("kind", [Unsaid, Widened])
def test_a_sound_float32_model_keeps_the_laws(law: str, kind: type[Unsaid]) -> None:
    unsaid = kind(lennard_jones(dtype="float32"))
    assert run_law(law, unsaid, strictness="fast").excess <= 1.0
    # Held to float64 it would not: that is what the answers are looked at for.
    claimed = replace(unsaid.info, dtype="float64")
    strict = type("Strict", (Unsaid,), {"info": property(lambda _: claimed)})(unsaid.base)
    assert law == "net_force" or run_law(law, strict, strictness="fast").excess > 1.0


def test_float64_is_not_let_off() -> None:
    """A fault far below the places of float32 is still found in a float64 model."""
    faulty = mutant("one_axis", 1e-6)
    assert run_law("rotation", faulty, strictness="fast").excess > 1.0
    found = run_law("rotation", Unsaid(faulty), strictness="fast")
    assert found.excess > 1.0
    assert found.counterexample is not None
    assert measure_again(found.counterexample, Unsaid(faulty)).excess > 1.0


def test_what_was_found_in_float32_is_measured_again_in_float32() -> None:
    faulty = Unsaid(mutant("one_axis", 1.0, dtype="float32"))
    found = run_law("rotation", faulty, strictness="fast").counterexample
    assert found is not None
    again = measure_again(found, faulty)
    assert again.headline in found.description
    assert again.tolerance > 1e5 * measure_again(found, Unsaid(mutant("one_axis"))).tolerance


@dataclass(frozen=True)
class Answers(Unsaid):
    """Three atoms' forces as they are given, wherever the atoms are."""

    name: str

    def predict(self, frames: Frames) -> Prediction:
        forces = np.tile(np.asarray(FORCES[self.name], dtype=float), (len(frames), 1))
        return Prediction(np.zeros(len(frames)), forces)


THIRD = 1.0 / 3.0
FORCES = {
    "zeros": np.zeros((3, 3)),
    "halves": np.full((3, 3), 0.5),
    "one is finer": [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5], [0.5, 0.5, THIRD]],
    "nan": [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5], [0.5, 0.5, np.nan]],
    "beyond": [[1e300, 0.5, 0.5], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]],
}


@pytest.mark.parametrize(
    "name, found",
    [("zeros", None), ("halves", "float32"), ("one is finer", "float64"), ("nan", None),
     ("beyond", "float64")],
)  # fmt: skip
def test_what_numbers_tell(name: str, found: str | None) -> None:
    frames = isolated(np.array([18, 18, 18]), np.eye(3))
    assert found_dtype(Answers(lennard_jones(), name), ("Ar",), frames) == found


def test_who_refuses_is_granted_nothing() -> None:
    base = stillinger_weber(dtype="float32")
    unknown = isolated(np.array([1, 1, 1]), np.eye(3))
    assert found_dtype(Unsaid(base), base.species, unknown) is None
