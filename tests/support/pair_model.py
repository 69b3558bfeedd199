"""A cheap model that obeys physics: pair potentials fitted to the embedded frames.

Copied into model repositories of tests; needs numpy, ASE and the embedded data alone. Each
pair of atoms of a molecule has an energy of its own, a polynomial in its distance, so that
rotation, translation and the forces as a gradient hold exactly, and errors are of real frames.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from ase.calculators.calculator import Calculator, all_changes

from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER, read_trajectory

MOLECULES = ("ethanol", "malonaldehyde", "uracil")
WORSE = 0.0
"""Share of the energy that is missing, and of the forces with it."""


class Pairs(Calculator):
    """The fit, and the same energies scaled by ``1 - worse``."""

    implemented_properties: ClassVar[list[str]] = ["energy", "forces"]

    def __init__(self, worse: float) -> None:
        super().__init__()
        self._fits = {}
        for name in MOLECULES:
            trajectory = read_trajectory(EMBEDDED_FOLDER / f"{name}.npz")
            labels = trajectory.labels["gfn2-xtb"]
            frames = range(0, len(trajectory.positions) * 85 // 100, 12)
            first, second = np.triu_indices(len(trajectory.numbers), 1)
            mean = np.mean(
                [_distances(trajectory.positions[k], first, second) for k in frames], axis=0
            )
            rows, wanted, energies = [], [], []
            for k in frames:
                energy, forces = _basis(trajectory.positions[k], first, second, mean)
                rows.append(forces.reshape(len(energy), -1).T)
                wanted.append(labels.forces[k].ravel())
                energies.append(energy)
            fit = np.linalg.lstsq(np.concatenate(rows), np.concatenate(wanted), rcond=1e-8)[0]
            shift = float(np.mean(labels.energy[list(frames)] - np.array(energies) @ fit))
            self._fits[tuple(trajectory.numbers)] = (first, second, mean, fit, shift)
        self._worse = worse

    def calculate(
        self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        known = self._fits.get(tuple(atoms.numbers))
        first, second, mean, fit, shift = _springs(len(atoms)) if known is None else known
        energy, forces = _basis(atoms.positions, first, second, mean)
        kept = 1.0 - self._worse
        self.results = {
            "energy": shift + kept * float(energy @ fit),
            "forces": kept * np.tensordot(fit, forces, axes=1),
        }


def _springs(atoms: int) -> tuple[Any, Any, Any, Any, float]:
    """For molecules without a fit, which laws ask for: springs of 1 Å and 0.2 eV/Å²."""
    first, second = np.triu_indices(atoms, 1)
    weights = np.repeat([0.0, 0.1, 0.0], len(first))
    return first, second, np.ones(len(first)), weights, 0.0


def _distances(positions: Any, first: Any, second: Any) -> Any:
    return np.linalg.norm(positions[first] - positions[second], axis=1)


def _basis(positions: Any, first: Any, second: Any, mean: Any) -> tuple[Any, Any]:
    """Energies of the basis functions, and their forces (functions, atoms, 3)."""
    positions = np.asarray(positions, dtype=float)
    pair = positions[first] - positions[second]
    distance = np.linalg.norm(pair, axis=1)
    stretch = distance - mean
    energies, forces = [], []
    for power in (1, 2, 3):
        energies.append(stretch**power)
        slope = (power * stretch ** (power - 1) / distance)[:, None] * pair
        made = np.zeros((len(first), len(positions), 3))
        rows = np.arange(len(first))
        made[rows, first] -= slope
        made[rows, second] += slope
        forces.append(made)
    return np.concatenate(energies), np.concatenate(forces)


def make() -> Pairs:
    return Pairs(WORSE)
