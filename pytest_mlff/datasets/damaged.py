"""A calculator made worse on purpose, smoothly: labels whose fault is known."""

from __future__ import annotations

from typing import Any

from ase.calculators.calculator import Calculator, all_changes


class ScaledGeometry(Calculator):
    """E(R) = E_inner(s R) and F(R) = s F_inner(s R): every bond is wrong by the factor 1/s."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def __init__(self, inner: Calculator, scale: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.inner, self.scale = inner, scale

    def calculate(
        self,
        atoms: Any = None,
        properties: Any = ("energy",),
        system_changes: Any = all_changes,
    ) -> None:
        """Fill ``results``, in eV and eV/Å."""
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        assert self.atoms is not None
        scaled = self.atoms.copy()
        scaled.set_cell(self.scale * scaled.cell, scale_atoms=False)
        scaled.positions *= self.scale
        scaled.calc = self.inner
        self.results = {
            "energy": scaled.get_potential_energy(),
            "forces": self.scale * scaled.get_forces(),
        }
