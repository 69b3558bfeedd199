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
    from pytest_mlff.specs.cases import Threshold


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


def limit_on_value(threshold: Threshold, measurement: Measurement | None) -> float:
    """The largest, or the smallest, acceptable value: the limit, and its noise floor if asked.

    A value without a noise floor that should have one has no limit: ``nan``.
    """
    if measurement is None or not (threshold.above_floor and math.isfinite(measurement.value)):
        return threshold.limit
    return threshold.limit + float(measurement.evidence.get("noise_floor", math.nan))


def judge_reported(measurement: Measurement) -> Judgement:
    """Reported without a limit; what is not a number is no report but an error."""
    value = measurement.value
    if math.isfinite(value):
        return Judgement(Verdict.REPORTED, f"{value:.4g}, reported without a threshold")
    said = measurement.evidence.get("nonfinite", f"the value is {value}")
    return Judgement(Verdict.ERROR, str(said))


def judge_threshold(measurement: Measurement, threshold: Threshold) -> Judgement:
    """Hold a measurement against the largest, or the smallest, acceptable value.

    Passed if the value is finite and on the right side of the limit, or on it. ``nan`` compares
    false, so the test asks for what is wanted and not for what is to be avoided. A limit above
    a noise floor that is itself above the limit is an error: anything would pass.

    Parameters
    ----------
    measurement : Measurement
    threshold : Threshold
        Its limit is finite; ≥ 0 where it is the largest acceptable value.

    Raises
    ------
    MlffError
        If the limit is no such number, or is given in another unit.
    """
    unit, larger_is_better = threshold.unit, threshold.larger_is_better
    limit = limit_on_value(threshold, measurement)
    if not math.isfinite(limit) or (limit < 0.0 and not larger_is_better):
        what = "a finite number" if larger_is_better else "a finite number of at least 0"
        raise MlffError(f"threshold {limit} {unit} is not {what}")
    if unit != measurement.unit:
        raise MlffError(
            f"threshold is in {unit}, but the value is in {measurement.unit}: "
            f"give the threshold in {measurement.unit}"
        )
    value = measurement.value
    if not math.isfinite(value):
        return judge_reported(measurement)
    found, shown = in_unit(f"{value:.4g}", unit), in_unit(f"{limit:.4g}", unit)
    if limit != threshold.limit:
        own, floor = (in_unit(f"{x:.4g}", unit) for x in (threshold.limit, limit - threshold.limit))
        if limit > 2.0 * threshold.limit:
            said = f"the noise floor of {floor} is above the threshold of {own}: the reference"
            return Judgement(Verdict.ERROR, f"{said} has too few frames to tell")
        shown += f", {own} above the noise floor of {floor}"
    if (value >= limit) if larger_is_better else (value <= limit):
        return Judgement(Verdict.PASSED, f"{found} {'≥' if larger_is_better else '≤'} {shown}")
    if larger_is_better:
        off = f"{1.0 - value / limit:.1%} below" if limit > 0.0 else "below"
    elif limit == 0.0:
        off = "above"
    elif value < 2.0 * limit:
        off = f"{value / limit - 1.0:.1%} above"
    else:
        off = f"{value / limit:.3g} times"
    return Judgement(Verdict.FAILED, f"{found} is {off} the threshold of {shown}")
