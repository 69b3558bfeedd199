"""Models in processes of their own: the judge's side."""

from __future__ import annotations

from pytest_mlff.potentials.process.asked import Limits
from pytest_mlff.potentials.process.client import ProcessPotential
from pytest_mlff.potentials.process.handover import Offer
from pytest_mlff.potentials.process.opening import (
    limits_of,
    offer_potential,
    open_potential,
    start,
)
from pytest_mlff.potentials.process.surroundings import surroundings_of, surroundings_of_source

__all__ = [
    "Limits",
    "Offer",
    "ProcessPotential",
    "limits_of",
    "offer_potential",
    "open_potential",
    "start",
    "surroundings_of",
    "surroundings_of_source",
]
