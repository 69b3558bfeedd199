"""How finely a float32 model sees coordinates far from the origin: measured, not assumed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.laws.growing import isolated, numbers_of, radii_of
from pytest_mlff.potentials.failures import raise_if_poisoned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlff.potentials.protocol import Potential

__all__ = ["keeps_fine_coordinates"]

_FAR: Final = 1000.0
"""Å from the origin, where one place of float32 is 6.1e-5 Å."""
_STEP: Final = 3e-6
"""Å: a twentieth of that place, and some ten places of a bond vector."""
_MOVES: Final = 12
_DISTINCT: Final = 9
"""The moves span less than one place of float32, so rounded coordinates take two values at most."""


def keeps_fine_coordinates(potential: Potential, species: Sequence[str]) -> bool:
    """Whether a float32 model takes differences of coordinates before it rounds.

    A pair 1000 Å away is moved in steps that are lost if coordinates are rounded to float32
    first. A model that still answers differently each time works on relative vectors of full
    precision, so translation costs it nothing and no tolerance may be granted for it.

    Parameters
    ----------
    potential : Potential
        The model. False for one that claims another dtype than float32.
    species : sequence of str
        What the pair may be made of.
    """
    if potential.info.dtype != "float32":
        return False
    numbers = numbers_of([species[0]] * 2)
    bond = 0.9 * float(radii_of(numbers).sum())
    pairs = []
    for index in range(_MOVES):
        places = np.full((2, 3), _FAR)
        places[1, 0] += bond + index * _STEP
        pairs.append(isolated(numbers, places))
    try:
        answer = potential.predict(Frames.concatenate(pairs))
    except Exception as error:  # whatever else, nothing finer than its dtype is known of it
        raise_if_poisoned(error, potential.info.name)
        return False
    forces = answer.forces.reshape(_MOVES, 6)
    return bool(np.isfinite(forces).all()) and len(np.unique(forces, axis=0)) >= _DISTINCT
