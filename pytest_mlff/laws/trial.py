"""One point at which a law is tried, and what is read there."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_mlff.datasets.frames import Frames

__all__ = ["NonFiniteError", "Parameter", "Reading", "Trial", "VacuousCheckError", "worst"]

Parameter = float | int | str


class VacuousCheckError(MlffError):
    """The check ran, but nothing it looked at could have broken the law (verdict ``error``)."""


class NonFiniteError(MlffError):
    """The model answered NaN or infinity, so the law could not be measured (verdict ``error``)."""


@dataclass(frozen=True, eq=False)
class Trial:
    """One point at which a law is tried: enough, with the model, to repeat the measurement.

    Attributes
    ----------
    frames : Frames
        The structure (or structures) without labels.
    parameters : mapping
        Everything else that was drawn: seeds of transformations, distances …
    """

    frames: Frames
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """What one trial says.

    Attributes
    ----------
    violation : float
        By how much the law is broken, in ``unit``.
    tolerance : float
        How much rounding alone could account for, in ``unit``; positive.
    unit : str
        Unit of both.
    evidence : mapping
        Sizes that must not all be zero for the trial to mean anything.
    what : str
        Which quantity was worst, for the message.
    """

    violation: float
    tolerance: float
    unit: str
    evidence: Mapping[str, float]
    what: str = ""

    @property
    def excess(self) -> float:
        """Violation over tolerance; more than 1 breaks the law."""
        return self.violation / self.tolerance if self.tolerance > 0 else math.inf


def worst(*readings: Reading) -> Reading:
    """The reading with the largest excess, carrying the evidence of all."""
    chosen = max(readings, key=lambda reading: reading.excess)
    evidence: dict[str, float] = {}
    for reading in readings:
        evidence.update(reading.evidence)
    return Reading(chosen.violation, chosen.tolerance, chosen.unit, evidence, chosen.what)
