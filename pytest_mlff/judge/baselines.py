"""Two versions of a stored baseline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.errors import MlffError
from pytest_mlff.gate.baseline import load_baseline
from pytest_mlff.judge.edits import Edit
from pytest_mlff.metrics.registry import metrics
from pytest_mlff.statistics.evidence import FrameSeries, Pooled, Replicates

if TYPE_CHECKING:
    from pytest_mlff.gate.records import KeptCase


def baseline_edits(name: str, before: Path, after: Path) -> list[Edit]:
    """What a pull request changes in a baseline file.

    A better value holds the model to more; any other change may hold it to less.
    """
    if not before.is_file():
        return [Edit("stricter", name, "is new")] if after.is_file() else []
    if not after.is_file():
        return [Edit("baseline", name, "is gone")]
    if before.read_bytes() == after.read_bytes():
        return []
    old = load_baseline(before).cases
    try:
        new = load_baseline(after).cases
    except MlffError as error:
        return [Edit("baseline", name, f"it can no longer be read: {error}")]
    edits = []
    for case_id, entry in old.items():
        now = new.get(case_id)
        if now is None:
            edits.append(Edit("baseline", f"{name}: {case_id}", "is gone", float("inf")))
            continue
        edit = _edit(f"{name}: {case_id}", entry.record, now.record)
        edits += [] if edit is None else [edit]
    edits += [
        Edit("stricter", f"{name}: {case_id}", "is new") for case_id in new.keys() - old.keys()
    ]
    return edits or [Edit("baseline", name, "is changed")]


def _edit(where: str, old: KeptCase, new: KeptCase) -> Edit | None:
    was, now = old.series.value, new.series.value
    text = f"{was:.4g} → {now:.4g} {new.identity.unit}"
    other = old.identity.difference(new.identity)
    if _asks_less(old.metric, was, now):
        least, most = sorted((was, now))
        return Edit("baseline", where, text, most / least if least > 0 else float("inf"))
    if other is not None:
        return Edit("baseline", where, f"{text}, {other}")
    # Noisier values would hide a worsening as well as larger ones.
    if len(_parts(new)) != len(_parts(old)) or any(
        _spread(after) > _spread(before)
        for after, before in zip(_parts(new), _parts(old), strict=True)
    ):
        return Edit("baseline", where, f"{text}, with a larger spread over the frames")
    if now != was:
        return Edit("stricter", where, text)
    same = all(
        np.array_equal(before.totals, after.totals) and _units(before) == _units(after)
        for before, after in zip(_parts(old), _parts(new), strict=True)
    )
    return None if same else Edit("baseline", where, "per-frame values are others")


def _asks_less(metric: str, was: float, now: float) -> bool:
    """Whether the new value is the worse one; of an unknown metric any other may be."""
    known = metrics().get(metric)
    if known is None:
        return now != was
    return now < was if known.larger_is_better else now > was


def _parts(record: KeptCase) -> tuple[FrameSeries | Replicates, ...]:
    series = record.series
    return series.parts if isinstance(series, Pooled) else (series,)


def _spread(part: FrameSeries | Replicates) -> float:
    return float(np.std(part.totals / part.weights))


def _units(part: FrameSeries | Replicates) -> tuple[object, ...]:
    """What is counted as independent: replicas in place of frames would narrow an interval."""
    if isinstance(part, FrameSeries):
        return part.segments, part.independent
    return (len(part),)
