"""Verdicts, and the verdict of a threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from pytest_mlff.errors import MlffError
from pytest_mlff.units import in_unit

if TYPE_CHECKING:
    from pytest_mlff.metrics.measurement import Measurement

__all__ = ["RED", "Judgement", "Verdict", "gravest", "judge_threshold"]


class Verdict(StrEnum):
    """What is said of a case, gravest first. Only ``PASSED`` is a pass.

    ``UNDECIDED``: whether it is worse than the baseline could not be told. ``REPORTED``: it was
    measured and nothing was asked of it, for want of a threshold or of labels of the model's
    own level of theory.
    """

    ERROR = "error"
    UNSUPPORTED = "unsupported"
    FAILED = "failed"
    REGRESSED = "regressed"
    SKIPPED = "skipped"
    UNDECIDED = "undecided"
    REPORTED = "reported"
    PASSED = "passed"


RED = (Verdict.ERROR, Verdict.FAILED, Verdict.REGRESSED)
"""Verdicts that make a run red."""


@dataclass(frozen=True)
class Judgement:
    """A verdict with the one line that explains it."""

    verdict: Verdict
    reason: str


def gravest(*judgements: Judgement) -> Judgement:
    """The gravest of several judgements; the first of equals.

    Raises
    ------
    ValueError
        If there is none: nothing judged is not a pass.
    """
    if not judgements:
        raise ValueError("no judgement was made")
    order = list(Verdict)
    return min(judgements, key=lambda one: order.index(one.verdict))


def judge_threshold(measurement: Measurement, maximum: float, unit: str) -> Judgement:
    """Hold a measurement against the largest acceptable value.

    Passed if the value is finite and not above ``maximum``. ``nan > maximum`` is False, so
    the test asks for what is wanted and not for what is to be avoided.

    Parameters
    ----------
    measurement : Measurement
    maximum : float
        Finite, ≥ 0.
    unit : str
        Unit of ``maximum``.

    Raises
    ------
    MlffError
        If the threshold is not a finite number ≥ 0 or is given in another unit.
    """
    if not (math.isfinite(maximum) and maximum >= 0.0):
        raise MlffError(f"threshold {maximum} {unit} is not a finite number of at least 0")
    if unit != measurement.unit:
        raise MlffError(
            f"threshold is in {unit}, but the value is in {measurement.unit}: "
            f"give the threshold in {measurement.unit}"
        )
    value = measurement.value
    if not math.isfinite(value):
        said = measurement.evidence.get("nonfinite", f"the value is {value}")
        return Judgement(Verdict.ERROR, str(said))
    found, limit = in_unit(f"{value:.4g}", unit), in_unit(f"{maximum:.4g}", unit)
    if value <= maximum:
        return Judgement(Verdict.PASSED, f"{found} ≤ {limit}")
    if maximum == 0.0:
        above = "above"
    elif value < 2.0 * maximum:
        above = f"{value / maximum - 1.0:.1%} above"
    else:
        above = f"{value / maximum:.3g} times"
    return Judgement(Verdict.FAILED, f"{found} is {above} the threshold of {limit}")
