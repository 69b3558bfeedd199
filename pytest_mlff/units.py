"""Units of the report and their conversion from ASE's internal units (eV, Å)."""

from __future__ import annotations

from typing import Final

ANGSTROM: Final = "Å"
MEV: Final = 1000.0
"""meV per eV."""

REPORT_UNITS: Final = {
    "energy": "meV/atom",
    "forces": "meV/Å",
    "stress": "GPa",
}
# 1 eV/Å³ in GPa is the elementary charge (exact since 2019) over 1e-21.
_GPA: Final = 160.2176634
ALSO_WRITTEN: Final = {("meV/Å³", "GPa"): _GPA / MEV}
"""Factor from a unit that thresholds may be written in to the unit of the report."""


def in_report_units(quantity: str) -> float:
    """Unit of the report that one eV, eV/Å or eV/Å³ of a quantity is."""
    return _GPA if quantity == "stress" else MEV


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
