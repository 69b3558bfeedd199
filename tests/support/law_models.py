"""Sound and faulty potentials for the physical laws, handed to the plugin as ``file.py:callable``.

Every callable returns a `Potential`: Lennard-Jones on the atoms of ethanol, with one fault.
"""

from __future__ import annotations

from pytest_mlff.laws.exact import ExactPotential, lennard_jones
from pytest_mlff.laws.mutants import FAULTS, Mutant


def sound() -> ExactPotential:
    """No fault at all."""
    return lennard_jones(("C", "H", "O"), cutoff=5.0)


def _faulty(name: str, strength: float = 1.0) -> Mutant:
    return Mutant(sound(), FAULTS[name], strength)


def stretched_axis() -> Mutant:
    return _faulty("stretched_axis", 0.01)


def index_order() -> Mutant:
    return _faulty("index_order", 0.1)


def hard_cutoff() -> Mutant:
    return _faulty("hard_cutoff", 0.1)


def non_conservative() -> Mutant:
    return _faulty("non_conservative", 0.1)


def zero_forces() -> Mutant:
    return _faulty("zero_forces")


def nan_short() -> Mutant:
    """NaN below 0.9 of a bond: rattled ethanol has such distances, and so has a dimer."""
    return _faulty("nan_short", 2.5)
