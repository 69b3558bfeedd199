"""Units of data files, converted to eV and Å by ASE's CODATA constants."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from pytest_mlff.errors import MlffError
from pytest_mlff.units import kcal_per_mol

_ENERGIES = ("eV", "meV", "kcal/mol", "kJ/mol", "Hartree", "mHartree", "Rydberg")
_LENGTHS = ("Å", "Bohr")
# A minus stands for the sign of a pressure: positive under compression, as VASP prints it.
_STRESSES = ("eV/Å³", "GPa", "kbar", "-GPa", "-kbar")
_SPELLINGS = {
    "ha": "hartree",
    "eh": "hartree",
    "mha": "mhartree",
    "ry": "rydberg",
    "ang": "å",
    "angstrom": "å",
    "a": "å",
    "a0": "bohr",
    "kb": "kbar",
    "-kb": "-kbar",
    "ev/ang^3": "ev/å³",
    "ev/a^3": "ev/å³",
    "ev/å^3": "ev/å³",
    "ev/angstrom^3": "ev/å³",
}


@dataclass(frozen=True)
class FileUnits:
    """Units of a file: forces are energy per length, stress is energy per volume unless said."""

    energy: str
    length: str = "Å"
    stress: str | None = None

    @property
    def energy_and_length(self) -> FileUnits:
        """The same without a unit of stress, which few files state."""
        return FileUnits(self.energy, self.length)

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

    def stress_in_ev_per_cubic_angstrom(self) -> float:
        """One unit of stress in eV/Å³, ASE's sign."""
        from ase import units

        if self.stress is None:
            return self.energy_in_ev() / self.length_in_angstrom() ** 3
        sign, unit = (-1.0, self.stress[1:]) if self.stress[0] == "-" else (1.0, self.stress)
        return sign * {"eV/Å³": 1.0, "GPa": units.GPa, "kbar": 0.1 * units.GPa}[unit]

    def __str__(self) -> str:
        text = f"{self.energy}, {self.length}"
        return text if self.stress is None else f"{text}, {self.stress}"


EV_ANGSTROM = FileUnits("eV")
KCAL_MOL_ANGSTROM = FileUnits("kcal/mol")


def _canonical(text: str, choices: tuple[str, ...]) -> str | None:
    wanted = text.strip().lower()
    wanted = _SPELLINGS.get(wanted, wanted)
    return next((choice for choice in choices if choice.lower() == wanted), None)


def parse_units(text: str, where: str) -> FileUnits:
    """Read the units of a file: an energy, optionally a length and a stress after commas.

    Parameters
    ----------
    text : str
        ``"eV"``, ``"kcal/mol"``, ``"Hartree, Bohr"``, ``"eV, Å, GPa"`` …; capitals do not matter.
    where : str
        Begins the message of an error, e.g. the spec's file name.

    Raises
    ------
    MlffError
        If a unit is unknown.
    """
    parts = unicodedata.normalize("NFC", text).split(",")
    energy = _canonical(parts[0], _ENERGIES)
    length = _canonical(parts[1], _LENGTHS) if len(parts) > 1 else "Å"
    stress = _canonical(parts[2], _STRESSES) if len(parts) > 2 else None
    if energy is None or length is None or len(parts) > 3 or (len(parts) > 2 and stress is None):
        raise MlffError(
            f"{where}: unknown units {text!r}; write an energy ({', '.join(_ENERGIES)}), "
            f"optionally followed by a comma and a length ({', '.join(_LENGTHS)}), and by another "
            f"and the unit of stress ({', '.join(_STRESSES)})"
        )
    return FileUnits(energy, length, stress)
