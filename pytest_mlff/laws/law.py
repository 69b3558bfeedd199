"""What a physical law is to the rest of the house, and what checking one returns."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol

from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypothesis.strategies import SearchStrategy

    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.laws.context import Context
    from pytest_mlff.laws.counterexample import Counterexample

__all__ = [
    "Law",
    "LawBase",
    "LawResult",
    "NonFiniteError",
    "Parameter",
    "Reading",
    "Trial",
    "VacuousCheckError",
    "worst",
]

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


@dataclass(frozen=True)
class LawResult:
    """The outcome of checking one law against one model.

    Attributes
    ----------
    law : str
        Id of the law.
    excess : float
        Largest violation divided by its tolerance; more than 1 is a violation.
    violation, tolerance : float
        Of the trial with the largest excess, in ``unit``.
    unit : str
        Unit of ``violation`` and ``tolerance``.
    evidence : mapping
        Examples drawn, means of the sizes every trial reports, seed, strictness.
    counterexample : Counterexample or None
        The smallest structure found that breaks the law.
    """

    law: str
    excess: float
    violation: float
    tolerance: float
    unit: str
    evidence: Mapping[str, Parameter]
    counterexample: Counterexample | None

    @property
    def holds(self) -> bool:
        """Whether no trial broke the law."""
        return math.isfinite(self.excess) and self.excess <= 1.0

    def summary(self) -> str:
        """Say what was found, with the counterexample if there is one."""
        verdict = "holds" if self.holds else "is broken"
        line = (
            f"{self.law} {verdict}: largest violation {self.violation:.3g} {self.unit}, "
            f"tolerance {self.tolerance:.3g} {self.unit} (excess {self.excess:.3g}); "
            f"{self.evidence.get('examples', 0)} examples, seed {self.evidence.get('seed', 0)}"
        )
        if self.counterexample is None:
            return line
        return f"{line}\n{self.counterexample.show()}"


class Law(Protocol):
    """A physical law that any potential must obey."""

    @property
    def id(self) -> str:
        """Metric id of the law."""

    @property
    def title(self) -> str:
        """What is asserted, in one line."""

    @property
    def required_evidence(self) -> tuple[str, ...]:
        """Evidence whose mean over all trials must be positive."""

    @property
    def uses_reference(self) -> bool:
        """Whether its trials differ for a pool with reference frames."""

    @property
    def min_atoms(self) -> int:
        """Fewest atoms of a structure that can break the law."""

    @property
    def shrinks(self) -> bool:
        """Whether a smaller counterexample would say more than the first."""

    def examples(self, wanted: int, /) -> int:
        """How many trials to make when ``wanted`` is the usual number."""

    def trials(self, context: Context) -> SearchStrategy[Trial]:
        """Strategy that draws trials; raises `NotSupportedError` if the model cannot serve."""

    def measure(self, context: Context, trial: Trial) -> Reading:
        """Measure one trial: a deterministic function of the trial and the model."""


class LawBase:
    """Defaults that most laws share."""

    required_evidence: ClassVar[tuple[str, ...]] = ("mean_force_norm",)
    uses_reference: ClassVar[bool] = True
    min_atoms: ClassVar[int] = 2
    shrinks: ClassVar[bool] = True

    def examples(self, wanted: int) -> int:
        """As many trials as wanted."""
        return wanted
