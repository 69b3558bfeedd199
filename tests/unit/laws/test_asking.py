"""Questions of several trials in one message: same readings, same refusals, fewer messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.errors import MlffError
from pytest_mlff.laws import NonFiniteError, StructurePool, run_law
from pytest_mlff.laws.exact import ExactPotential, lennard_jones
from pytest_mlff.laws.mutants import mutant
from pytest_mlff.potentials.failures import ModelFailure
from pytest_mlff.potentials.protocol import Prediction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlff.potentials.protocol import Potential, PotentialInfo

EXAMPLES = 20
LAWS = ("rotation", "permutation", "force_consistency", "net_force", "size_extensivity",
        "batch_independence", "determinism")  # fmt: skip


@dataclass
class Alone:
    """A model that is asked about one batch at a time."""

    base: Potential
    odd: Callable[[Frames, Prediction], Prediction] = lambda _frames, found: found
    messages: int = 0
    batches: list[int] = field(default_factory=list)

    @property
    def info(self) -> PotentialInfo:
        return self.base.info

    def predict(self, frames: Frames) -> Prediction:
        self.messages += 1
        return self._one(frames)

    def _one(self, frames: Frames) -> Prediction:
        self.batches.append(len(frames))
        return self.odd(frames, self.base.predict(frames))


class Apart(Alone):
    """The same model, as one that is in a process of its own is asked."""

    def predict_each(self, batches: Sequence[Frames]) -> list[Prediction]:
        self.messages += 1
        return [self._one(one) for one in batches]


@pytest.fixture(scope="module")
def pool() -> StructurePool:
    return StructurePool.for_potential(sound())


def sound() -> ExactPotential:
    return lennard_jones()


@pytest.mark.parametrize("law", LAWS)
def test_the_readings_are_those_of_one_after_the_other(law: str, pool: StructurePool) -> None:
    alone, apart = Alone(sound()), Apart(sound())
    asked = [run_law(law, one, structures=pool, examples=EXAMPLES) for one in (alone, apart)]
    assert asked[0] == asked[1]
    assert alone.batches == apart.batches
    assert apart.messages < alone.messages / 3


@pytest.mark.parametrize(
    "law, fault", [("rotation", "one_axis"), ("batch_independence", "batch_leakage")]
)
def test_what_breaks_the_law_is_found_all_the_same(law: str, fault: str) -> None:
    faulty = mutant(fault)
    pool = StructurePool.for_potential(faulty)
    alone = run_law(law, Alone(faulty), structures=pool, examples=EXAMPLES)
    apart = run_law(law, Apart(faulty), structures=pool, examples=EXAMPLES)
    assert not apart.holds
    assert alone.headline == apart.headline
    assert alone.counterexample is not None
    assert apart.counterexample is not None
    assert alone.counterexample.frames.digest == apart.counterexample.frames.digest


Oddity = Callable[[Frames, Prediction], Prediction]


@pytest.fixture(scope="module")
def later(pool: StructurePool) -> str:
    """Digest of a batch asked about after others; what is drawn depends on the modules loaded."""
    asked: dict[str, None] = {}

    def remembered(frames: Frames, found: Prediction) -> Prediction:
        asked[frames.digest] = None
        return found

    run_law("rotation", Alone(sound(), remembered), structures=pool, examples=EXAMPLES)
    return list(asked)[3]


def not_a_number(later: str) -> Oddity:
    return lambda frames, found: (
        replace(found, energy=np.full(len(frames), np.nan)) if frames.digest == later else found
    )


def refusing(later: str, error: Exception) -> Oddity:
    def refuses(frames: Frames, found: Prediction) -> Prediction:
        if frames.digest == later:
            raise error
        return found

    return refuses


def test_a_refusal_is_that_of_its_own_trial(later: str, pool: StructurePool) -> None:
    refused = refusing(later, ValueError("too many atoms"))
    for odd, error in ((not_a_number(later), NonFiniteError), (refused, MlffError)):
        told = []
        for kind in (Alone, Apart):
            with pytest.raises(error) as caught:
                run_law("rotation", kind(sound(), odd), structures=pool, examples=EXAMPLES)
            told.append(str(caught.value))
        assert told[0] == told[1]


def test_a_model_that_ended_is_not_asked_once_more(later: str, pool: StructurePool) -> None:
    model = Apart(sound(), refusing(later, ModelFailure("the model's process ended")))
    with pytest.raises(ModelFailure, match="process ended"):
        run_law("rotation", model, structures=pool, examples=EXAMPLES)
    assert model.messages <= 1 + EXAMPLES // 8 + 1


@pytest.mark.parametrize("kind", [Alone, Apart])
def test_a_model_that_raises_only_once_does_not_pass(
    later: str, pool: StructurePool, kind: type[Alone]
) -> None:
    refuses, raised = refusing(later, ValueError("now and then")), []

    def once(frames: Frames, found: Prediction) -> Prediction:
        if frames.digest == later and not raised:
            raised.append(frames)
            return refuses(frames, found)
        return found

    with pytest.raises(MlffError, match="now and then"):
        run_law("rotation", kind(sound(), once), structures=pool, examples=EXAMPLES)
