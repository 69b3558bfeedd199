"""How finely a model computes, where it does not say: measured, not assumed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.laws.growing import isolated, moved, numbers_of, radii_of
from pytest_mlff.laws.numerics import roughness
from pytest_mlff.potentials.failures import raise_if_poisoned

if TYPE_CHECKING:
    from pytest_mlff.potentials.protocol import Potential

_FAR: Final = 1000.0
"""Å from the origin, where one place of float32 is 6.1e-5 Å."""
_STEP: Final = 3e-6
"""Å: a twentieth of that place, and some ten places of a bond vector."""
_MOVES: Final = 12
_DISTINCT: Final = 9
"""The moves span less than one place of float32, so rounded coordinates take two values at most."""
_POINTS: Final = 12
_SPACING: Final = 6e-8
"""Å: over the line nothing but a cubic is left of any potential, while float32 still shows."""
_COARSE: Final = 2.0**-27
"""A sixteenth of a place of float32, and 2²⁵ places of float64, in shares of the largest force."""
_TOLD: Final = 6
"""Forces that must be float32 numbers. In float64 arithmetic one in 2²⁹ is, so these are none."""


def found_dtype(
    potential: Potential, species: Sequence[str], reference: Frames | None = None
) -> str | None:
    """What a model computes in that does not say, as most ASE calculators do not.

    Held to the last places of float64, a sound float32 model breaks every symmetry. It shows
    itself in one of two ways: its forces are float32 numbers, or, where they were widened on
    the way out, they scatter about a smooth curve as only float32 does when a structure moves
    along a line too short for anything else.

    Parameters
    ----------
    potential : Potential
        The model.
    species : sequence of str
        What it can be asked about.
    reference : Frames, optional
        Structures that it knows; of them the first is taken, else three atoms of one species.

    Returns
    -------
    str or None
        ``float32`` or ``float64``; None for a model that says what it computes in, and where
        it cannot be told. Then nothing is granted.
    """
    if potential.info.dtype in ("float32", "float64"):
        return None
    frame = bent(species[0]) if reference is None else reference.select([0])
    signs = np.random.default_rng(0).choice([-1.0, 1.0], frame.positions.shape)
    line = [moved(frame, frame.positions + k * _SPACING * signs) for k in range(_POINTS)]
    try:
        forces = potential.predict(Frames.concatenate(line)).forces
    except Exception as error:  # nothing is known of it, so nothing is granted
        raise_if_poisoned(error, potential.info.name)
        return None
    told = forces[forces != 0.0]
    if told.size < _TOLD or not np.isfinite(told).all():
        return None
    with np.errstate(over="ignore"):
        narrow = bool((told.astype(np.float32) == told).all())
    rough = roughness(forces.reshape(_POINTS, -1)) > _COARSE * float(np.abs(told).max())
    return "float32" if narrow or rough else "float64"


def bent(species: str) -> Frames:
    """Three atoms that pull at each other in all directions."""
    numbers = numbers_of([species] * 3)
    corners = np.array([[0.0, 0.0, 0.0], [0.71, 0.53, 0.46], [-0.38, 0.87, -0.29]])
    return isolated(numbers, 2.0 * float(radii_of(numbers)[0]) * corners)


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
