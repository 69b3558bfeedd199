"""The outcome of a case: its judgement with the measurement behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_mlff.gate.threshold import Judgement
    from pytest_mlff.laws.counterexample import Counterexample
    from pytest_mlff.metrics.measurement import Measurement
    from pytest_mlff.specs import Case


@dataclass(frozen=True)
class Outcome:
    """What came out of one case: a verdict with its reason, and what could be measured.

    A case that judges the data has no model.
    """

    case: Case
    judgement: Judgement
    measurement: Measurement | None
    model: str | None

    @property
    def detail(self) -> str:
        """Several lines for whoever has to fix it; empty where there is nothing to add."""
        return "" if self.measurement is None else self.measurement.detail

    @property
    def counterexample(self) -> Counterexample | None:
        """The smallest structure that breaks a law."""
        return None if self.measurement is None else self.measurement.counterexample
