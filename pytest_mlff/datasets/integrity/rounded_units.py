"""Energies were not converted with a rounded unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_mlff.datasets.integrity.groups import datasets_of
from pytest_mlff.datasets.integrity.result import IntegrityResult
from pytest_mlff.errors import NotSupportedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.splits import FrameSets

ROUNDED: Final = {
    "kcal/mol": (0.0434, 0.04336, 0.043364, 0.0433641),
    "kJ/mol": (0.0104, 0.01036, 0.010364, 0.0103643),
    "Hartree": (27.2, 27.21, 27.211, 27.2114, 27.21138),
}
"""eV. What programs write for one unit of energy, short of its digits."""
_DIGITS: Final = range(1, 9)
_FEWEST: Final = 20


def rounded_units(sets: FrameSets) -> IntegrityResult:
    """Energies over a rounded unit are no decimal numbers; the value is that unit's error, in 1e-6.

    Programs print energies with some decimals. Divided by the factor that they were converted
    with, and by no other, energies are such numbers again; a factor short of digits gives it away:
    0.04336 eV for 1 kcal/mol is 95e-6 too small, 0.4 eV of ethanol's 4,200.

    Raises
    ------
    NotSupportedError
        If energies are too few, or were rounded to float32, which hides it.
    """
    judged, value, reason = 0, 0.0, ""
    for molecule, dataset in datasets_of(sets).items():
        energy = dataset.frames.energy
        energy = None if energy is None else energy[np.isfinite(energy)]
        if energy is None or len(energy) < _FEWEST or _is_single(energy):
            continue
        judged += len(energy)
        for unit, factors in ROUNDED.items():
            for factor in factors:
                digits = _decimals(energy / factor)
                if digits is not None:
                    off = abs(factor / _exact(unit) - 1.0) * 1e6
                    value = max(value, off)
                    reason = (
                        f"energies of {molecule} are numbers of {digits} decimals times "
                        f"{factor} eV: converted from {unit} with a factor {off:.3g}e-6 off"
                    )
    if not judged:
        raise NotSupportedError(f"no system has {_FEWEST} energies of full precision")
    return IntegrityResult(value, judged, reason or "no rounded unit gives decimal numbers")


def _is_single(energy: NDArray[np.float64]) -> bool:
    return bool((energy.astype(np.float32) == energy).all())


def _exact(unit: str) -> float:
    from ase import units

    return float({"kcal/mol": units.kcal / units.mol, "kJ/mol": units.kJ / units.mol,
                  "Hartree": units.Hartree}[unit])  # fmt: skip


def _decimals(values: NDArray[np.float64]) -> int | None:
    """Decimals that all values have, if fewer than rounding of the quotient would show."""
    for digits in _DIGITS:
        scaled = values * 10.0**digits
        # Of what float64 carries of a sum and a product, far from a half.
        noise = 8.0 * np.finfo(np.float64).eps * np.abs(scaled)
        if noise.max() > 0.05:
            return None
        if (np.abs(scaled - np.round(scaled)) <= np.maximum(noise, 1e-9)).all():
            return digits
    return None
