"""Models whose accuracy a run left open, since the labels are of another level of theory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytest_mlff.metrics.registry import metrics
from pytest_mlff.reports.headline import UNKNOWN, is_of_another_level

if TYPE_CHECKING:
    from pytest_mlff.reports.model import CaseRecord
    from pytest_mlff.run.planned_case import PlannedCase

_JUDGED = frozenset({"passed", "failed", "regressed", "undecided"})


def models_left_open(
    records: Mapping[str, CaseRecord], planned: Mapping[str, PlannedCase]
) -> list[str]:
    """Names of models of which a green run would say more than is known.

    A model is one of them if a case of its accuracy is ``reported`` for its level's sake, and

    - nobody says its level: energies far off are then another level, or simply wrong; or
    - the labels are the user's own, which were given to be judged; or
    - no other case of its accuracy was judged.

    Parameters
    ----------
    records : mapping
        Record of each case, by node id.
    planned : mapping
        What each case was planned to be, by node id.
    """
    labelled = {name for name, metric in metrics().items() if metric.labels is not None}
    judged = {
        record.model
        for record in records.values()
        if record.metric in labelled and record.verdict in _JUDGED
    }
    unjudged = {
        record.model or ""
        for nodeid, record in records.items()
        if is_of_another_level(record)
        and (
            record.evidence["level"] == UNKNOWN
            or record.model not in judged
            or nodeid not in planned
            or planned[nodeid].on_own_data
        )
    }
    return sorted(unjudged)
