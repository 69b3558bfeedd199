"""What the comparison of a run with its baselines came to, in words."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_mlff.reports.model import Report

_WORDS = ("worse", "undecided", "better", "same", "not worse")


@dataclass(frozen=True)
class Comparison:
    """How the cases of a run stand to their baselines.

    Where it is ``blind``, nothing could be told, so a green run says nothing of regressions. The
    sentence counts worse, better, same and undecided, and how small a worsening could be seen.
    """

    blind: bool
    sentence: str


def comparison_of(report: Report) -> Comparison | None:
    """What the comparison with baselines came to; None where there was none to make."""
    # A job may compare with several, one after the other: each is named.
    named = ", ".join(dict.fromkeys(report.run.baselines.values()))
    against = f"the baseline ({named})" if named else "the baseline"
    compared = [record for record in report.cases if record.baseline is not None]
    if not compared:
        if not report.run.baselines:
            return None
        return Comparison(
            blind=True,
            sentence=f"No case could be compared with {against}: a regression would go unseen.",
        )
    tally = Counter(record.against for record in compared)
    words = ", ".join(f"{tally[word]:,} {word}" for word in _WORDS if tally[word])
    text = f"Against {against}: {words}"
    blind = tally["undecided"] == len(compared)
    text += ": a regression would go unseen." if blind else "."
    if all("identical checkpoint" in record.reason for record in compared):
        text = f"The checkpoint is identical with that of the baseline. {text}"
    sizes = sorted(100 * size for size in _seen(report) if size < math.inf)
    if sizes:
        text += (
            " The smallest worsening that would have been seen with 80 % probability is "
            f"{sizes[0]:.1f} % in the best case and {sizes[-1]:.1f} % in the worst."
        )
    return Comparison(blind, text)


def _seen(report: Report) -> list[float]:
    found = (
        record.evidence.get("minimum_detectable")
        for record in report.cases
        if record.baseline is not None
    )
    return [size for size in found if isinstance(size, float)]
