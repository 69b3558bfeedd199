"""Potentials with known answers for dynamics: all pairs, in numpy, every frame at once.

Frames of one call have equal numbers of atoms; cells are orthorhombic, minimum image. Each
frame's numbers depend on no other frame, to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from ase.calculators.calculator import Calculator, all_changes

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.potentials.protocol import PotentialInfo, Prediction

if TYPE_CHECKING:
    from collections.abc import Callable

    Pair = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass
class PairPotential:
    """``pair`` gives energy and slope of the distances; faults are for mutants.

    Attributes
    ----------
    force_scale : float
        Forces off by a factor, the energy right.
    twist : float
        eV/Å² of a force sideways to each pair, which no energy has.
    """

    pair: Pair
    name: str = "pairs"
    force_scale: float = 1.0
    twist: float = 0.0
    digest: str | None = "closed form"
    batches: int = 0

    @property
    def info(self) -> PotentialInfo:
        return PotentialInfo(
            name=self.name,
            family="test",
            source="test",
            digest=self.digest,
            species=None,
            cutoff=None,
            device="cpu",
            dtype="float64",
            versions={},
        )

    def predict(self, frames: Frames) -> Prediction:
        self.batches += 1
        n = int(frames.counts[0])
        first, second = np.triu_indices(n, 1)
        positions = frames.positions.reshape(-1, n, 3)
        between = positions[:, first] - positions[:, second]
        if frames.pbc.any():
            edges = np.diagonal(frames.cell, axis1=1, axis2=2)[:, None]
            between = between - edges * np.round(between / edges)
        lengths = np.sqrt((between**2).sum(axis=2))
        energy, slope = self.pair(lengths)
        push = -self.force_scale * (slope / lengths)[:, :, None] * between
        push = push + self.twist * np.cross(between, [0.0, 0.0, 1.0])
        forces = np.zeros(positions.shape)
        for one in range(n):  # sums in one order, whatever the batch
            forces[:, one] = push[:, first == one].sum(axis=1) - push[:, second == one].sum(axis=1)
        return Prediction(energy.sum(axis=1), forces.reshape(-1, 3))


def springs(stiffness: float, length: float = 0.0) -> Pair:
    """Harmonic pairs: ½ k (r − r₀)²."""
    return lambda r: (0.5 * stiffness * (r - length) ** 2, stiffness * (r - length))


def morse(depth: float, width: float, length: float) -> Pair:
    """Morse pairs: D (1 − exp(−a (r − r₀)))²."""

    def pair(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        decay = np.exp(-width * (r - length))
        return depth * (1 - decay) ** 2, 2 * depth * width * decay * (1 - decay)

    return pair


def lennard_jones(epsilon: float, sigma: float, cutoff: float = np.inf) -> Pair:
    """4 ε ((σ/r)¹² − (σ/r)⁶), energy and force shifted to 0 at the cutoff."""

    def bare(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sixth = (sigma / r) ** 6
        return 4 * epsilon * (sixth**2 - sixth), -24 * epsilon * (2 * sixth**2 - sixth) / r

    if np.isinf(cutoff):
        return bare
    last, last_slope = (float(one) for one in bare(np.array(cutoff)))

    def shifted(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        energy, slope = bare(r)
        inside = r < cutoff
        return (
            np.where(inside, energy - last - (r - cutoff) * last_slope, 0.0),
            np.where(inside, slope - last_slope, 0.0),
        )

    return shifted


def with_hole(pair: Pair, radius: float) -> Pair:
    """No repulsion below ``radius``, as of a network that never saw close atoms."""

    def holed(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        energy, slope = pair(np.maximum(r, radius))
        return energy, np.where(r < radius, 0.0, slope)

    return holed


class AsCalculator(Calculator):
    """A potential for ASE's own loop, one structure at a time."""

    implemented_properties: ClassVar[list[str]] = ["energy", "forces"]

    def __init__(self, potential: PairPotential) -> None:
        super().__init__()
        self._potential = potential

    def calculate(
        self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        found = self._potential.predict(Frames.from_atoms([atoms]))
        self.results = {"energy": float(found.energy[0]), "forces": found.forces}
