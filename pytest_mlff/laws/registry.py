"""All laws by id, in the order of their table."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from pytest_mlff.errors import MlffError
from pytest_mlff.laws.conservativity import Conservativity
from pytest_mlff.laws.evaluation import BatchIndependence, Determinism, ThreadSafety
from pytest_mlff.laws.force_consistency import ForceConsistency
from pytest_mlff.laws.memory import Memory
from pytest_mlff.laws.no_holes import NoHoles
from pytest_mlff.laws.periodic import PeriodicImages
from pytest_mlff.laws.precision import Precision
from pytest_mlff.laws.separation import Locality, SizeExtensivity
from pytest_mlff.laws.smoothness import Smoothness
from pytest_mlff.laws.stress import StressConsistency
from pytest_mlff.laws.symmetry import Inversion, Permutation, Rotation, Translation
from pytest_mlff.laws.unknown_species import UnknownSpecies
from pytest_mlff.laws.zero_sums import IsolatedAtom, NetForce

if TYPE_CHECKING:
    from pytest_mlff.laws.law import Law

__all__ = ["LAWS", "law_named"]

LAWS: Final[dict[str, Law]] = {
    law.id: law
    for law in (
        Rotation(),
        Inversion(),
        Translation(),
        Permutation(),
        PeriodicImages(),
        ForceConsistency(),
        Conservativity(),
        StressConsistency(),
        Smoothness(),
        Locality(),
        SizeExtensivity(),
        IsolatedAtom(),
        NetForce(),
        BatchIndependence(),
        Determinism(),
        ThreadSafety(),
        Precision(),
        UnknownSpecies(),
        NoHoles(),
        Memory(),
    )
}


def law_named(law_id: str) -> Law:
    """The law with this id; raises `MlffError` naming the nearest."""
    if law_id in LAWS:
        return LAWS[law_id]
    near = get_close_matches(law_id, LAWS, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise MlffError(f"no law {law_id!r}{hint}; there are {', '.join(LAWS)}")
