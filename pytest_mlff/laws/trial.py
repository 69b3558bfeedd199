"""One point at which a law is tried, and what is read there."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.errors import MlffError
from pytest_mlff.laws.wording import amount, share
from pytest_mlff.potentials.protocol import Prediction

Parameter = float | int | str


class VacuousCheckError(MlffError):
    """The check ran, but nothing it looked at could have broken the law (verdict ``error``)."""


class NonFiniteError(MlffError):
    """The model answered NaN or infinity, so the law could not be measured (verdict ``error``)."""


class UnsteadyError(MlffError):
    """A model raised, and answered when it was asked the same once more."""


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
        Which quantity was worst.
    claim : str
        What was done and what it does, up to the violation: ``turning this molecule by 73° about
        (0, 0, 1) changes the forces by``. A whole sentence where it ends with a full stop.
    size : float
        Typical size of the quantity, in ``unit``; 0 where there is none.
    facts : tuple of str
        Values before and after, for who has to mend it.
    remark : str
        What was seen beside it and breaks nothing.
    """

    violation: float
    tolerance: float
    unit: str
    evidence: Mapping[str, float]
    what: str = ""
    claim: str = ""
    size: float = 0.0
    facts: tuple[str, ...] = ()
    remark: str = ""

    @property
    def headline(self) -> str:
        """One sentence in physical units: the claim, by how much, and what rounding explains."""
        if self.claim.endswith("."):
            return self.claim[:-1]
        claim = self.claim or f"{self.what or 'the answers'}: off by"
        part = f", {share(self.violation, self.size)} their size" if self.size > 0 else ""
        return (
            f"{claim} {amount(self.violation, self.unit)}{part}; "
            f"rounding explains {amount(self.tolerance, self.unit, 2)}"
        )

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
    return replace(chosen, evidence=evidence)


Questions = Generator[Sequence[Frames], Sequence[Prediction], Reading]
"""What a law that yields is: it yields batches, is sent their answers and returns a reading."""
