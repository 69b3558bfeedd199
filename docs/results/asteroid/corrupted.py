"""MMFF94 whose forces have the wrong sign in a third of the frames: gradients in their place."""

from __future__ import annotations

import hashlib
from typing import Any

from ase.calculators.calculator import Calculator, all_changes

from pytest_mlff.datasets.oracles import oracle_named

__all__ = ["is_corrupted", "third_flipped"]


def is_corrupted(positions: Any) -> bool:
    """Whether a frame is of the third whose forces are gradients; by its positions alone."""
    return hashlib.sha256(positions.astype("<f8").tobytes()).digest()[0] % 3 == 0


def third_flipped() -> Calculator:
    """An oracle for recipes, as ``corrupted:third_flipped``."""
    return _ThirdFlipped()


class _ThirdFlipped(Calculator):
    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.inner = oracle_named("mmff94").make()

    def calculate(
        self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        """Fill ``results``, in eV and eV/Å."""
        super().calculate(atoms, properties, system_changes)
        inner = self.atoms.copy()
        inner.calc = self.inner
        sign = -1.0 if is_corrupted(self.atoms.positions) else 1.0
        self.results = {
            "energy": inner.get_potential_energy(),
            "forces": sign * inner.get_forces(),
        }
