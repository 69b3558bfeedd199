"""What a model card says of laws that its model is known to break: shown, and not red."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_mlff.gate.threshold import Judgement, Verdict

if TYPE_CHECKING:
    from pytest_mlff.metrics.measurement import Measurement
    from pytest_mlff.potentials.card import ModelCard


def excused(
    metric: str, judgement: Judgement, measurement: Measurement, card: ModelCard
) -> tuple[Judgement, Measurement]:
    """What a card makes of the verdict on one law.

    A law that was measured and broken is reported if the card knows of it; an error, a law that
    the card does not name and anything but a law stay what they are. A law that holds although
    the card names it passes, and says so.

    Returns
    -------
    Judgement, Measurement
        ``REPORTED`` with ``known_violation`` in the evidence where the card excuses it.
    """
    why = card.known_violation(metric)
    if why is None or judgement.verdict not in (Verdict.FAILED, Verdict.PASSED):
        return judgement, measurement
    if judgement.verdict is Verdict.PASSED:
        told = f"{judgement.reason}; {card.path.name} names it as a known violation, yet it holds"
        return replace(judgement, reason=told), measurement
    told = f"known violation: {why}; {judgement.reason}"
    evidence = {**measurement.evidence, "known_violation": why}
    return Judgement(Verdict.REPORTED, told), replace(measurement, evidence=evidence)
