"""A leak is told in a process that frees other things meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_mlff.laws.memory import BLOCKS, CALLS, WARM_UP
from pytest_mlff.laws.mutants import mutant
from pytest_mlff.laws.runner import run_law

if TYPE_CHECKING:
    from pytest_mlff.datasets.frames import Frames
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
    assert not potential._others


def test_what_only_frees_does_not_grow() -> None:
    potential = Tidied(mutant("leak").base, (WARM_UP, WARM_UP + 2))
    result = run_law("memory", potential, strictness="fast", seed=1)
    assert result.holds
    assert not potential._others
