"""Keys of reference labels: which quantity, level and unit a name tells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from pytest_mlff.datasets.conversion import FileUnits

_WORDS: Final[Mapping[str, frozenset[str]]] = {
    "energy": frozenset(("energy", "energies", "e", "u", "u0", "etot", "toten", "ener")),
    "forces": frozenset(("force", "forces", "f", "gradient", "gradients", "grad", "frc")),
    "stress": frozenset(("stress", "stresses", "virial", "virials", "sigma", "pressure")),
}
_NEUTRAL: Final = frozenset(
    (
        *("total", "tot", "potential", "pot", "free", "corrected", "formation", "atomization"),
        *("per", "atom", "raw", "mean", "key", "label", "labels", "a", "ang", "angstrom", "bohr"),
        *("mol", "gpa", "kbar", "tensor", "voigt"),
    )
)
"""Words of a key that tell neither the quantity nor the level."""
_ENERGY_UNITS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("ha", "hartree", "hartrees", "eh"), "Hartree"),
    **dict.fromkeys(("ry", "rydberg"), "Rydberg"),
    **{"ev": "eV", "mev": "meV", "kcal": "kcal/mol", "kcalmol": "kcal/mol"},
    **{"kj": "kJ/mol", "kjmol": "kJ/mol", "mha": "mHartree"},
}
"""Words of a key that tell the unit of energy."""


@dataclass(frozen=True)
class LabelKeys:
    """Keys that the spec names; None where the usual name is meant."""

    energy: str | None = None
    forces: str | None = None
    stress: str | None = None
    virial: str | None = None

    @property
    def named(self) -> frozenset[str]:
        """Every key that is named."""
        keys = (self.energy, self.forces, self.stress, self.virial)
        return frozenset(key for key in keys if key is not None)


class KeysSaid(Protocol):
    """The part of a spec's ``DatasetOption`` that names keys."""

    @property
    def energy_key(self) -> str | None:
        """Key of energies."""

    @property
    def forces_key(self) -> str | None:
        """Key of forces."""

    @property
    def stress_key(self) -> str | None:
        """Key of stress."""

    @property
    def virial_key(self) -> str | None:
        """Key of virials."""


def _tokens(key: str) -> list[str]:
    """Words of a key, small letters: ``REF_forces``, ``DFTEnergy``, ``wb97x_dz.energy``."""
    parted = re.sub(r"(?<=[A-Za-z])(?=[A-Z][a-z])", "_", key)
    return [word for word in re.split(r"[^a-z0-9()*+]+", parted.lower()) if word]


def quantity_of(key: str) -> str | None:
    """``energy``, ``forces`` or ``stress`` if a key reads like one of them."""
    if key.lower() == "free_energy":
        return "energy"
    words = set(_tokens(key))
    if words & {"unit", "units"}:
        return None
    # Last word first: "energy_forces" would be forces.
    return next((name for name in ("stress", "forces", "energy") if words & _WORDS[name]), None)


def is_label(key: str) -> bool:
    """Whether a key of ``info`` or ``arrays`` holds reference values, which no model may see."""
    return quantity_of(key) is not None


def _level_of(key: str) -> tuple[str, ...]:
    """What a key says beside the quantity: ``dft`` of ``dft_energy``."""
    if quantity_of(key) is None:
        return ()  # a name of somebody's own tells nothing
    known = frozenset().union(*_WORDS.values(), _NEUTRAL, _ENERGY_UNITS)
    return tuple(sorted(word for word in _tokens(key) if word not in known))


def check_one_level(
    keys: LabelKeys,
    present: Iterable[str],
    where: str,
    usual: tuple[str, str] = ("energy", "forces"),
) -> None:
    """Refuse energies and forces of two levels of theory.

    Parameters
    ----------
    keys : LabelKeys
        As named.
    present : iterable of str
        Keys that the file holds.
    where : str
        Begins the message.
    usual : tuple of str
        Keys of energy and forces where none is named.

    Raises
    ------
    MlffError
        If two keys name two levels, or a key's own level has a partner that is passed by.
    """
    taken = {
        name: key
        for name, key in (
            ("energy", keys.energy or usual[0]),
            ("forces", keys.forces or usual[1]),
            ("stress", keys.stress or keys.virial),
        )
        if key is not None
    }
    levels = {name: _level_of(key) for name, key in taken.items()}
    held = set(present)
    sides: tuple[tuple[str, str, str, str, str | None], ...] = (
        ("energy", "forces", usual[0], usual[1], keys.forces),
        ("forces", "energy", usual[1], usual[0], keys.energy),
    )
    for name, other, own, its_own, named in sides:
        if named is None and levels[name] and taken[name] != own and {own, its_own} <= held:
            raise MlffError(
                f"{where}: {name} {taken[name]!r} with {other} {its_own!r}, beside which the file "
                f"holds {own!r}: of which level are the {other}? Name both keys"
            )
    for name, level in levels.items():
        for other, its in levels.items():
            if level == its or not level:
                continue
            partner = next(
                (key for key in held if quantity_of(key) == other and _level_of(key) == level),
                None,
            )
            if its or (partner is not None and taken[other] in held):
                hint = f"; {other} of the level of {taken[name]!r}: {partner!r}" if partner else ""
                raise MlffError(
                    f"{where}: {name} {taken[name]!r} and {other} {taken[other]!r} are of two "
                    f"levels of theory; take both from one{hint}"
                )


def is_per_atom(key: str) -> bool:
    """Whether a key of energies says that they are divided by the number of atoms."""
    words = _tokens(key)
    said = {"per", "atom"} <= set(words) or "peratom" in words
    return said and quantity_of(key) == "energy"


def check_units_of_keys(keys: LabelKeys, units: FileUnits, where: str) -> None:
    """Hold what the names of the keys say of units and signs against the units of the file.

    Raises
    ------
    MlffError
        If a key says another unit, energies per atom, or pressure where stress is read.
    """
    for key in (keys.energy, keys.forces):
        if key is None or quantity_of(key) is None:
            continue
        if is_per_atom(key):
            raise MlffError(
                f"{where}: {key!r} says energies per atom; total energies are read, so write them "
                "under a key of their own"
            )
        words = _tokens(key)
        said = next((_ENERGY_UNITS[word] for word in words if word in _ENERGY_UNITS), None)
        length = "Bohr" if "bohr" in words else None
        if said not in (None, units.energy) or length not in (None, units.length):
            raise MlffError(
                f"{where}: {key!r} says {said or units.energy}"
                f"{', ' + length if length else ''}, but the file is read in {units}; set `units` "
                "beside its path, or rename the key"
            )
    pressure = keys.stress is not None and "pressure" in _tokens(keys.stress)
    if pressure and (units.stress is None or not units.stress.startswith("-")):
        raise MlffError(
            f"{where}: {keys.stress!r} says pressure, whose sign is minus that of stress; if so, "
            "say it with the unit, e.g. `units: eV, Å, -GPa`, else rename the key"
        )


def force_sign(key: str) -> float:
    """Minus one for a key that says gradient: the forces are minus that."""
    return -1.0 if any(word.startswith("grad") for word in _tokens(key)) else 1.0
