"""Structures from integers: what hypothesis draws is a few integers, the rest is arithmetic.

Every integer is legal and 0 is the simplest, so that hypothesis can shrink without
rejecting anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.datasets.frames import Frames

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DIRECTIONS = 61
_STRETCHES = 16
CLOSEST = 0.85
"""Closest approach of grown atoms, in sums of covalent radii, before rattling."""
_SMALLEST = 1.5
"""Shortest distance in Å between any two images of a crystal, so that light species do not pack
thousands of neighbours into a cutoff."""


def numbers_of(species: Sequence[str]) -> NDArray[np.int64]:
    """Atomic numbers of chemical symbols."""
    from ase.data import atomic_numbers

    return np.array([atomic_numbers[symbol] for symbol in species], dtype=np.int64)


@cache
def _radius(number: int) -> float:
    from ase.data import covalent_radii

    return float(covalent_radii[number])


def radii_of(numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """Covalent radii in Å (Cordero et al., Dalton Trans. 2008, 2832, as in ASE)."""
    return np.array([_radius(int(number)) for number in numbers])


@cache
def _sphere() -> NDArray[np.float64]:
    """Fibonacci points on the unit sphere, turned so that none lies on an axis."""
    k = np.arange(_DIRECTIONS)
    z = 1.0 - (2.0 * k + 1.0) / _DIRECTIONS
    angle = np.pi * (3.0 - np.sqrt(5.0)) * k
    ring = np.sqrt(1.0 - z * z)
    points = np.stack([ring * np.cos(angle), ring * np.sin(angle), z], axis=1)
    turn, _ = np.linalg.qr(np.array([[1.0, 0.3, -0.7], [0.2, 1.0, 0.4], [0.5, -0.6, 1.0]]))
    return np.asarray(points @ turn)


def isolated(numbers: NDArray[np.int64], positions: NDArray[np.float64]) -> Frames:
    """One frame without cell."""
    return Frames(
        numbers=np.asarray(numbers, dtype=np.int64),
        positions=np.asarray(positions, dtype=np.float64),
        counts=np.array([len(numbers)], dtype=np.int64),
        cell=np.zeros((1, 3, 3)),
        pbc=np.zeros((1, 3), dtype=bool),
    )


def cluster(species: NDArray[np.int64], codes: Sequence[int], rattle_seed: int = 0) -> Frames:
    """Grow one isolated molecule, one atom for each code.

    A code says species, atom to bind to, direction and bond length (0.95 to 1.4
    sums of covalent radii). A direction that would clash is turned to the next one
    that does not; an atom for which none is left is bound farther out.
    """
    numbers: list[int] = []
    positions = np.zeros((len(codes), 3))
    radii = np.zeros(len(codes))
    for index, code in enumerate(codes):
        rest, which = divmod(code, len(species))
        radius = _radius(int(species[which]))
        if index:
            rest, parent = divmod(rest, index)
            rest, direction = divmod(rest, _DIRECTIONS)
            stretch = 0.95 + 0.03 * (rest % _STRETCHES)
            length = stretch * (radii[parent] + radius)
            way = np.roll(_sphere(), -direction, axis=0)
            positions[index] = _place(
                positions[:index], radii[:index], radius, parent, length * way
            )
        radii[index] = radius
        numbers.append(int(species[which]))
    frame = isolated(np.array(numbers, dtype=np.int64), positions)
    return rattled(frame, 0.06, rattle_seed) if rattle_seed else frame


def _place(
    positions: NDArray[np.float64],
    radii: NDArray[np.float64],
    radius: float,
    parent: int,
    ways: NDArray[np.float64],
) -> NDArray[np.float64]:
    while True:
        candidates = positions[parent] + ways
        apart = np.linalg.norm(candidates[:, None] - positions[None], axis=2)
        free = (apart >= CLOSEST * (radii + radius)).all(axis=1)
        if free.any():
            return np.asarray(candidates[int(np.argmax(free))])
        ways = 1.3 * ways


def rattled(frame: Frames, amplitude: float, seed: int) -> Frames:
    """One frame with normal noise of ``amplitude`` Å on each coordinate."""
    noise = np.random.default_rng([seed, 3]).normal(size=frame.positions.shape)
    return moved(frame, frame.positions + amplitude * noise)


def moved(frame: Frames, positions: NDArray[np.float64]) -> Frames:
    """The same frames with other positions, labels dropped."""
    return Frames(frame.numbers, positions, frame.counts, frame.cell, frame.pbc)


def keep_atoms(frame: Frames, kept: NDArray[np.int64]) -> Frames:
    """One frame with only the atoms ``kept``, labels dropped."""
    return Frames(
        frame.numbers[kept],
        frame.positions[kept],
        np.array([len(kept)], dtype=np.int64),
        frame.cell,
        frame.pbc,
    )


def neighbourhood(frame: Frames, centre: int, size: int) -> Frames:
    """The ``size`` atoms of one isolated frame nearest to atom ``centre``, order kept."""
    distance = np.linalg.norm(frame.positions - frame.positions[centre], axis=1)
    return keep_atoms(frame, np.sort(np.argsort(distance, kind="stable")[:size]))


def merge(first: Frames, second: Frames, shift: NDArray[np.float64]) -> Frames:
    """Two isolated frames as one, the second moved by ``shift`` Å."""
    return isolated(
        np.concatenate([first.numbers, second.numbers]),
        np.concatenate([first.positions, second.positions + shift]),
    )


def crystal(
    species: NDArray[np.int64],
    codes: Sequence[int],
    shape: int,
    stretch: int,
) -> Frames:
    """A periodic crystal in a skewed cell.

    Parameters
    ----------
    species : ndarray
        Atomic numbers to choose from.
    codes : sequence of int
        One for each atom: species and place.
    shape : int
        Encodes three edge ratios and three shears; 0 is a cube.
    stretch : int
        Encodes the shortest bond, 0.95 to 1.4 sums of covalent radii.
    """
    cell = np.eye(3)
    for axis in range(3):
        shape, edge = divmod(shape, 5)
        cell[axis, axis] = 1.0 + 0.12 * edge
    for row, column in ((1, 0), (2, 0), (2, 1)):
        shape, shear = divmod(shape, 7)
        cell[row, column] = (0.0, 0.15, -0.2, 0.3, -0.35, 0.45, -0.5)[shear]
    numbers = np.array([species[code % len(species)] for code in codes], dtype=np.int64)
    # Irrational steps (plastic number) spread few points evenly; the code moves them.
    steps = np.array([0.8191725, 0.6710436, 0.5497005])
    places = np.array(
        [
            (index * steps + 0.03 * ((code // len(species)) % 7) * steps[::-1]) % 1.0
            for index, code in enumerate(codes)
        ]
    )
    radii = radii_of(numbers)
    images = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), -1).reshape(-1, 3)
    apart = places[:, None, None] - places[None, :, None] + images[None, None]
    distance = np.linalg.norm(apart @ cell, axis=-1)
    distance[distance < 1e-9] = np.inf
    sums = radii[:, None] + radii[None]
    wanted = (0.95 + 0.03 * (stretch % _STRETCHES)) * sums[:, :, None]
    scale = float((np.maximum(wanted, _SMALLEST) / distance).max())
    cell = scale * cell
    return Frames(
        numbers,
        places @ cell,
        np.array([len(numbers)], dtype=np.int64),
        cell[None],
        np.ones((1, 3), dtype=bool),
    )
