"""Whether models of a report live equally long: the log-rank test between cases."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_mlff.errors import MissingExtraError

if TYPE_CHECKING:
    from pytest_mlff.reports.model import CaseRecord


def log_rank_between(cases: Iterable[CaseRecord]) -> float | None:
    """Chance of such lifetimes (p) of one simulation by several models that live equally long.

    None with fewer than two models whose lifetimes are told, for simulations of different length
    or ensemble, and without lifelines.
    """
    told = [one.evidence for one in cases if "lifetimes" in one.evidence]
    if len(told) < 2 or len({(one["ensemble"], one["simulated_ps"]) for one in told}) > 1:
        return None
    from pytest_mlff.metrics.survival import Lifetimes, log_rank

    with suppress(MissingExtraError):
        return log_rank([Lifetimes.from_text(str(one["lifetimes"])) for one in told])
    return None
