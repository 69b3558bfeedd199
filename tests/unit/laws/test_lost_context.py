"""A law ends where the GPU is lost: nothing is asked again, and nothing is concluded from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from pytest_mlff.errors import MlffError
from pytest_mlff.laws import StructurePool, run_law
from pytest_mlff.laws.evaluation import REPEATS, THREADS
from pytest_mlff.laws.exact import lennard_jones
from pytest_mlff.laws.mutants import FAULTS, mutant
from pytest_mlff.laws.resolution import keeps_fine_coordinates
from pytest_mlff.potentials.failures import ModelFailure, PoisonedContextError

if TYPE_CHECKING:
    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.potentials.protocol import Potential, PotentialInfo, Prediction

LOST = "CUDA error: an illegal memory access was encountered\nand advice"


@dataclass
class Loses:
    """A potential whose GPU is lost from its n-th call on, or when asked of unknown elements."""

    base: Potential
    at: int = 1
    calls: list[int] = field(default_factory=list)
    strange: bool = False
    misleads: bool = False

    @property
    def info(self) -> PotentialInfo:
        return self.base.info

    def predict(self, frames: Frames) -> Prediction:
        self.calls.append(len(frames))
        known = set(frames.species) <= set(self.info.species or ())
        if len(self.calls) >= self.at or (self.strange and not known):
            if self.misleads and len(self.calls) == self.at:
                raise MlffError("something else")
            raise RuntimeError(LOST)
        return self.base.predict(frames)


@dataclass
class Ends:
    """A potential whose process is killed in its n-th call."""

    base: Potential
    at: int = 1
    calls: int = 0

    @property
    def info(self) -> PotentialInfo:
        return self.base.info

    def predict(self, frames: Frames) -> Prediction:
        self.calls += 1
        if self.calls == self.at:
            raise ModelFailure("the model's process was ended by SIGKILL")
        return self.base.predict(frames)


def test_a_killed_process_has_refused_nothing(pool: StructurePool) -> None:
    for at in (1, 2, 3):
        with pytest.raises(ModelFailure):
            run_law("unknown_species", Ends(lennard_jones(), at), structures=pool)
    for at in (1, 2):
        with pytest.raises(ModelFailure):
            StructurePool.for_potential(Ends(lennard_jones(), at))


@pytest.fixture
def pool() -> StructurePool:
    return StructurePool.for_potential(lennard_jones())


@pytest.mark.parametrize("at", [1, 2, 5])
def test_a_law_ends_at_once(pool: StructurePool, at: int) -> None:
    model = Loses(lennard_jones(), at)
    with pytest.raises(PoisonedContextError, match="illegal memory access"):
        run_law("rotation", model, structures=pool)
    assert len(model.calls) == at


@pytest.mark.parametrize("name", ["parity", "non_conservative", "drift"])
def test_nothing_is_shrunk_on_a_lost_gpu(pool: StructurePool, name: str) -> None:
    law = FAULTS[name].law
    whole = Loses(mutant(name), at=10**9)
    assert not run_law(law, whole, structures=pool, examples=10).holds
    total = len(whole.calls)
    assert total > 20  # a few found the violation, the others made it smaller
    for at in {*range(1, total, 5), total}:
        model = Loses(mutant(name), at)
        with pytest.raises(PoisonedContextError):
            run_law(law, model, structures=pool, examples=10)
        assert len(model.calls) == at


def test_a_lost_gpu_has_not_refused_an_unknown_element(pool: StructurePool) -> None:
    model = Loses(lennard_jones(), at=10**9, strange=True)
    with pytest.raises(PoisonedContextError):
        run_law("unknown_species", model, structures=pool)


def test_a_loss_in_one_of_several_threads_counts(pool: StructurePool) -> None:
    whole = Loses(lennard_jones(), at=10**9)
    run_law("thread_safety", whole, structures=pool, examples=2)
    # The last of the calls are those of the threads; another one of them complains first.
    model = Loses(lennard_jones(), at=len(whole.calls) - THREADS * REPEATS + 1, misleads=True)
    with pytest.raises(PoisonedContextError):
        run_law("thread_safety", model, structures=pool, examples=2)


@pytest.mark.parametrize("dtype, at", [("float64", 1), ("float32", 2)])
def test_asking_what_a_model_takes_meets_it_too(dtype: str, at: int) -> None:
    model = Loses(lennard_jones(dtype=dtype), at)
    with pytest.raises(PoisonedContextError):
        StructurePool.for_potential(model)


def test_the_resolution_of_a_lost_gpu_is_unknown() -> None:
    with pytest.raises(PoisonedContextError):
        keeps_fine_coordinates(Loses(lennard_jones(dtype="float32")), ("Ar",))
