"""Small potentials with the habits of real models, each exact physics otherwise."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.errors import NotSupportedError
from pytest_mlff.laws.exact import ExactPotential, neighbours

if TYPE_CHECKING:
    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.potentials.protocol import Potential, PotentialInfo, Prediction

CUTOFF = 3.2
DEPTH = 10.0


def _cosine(bonds, lengths, _centres, _sums):
    """A repulsion of (1 + cos πr/R)/2: its force has a kink at the cutoff, as ANI's has."""
    turn = np.pi / CUTOFF
    energy = DEPTH * (1 + np.cos(turn * lengths)).sum() / 4
    radial = -DEPTH * turn * np.sin(turn * lengths) / 4
    return float(energy), (radial / lengths)[:, None] * bonds


def cosine(dtype: str = "float32") -> ExactPotential:
    """A pair potential with a kink of the force at its cutoff."""
    return ExactPotential("cosine", _cosine, CUTOFF, ("C", "H", "O"), dtype)


@dataclass(eq=False)
class Habit:
    """A potential; what is asked of it goes through `ask`."""

    base: Potential
    info: PotentialInfo = field(init=False)

    def __post_init__(self) -> None:
        self.info = self.base.info

    def predict(self, frames: Frames) -> Prediction:
        self.ask(frames)
        return self.base.predict(frames)

    def ask(self, frames: Frames) -> None:
        """Raise what the habit is."""


class CrystalsOnly(Habit):
    def ask(self, frames: Frames) -> None:
        if not frames.pbc.all():
            raise ValueError("the lattice is singular")


class MoleculesOnly(Habit):
    def ask(self, frames: Frames) -> None:
        if frames.pbc.any():
            raise ValueError("no cells")


class NoLonelyAtoms(Habit):
    """Refuses an atom without neighbours, as a graph without edges."""

    def ask(self, frames: Frames) -> None:
        for index in range(len(frames)):
            one = frames.select([index])
            cell = one.cell[0] if one.pbc.all() else None
            centres, _, _ = neighbours(one.positions, cell, self.base.info.cutoff)
            if len(np.unique(centres)) < len(one.numbers):
                raise ValueError("isolated atom")


class Nameless(Habit):
    """Says neither species, cutoff nor dtype, as an ASE calculator."""

    def __post_init__(self) -> None:
        self.info = replace(self.base.info, species=None, cutoff=None, dtype="unknown")


class Jumping(Habit):
    """A jump of the force at one bond length, as a basis function that ends has."""

    at, size = 2.0, 0.2

    def predict(self, frames: Frames) -> Prediction:
        answer = self.base.predict(frames)
        energy, forces = answer.energy.copy(), answer.forces.copy()
        for index in range(len(frames)):
            start, stop = frames.offsets[index], frames.offsets[index + 1]
            cell = frames.cell[index] if frames.pbc[index].all() else None
            centres, others, bonds = neighbours(frames.positions[start:stop], cell, self.at)
            lengths = np.linalg.norm(bonds, axis=1)
            energy[index] += 0.5 * self.size * (self.at - lengths).sum()
            pull = -0.5 * self.size * bonds / lengths[:, None]
            np.add.at(forces, start + centres, pull)
            np.subtract.at(forces, start + others, pull)
        return replace(answer, energy=energy, forces=forces)


class SignedVolume(Habit):
    """Divides by the determinant of the cell to get the stress."""

    def predict(self, frames: Frames) -> Prediction:
        answer = self.base.predict(frames)
        if answer.stress is None:
            return answer
        sign = np.sign(np.linalg.det(frames.cell))[:, None, None]
        return replace(answer, stress=answer.stress * sign)


class Racing(Habit):
    """What threads do at once goes wrong: an exception of the kind that it is given."""

    error: Exception = KeyError("forces")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.inside = threading.Semaphore()

    def ask(self, _frames: Frames) -> None:
        if not self.inside.acquire(blocking=False):
            raise self.error
        time.sleep(1e-3)
        self.inside.release()


class RacingUnsupported(Racing):
    error = NotSupportedError("forces not present in this calculation")
