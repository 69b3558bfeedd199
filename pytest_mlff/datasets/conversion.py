"""Units of data files, converted to eV and Å by ASE's CODATA constants."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_mlff.errors import MlffError
from pytest_mlff.units import kcal_per_mol

__all__ = ["EV_ANGSTROM", "KCAL_MOL_ANGSTROM", "FileUnits", "parse_units"]

_ENERGIES = ("eV", "meV", "kcal/mol", "kJ/mol", "Hartree", "mHartree", "Rydberg")
_LENGTHS = ("Å", "Bohr")
_SPELLINGS = {
    "ha": "hartree",
    "eh": "hartree",
    "mha": "mhartree",
    "ry": "rydberg",
    "ang": "å",
    "angstrom": "å",
    "a": "å",
    "a0": "bohr",
}


@dataclass(frozen=True)
class FileUnits:
    """Units in which a file gives energies and lengths; forces are energy per length."""

    energy: str
    length: str = "Å"

    def energy_in_ev(self) -> float:
        """One unit of energy in eV."""
        from ase import units

        if self.energy == "kcal/mol":
            return kcal_per_mol()
        return float(
            {
                "eV": 1.0,
                "meV": 1e-3,
                "kJ/mol": units.kJ / units.mol,
                "Hartree": units.Hartree,
                "mHartree": 1e-3 * units.Hartree,
                "Rydberg": units.Rydberg,
            }[self.energy]
        )

    def length_in_angstrom(self) -> float:
        """One unit of length in Å."""
        from ase import units

        return float({"Å": 1.0, "Bohr": units.Bohr}[self.length])

    def forces_in_ev_per_angstrom(self) -> float:
        """One unit of force in eV/Å."""
        return self.energy_in_ev() / self.length_in_angstrom()

    def __str__(self) -> str:
        return f"{self.energy}, {self.length}"


EV_ANGSTROM = FileUnits("eV")
KCAL_MOL_ANGSTROM = FileUnits("kcal/mol")


def _canonical(text: str, choices: tuple[str, ...]) -> str | None:
    wanted = text.strip().lower()
    wanted = _SPELLINGS.get(wanted, wanted)
    return next((choice for choice in choices if choice.lower() == wanted), None)


def parse_units(text: str, where: str) -> FileUnits:
    """Read the units of a file: an energy, optionally a comma and a length.

    Parameters
    ----------
    text : str
        ``"eV"``, ``"kcal/mol"``, ``"Hartree, Bohr"`` …; capitals do not matter.
    where : str
        Begins the message of an error, e.g. the spec's file name.

    Raises
    ------
    MlffError
        If a unit is unknown.
    """
    parts = text.split(",")
    energy = _canonical(parts[0], _ENERGIES)
    length = _canonical(parts[1], _LENGTHS) if len(parts) > 1 else "Å"
    if energy is None or length is None or len(parts) > 2:
        raise MlffError(
            f"{where}: unknown units {text!r}; write an energy ({', '.join(_ENERGIES)}), "
            f"optionally followed by a comma and a length ({', '.join(_LENGTHS)})"
        )
    return FileUnits(energy, length)
