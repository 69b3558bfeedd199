"""Names of models in a report: those that share one are called what the command line says.

One model's pass must never answer for another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_mlff.potentials.protocol import PotentialInfo
    from pytest_mlff.reports.model import CaseRecord
    from pytest_mlff.run.planned_case import PlannedCase


def infos_told_apart(infos: Sequence[PotentialInfo]) -> list[PotentialInfo]:
    """Loaded models, in their order, with names of their own."""
    sources: dict[str, set[str]] = {}
    for info in infos:
        sources.setdefault(info.name, set()).add(info.source)
    return [
        replace(info, name=info.source) if len(sources[info.name]) > 1 else info for info in infos
    ]


def records_told_apart(
    records: Mapping[str, CaseRecord], planned: Mapping[str, PlannedCase]
) -> dict[str, CaseRecord]:
    """Records by node id, in their order, with models called as in :func:`infos_told_apart`.

    A case that was not run knows only what the command line said of its model; a neighbour knows
    its name.
    """
    texts = {nodeid: one.source.text for nodeid, one in planned.items() if one.source is not None}
    names: dict[str, set[str | None]] = {}
    for nodeid in records.keys() & texts.keys():
        if records[nodeid].model != texts[nodeid]:
            names.setdefault(texts[nodeid], set()).add(records[nodeid].model)
    known = {text: next(iter(found)) for text, found in names.items() if len(found) == 1}

    def named(nodeid: str) -> str | None:
        text, model = texts.get(nodeid), records[nodeid].model
        return known.get(text, model) if text is not None and text == model else model

    sources: dict[str | None, set[str]] = {}
    for nodeid in records.keys() & texts.keys():
        sources.setdefault(named(nodeid), set()).add(texts[nodeid])
    shared = {name for name, found in sources.items() if len(found) > 1}
    return {
        nodeid: record.model_copy(
            update={"model": texts[nodeid] if named(nodeid) in shared else named(nodeid)}
        )
        for nodeid, record in records.items()
    }
