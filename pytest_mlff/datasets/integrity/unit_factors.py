"""Which mistake of units a wrong factor looks like."""

from __future__ import annotations

import math

from pytest_mlff.units import kcal_per_mol


def _factors() -> dict[str, float]:
    from ase import units

    return {
        "kcal/mol taken as eV": 1 / kcal_per_mol(),
        "kJ/mol taken as eV": float(units.mol / units.kJ),
        "kJ/mol taken as kcal/mol": float(units.kcal / units.kJ),
        "meV taken as eV": 1000.0,
        "Hartree taken as eV": 1 / float(units.Hartree),
        "Rydberg taken as eV": 1 / float(units.Rydberg),
        "Hartree/Bohr taken as eV/Å": float(units.Bohr / units.Hartree),
        "eV taken as kcal/mol": kcal_per_mol(),
        "lengths in Bohr taken as Å": 1 / float(units.Bohr),
        "lengths in Å taken as Bohr": float(units.Bohr),
    }


def unit_mistake(factor: float, relative: float) -> str:
    """The mistake that makes numbers too large by a factor.

    Parameters
    ----------
    factor : float
        Found over true.
    relative : float
        How far, as a factor's natural logarithm, the nearest known mistake may be.

    Returns
    -------
    str
        E.g. ``"kcal/mol taken as eV (factor 23.06)"``; empty if none is near.
    """
    if factor <= 0:
        return ""
    name, known = min(_factors().items(), key=lambda item: abs(math.log(factor / item[1])))
    if abs(math.log(factor / known)) > relative:
        return ""
    return f"{name} (factor {known:.4g})"
