"""What a physical law is to the rest of the house, and what checking one returns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from pytest_mlff.laws.wording import amount

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from pytest_mlff.laws.context import Context
    from pytest_mlff.laws.counterexample import Counterexample
    from pytest_mlff.laws.trial import Parameter, Questions, Reading, Trial


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
    headline : str
        What was found in one sentence, in physical units: of the counterexample if there is one.
    remark : str
        What was seen beside it and breaks nothing; empty where nothing was.
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
    headline: str
    remark: str
    evidence: Mapping[str, Parameter]
    counterexample: Counterexample | None

    @property
    def holds(self) -> bool:
        """Whether no trial broke the law."""
        return math.isfinite(self.excess) and self.excess <= 1.0

    def summary(self) -> str:
        """Say what was found, with the counterexample if there is one."""
        verdict = "holds" if self.holds else "is broken"
        return f"{self.law} {verdict}: {self.headline}\n{self.detail()}"

    def detail(self) -> str:
        """Remark, number of examples and counterexample, a line each."""
        told = self.evidence
        lines = [self.remark] if self.remark else []
        count = told.get("examples", 0)
        lines.append(
            f"{count} example{'s' if count != 1 else ''}, seed {told.get('seed', 0)}, "
            f"strictness {told.get('strictness')}; largest violation "
            f"{amount(self.violation, self.unit)}, tolerance {amount(self.tolerance, self.unit)}"
        )
        if self.counterexample is not None:
            lines.append(str(self.counterexample))
        return "\n".join(lines)


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

    @property
    def compares_precisions(self) -> bool:
        """Whether it wants the same model in other precisions, too."""

    def examples(self, wanted: int, /) -> int:
        """How many trials to make when ``wanted`` is the usual number."""

    def trials(self, context: Context) -> SearchStrategy[Trial]:
        """Strategy that draws trials; raises `NotSupportedError` if the model cannot serve."""

    def measure(self, context: Context, trial: Trial) -> Reading | Questions:
        """Measure one trial: a deterministic function of the trial and the model.

        It asks by ``context.predict``, or yields lists of batches and is sent their answers. What
        several trials yield goes to a model's process together, which costs less.
        """


class LawBase:
    """Defaults that most laws share."""

    required_evidence: ClassVar[tuple[str, ...]] = ("mean_force_norm",)
    uses_reference: ClassVar[bool] = True
    min_atoms: ClassVar[int] = 2
    shrinks: ClassVar[bool] = True
    compares_precisions: ClassVar[bool] = False

    def examples(self, wanted: int) -> int:
        """As many trials as wanted."""
        return wanted
