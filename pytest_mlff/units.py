"""Units of the report and their conversion from ASE's internal units (eV, Å)."""

from __future__ import annotations

from typing import Final

__all__ = ["ANGSTROM", "MEV", "REPORT_UNITS", "in_unit", "kcal_per_mol"]

ANGSTROM: Final = "Å"
MEV: Final = 1000.0
"""meV per eV."""

REPORT_UNITS: Final = {
    "energy": "meV/atom",
    "forces": "meV/Å",
    "stress": "meV/Å³",
}


def kcal_per_mol() -> float:
    """One kcal/mol in eV, from ASE's CODATA constants (never a rounded factor)."""
    from ase import units

    return float(units.kcal / units.mol)


def in_unit(number: str, unit: str) -> str:
    """A written number with its unit; dimensionless (``"1"``) stands alone."""
    return number if unit == "1" else f"{number} {unit}"
