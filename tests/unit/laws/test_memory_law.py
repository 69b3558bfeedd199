"""A leak is told in a process that frees other things meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.laws.memory import BLOCKS, CALLS, WARM_UP
from pytest_mlff.laws.mutants import mutant
from pytest_mlff.laws.runner import run_law
from pytest_mlff.potentials.host.probes import memory_after

if TYPE_CHECKING:
    from pytest_mlff.potentials.protocol import Potential, PotentialInfo, Prediction

EACH = 40 * CALLS


class Tidied:
    """A model in a process that gives back many objects in some blocks of calls."""

    def __init__(self, potential: Potential, blocks: tuple[int, ...]) -> None:
        self.info: PotentialInfo = potential.info
        self.calls = 0
        self._potential = potential
        # The law evaluates once before its first block.
        self._when = {1 + block * CALLS + 5 for block in blocks}
        self._others = [[object() for _ in range(EACH)] for _ in blocks]

    def predict(self, frames: Frames) -> Prediction:
        self.calls += 1
        if self.calls in self._when:
            self._others.pop()
        return self._potential.predict(frames)


@pytest.mark.parametrize(
    "blocks",
    [
        pytest.param((WARM_UP, WARM_UP + 2), marks=pytest.mark.slow),
        (WARM_UP + 1, WARM_UP + 2),
        pytest.param((BLOCKS - 2, BLOCKS - 1), marks=pytest.mark.slow),
    ],
)
def test_a_leak_is_told_although_some_blocks_shrink(blocks: tuple[int, ...]) -> None:
    """Mutant: to stop as soon as the lower quartile is calm."""
    potential = Tidied(mutant("leak"), blocks)
    result = run_law("memory", potential, strictness="fast", seed=1)
    assert not result.holds
    assert result.excess > 1.0
    assert result.counterexample is not None
    assert not potential._others


def test_what_was_freed_before_hides_no_growth() -> None:
    """Mutant: to read the resident memory without giving back what is free."""
    count, size = 1000, 2**15
    freed = [np.ones(size, dtype=np.uint8) for _ in range(count)]
    above = np.ones(size, dtype=np.uint8)  # the heap cannot shrink by itself
    del freed
    potential = mutant("leak").base
    frames = Frames.of_one_molecule(np.array([1]), np.zeros((1, 1, 3)))
    before, _, _ = memory_after(potential, frames, 0)
    leaked = [np.ones(size, dtype=np.uint8) for _ in range(count)]
    after, _, _ = memory_after(potential, frames, 0)
    assert after - before > 0.8 * sum(one.nbytes for one in leaked)
    assert above.all()


def test_what_only_frees_does_not_grow() -> None:
    potential = Tidied(mutant("leak").base, (WARM_UP, WARM_UP + 2))
    result = run_law("memory", potential, strictness="fast", seed=1)
    assert result.holds
    assert not potential._others
