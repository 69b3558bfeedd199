"""Whether a float32 model rounds coordinates or relative vectors is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_mlff.laws import StructurePool
from pytest_mlff.laws.asking import measured
from pytest_mlff.laws.context import Context
from pytest_mlff.laws.exact import lennard_jones, stillinger_weber
from pytest_mlff.laws.growing import isolated, moved
from pytest_mlff.laws.resolution import keeps_fine_coordinates
from pytest_mlff.laws.symmetry import Translation
from pytest_mlff.laws.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.laws.exact import ExactPotential
    from pytest_mlff.potentials.protocol import PotentialInfo, Prediction


class Relative:
    """Float32 arithmetic on coordinates that were centred in float64 before."""

    def __init__(self, base: ExactPotential) -> None:
        self.base = base

    @property
    def info(self) -> PotentialInfo:
        return self.base.info

    def predict(self, frames: Frames) -> Prediction:
        starts = frames.offsets[:-1]
        centres = np.add.reduceat(frames.positions, starts) / frames.counts[:, None]
        shift = np.where(frames.pbc.any(axis=1)[:, None], 0.0, centres)[frames.frame_of_atom]
        return self.base.predict(moved(frames, frames.positions - shift))


@pytest.mark.parametrize("make", [lennard_jones, stillinger_weber])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rounded_coordinates_are_seen(make: Callable[..., ExactPotential], dtype: str) -> None:
    potential = make(dtype=dtype)
    assert not keeps_fine_coordinates(potential, potential.info.species or ())


def test_rounded_relative_vectors_are_seen() -> None:
    potential = Relative(lennard_jones(dtype="float32"))
    assert keeps_fine_coordinates(potential, ("Ar",))
    assert StructurePool.for_potential(potential).fine_coordinates


def test_reach_is_that_of_what_is_rounded() -> None:
    pair = isolated(np.array([18, 18]), np.array([[1000.0, 0.0, 0.0], [1002.0, 0.0, 0.0]]))
    coarse = lennard_jones(dtype="float32")
    fine = Relative(coarse)
    assert Context(coarse, StructurePool.for_potential(coarse)).reach(pair) == 1002.0
    assert Context(fine, StructurePool.for_potential(fine)).reach(pair) == 6.0


def test_tolerance_of_a_far_translation_follows() -> None:
    pair = isolated(np.array([18, 18]), np.array([[0.0, 0.0, 0.0], [1.9, 0.3, 0.2]]))
    coarse = lennard_jones(dtype="float32")
    read = {}
    for name, potential in (("coarse", coarse), ("fine", Relative(coarse))):
        context = Context(potential, StructurePool.for_potential(potential))
        for distance in (1.0, 1000.0):
            trial = Trial(pair, {"direction_seed": 3, "distance": distance})
            reading = measured(Translation(), context, trial)
            assert reading.excess <= 1.0
            read[name, distance] = reading.tolerance
    assert read["coarse", 1000.0] > 50 * read["coarse", 1.0]
    assert read["fine", 1000.0] < 5 * read["fine", 1.0]
