"""Units of the report and their conversion from ASE's internal units (eV, Å)."""

from __future__ import annotations

from typing import Final

__all__ = ["ANGSTROM", "MEV", "REPORT_UNITS", "in_unit", "kcal_per_mol", "percent", "two_digits"]

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


def two_digits(value: float) -> str:
    """Two significant digits, without an exponent below a million: ``0.9``, ``160``."""
    text = f"{value:.2g}"
    return f"{float(text):.0f}" if 100.0 <= abs(float(text)) < 1e6 else text


def percent(share: float) -> str:
    """A signed share in per cent, e.g. ``+3.1 %``; nought is ``+0.0 %``, never ``-0.0 %``."""
    text = f"{100.0 * share:+.1f} %"
    return "+0.0 %" if text == "-0.0 %" else text


def in_unit(number: str, unit: str) -> str:
    """A written number with its unit; dimensionless (``"1"``) stands alone."""
    return number if unit == "1" else f"{number} {unit}"
