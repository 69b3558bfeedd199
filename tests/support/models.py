"""Models that know the embedded labels, and models that are wrong by a known amount.

Handed to the plugin as ``file.py:callable``; every callable returns an ASE calculator.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from ase.calculators.calculator import Calculator, all_changes

from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER, read_trajectory
from pytest_mlff.potentials.families.ase import AsePotential

MOLECULE = "ethanol"


class Knows(Calculator):
    """Looks labels up by positions; what it has never seen lies on a harmonic well."""

    implemented_properties: ClassVar[list[str]] = ["energy", "forces"]

    def __init__(self, shift: float = 0.0, scale: float = 1.0, noise: float = 0.0) -> None:
        super().__init__()
        trajectory = read_trajectory(EMBEDDED_FOLDER / f"{MOLECULE}.npz")
        labels = trajectory.labels["gfn2-xtb"]
        self._index = {
            frame.astype(np.float64).tobytes(): number
            for number, frame in enumerate(trajectory.positions)
        }
        self._labels = labels
        self._shift, self._scale, self._noise = shift, scale, noise

    def calculate(
        self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        number = self._index.get(atoms.positions.tobytes())
        if number is None:
            centred = atoms.positions - atoms.positions.mean(axis=0)
            energy, forces = 0.05 * float(np.sum(centred**2)), -0.1 * centred
        else:
            energy = float(self._labels.energy[number])
            forces = self._labels.forces[number].astype(np.float64)
        rng = np.random.default_rng(0 if number is None else number)
        self.results = {
            "energy": energy + self._shift * len(atoms),
            "forces": self._scale * forces + self._noise * rng.normal(size=forces.shape),
        }


def exact() -> Knows:
    return Knows()


def shifted() -> Knows:
    """Energies 1 meV/atom too high."""
    return Knows(shift=0.001)


def scaled() -> Knows:
    """Forces 5 % too large."""
    return Knows(scale=1.05)


def noisy() -> Knows:
    """Gaussian noise of 10 meV/Å on every force component."""
    return Knows(noise=0.010)


def tethered() -> Knows:
    """Knows no frame: every atom on a spring to the centre, however the molecule is turned."""
    model = Knows()
    model._index = {}
    return model


def without_nitrogen() -> AsePotential:
    """Knows C, H and O alone, and says so, as a checkpoint does."""
    found = AsePotential.wrap(Knows(), name="without_nitrogen", source="models.py")
    return replace(found, info=replace(found.info, species=("C", "H", "O")))


class _Nan(Knows):
    def calculate(
        self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        self.results["forces"] = self.results["forces"] * np.nan


def not_a_number() -> Knows:
    return _Nan()


class _Dies(Knows):
    """Ends its process without a word, as a crash in compiled code does."""

    def calculate(
        self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes
    ) -> None:
        import os

        os._exit(13)


def dies() -> Knows:
    return _Dies()


def raises() -> Knows:
    raise RuntimeError("no licence\nsecond line")


def returns_nothing() -> None:
    return None
