"""What a case hands to the reports beside its properties: structures and per-frame values.

JUnit writes every property out, one line each, which is no place for arrays. They travel
as one more attribute of pytest's report instead, which xdist carries between processes as
long as it consists of primitives; only there are arrays packed into text.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_mlff.datasets.splits import IndexSet
    from pytest_mlff.gate.outcome import Outcome
    from pytest_mlff.gate.records import KeptCase
    from pytest_mlff.reports.model import StructureRecord
    from pytest_mlff.run.planned_case import PlannedCase
    from pytest_mlff.run.session import Session

_ATTRIBUTE = "mlff_attachment"
_KEY = pytest.StashKey[dict[str, Any]]()


def attachment_of(
    session: Session, one: PlannedCase, outcome: Outcome, record: KeptCase | None
) -> dict[str, Any]:
    """What the reports get of a case: primitives, and ``arrays`` as they are."""
    from pytest_mlff.gate.records import pack
    from pytest_mlff.reports.structure import structure_of

    found: dict[str, Any] = {"detail": outcome.detail}
    if (counts := _counts(session, one, outcome)) is not None:
        found["counts"] = counts
    worst = _worst_frame(session, one, outcome)
    if outcome.measurement is not None:
        shown = outcome.measurement.shown
        found |= {"pictures": [asdict(picture) for picture in shown.pictures]}
        found |= {} if shown.film is None else {"film": asdict(shown.film)}
        if shown.moment is not None:
            worst = structure_of(shown.moment[0], 0, shown.moment[1])
    if worst is not None:
        found["worst_frame"] = worst.model_dump()
    broken = outcome.counterexample
    if broken is not None and len(broken.frames):
        found["counterexample"] = structure_of(broken.frames, 0, broken.description).model_dump()
    if record is not None:
        arrays: dict[str, Any] = {}
        found["entry"] = pack(record, arrays)
        found["arrays"] = arrays
    return found


def _counts(session: Session, one: PlannedCase, outcome: Outcome) -> dict[str, Any] | None:
    """Predictions against references, where it is of errors of energies or forces."""
    from pytest_mlff.metrics.registry import metric_named
    from pytest_mlff.metrics.spread import counted
    from pytest_mlff.statistics.evidence import FrameSeries

    series = None if outcome.measurement is None else outcome.measurement.series
    metric = metric_named(one.case.metric)
    if (
        metric.labels not in ("energy", "forces")
        or one.source is None
        or not isinstance(series, FrameSeries)
    ):
        return None
    inputs = session.evaluation.inputs(one.case, one.planned, one.source)
    return counted(str(metric.labels), inputs.frames, inputs.prediction, one.case.species)


def _worst_frame(session: Session, one: PlannedCase, outcome: Outcome) -> StructureRecord | None:
    """The test frame with the largest error, and how wrong the force on each atom is."""
    from pytest_mlff.reports.structure import structure_of
    from pytest_mlff.statistics.evidence import FrameSeries

    series = None if outcome.measurement is None else outcome.measurement.series
    if one.source is None or not isinstance(series, FrameSeries):
        return None
    evaluation, variant = session.evaluation, one.case.variant
    potential = evaluation.potential(one.source, variant.id, one.planned)
    test = evaluation.frame_sets(one.planned, variant).test
    index = series.worst_frame
    forces = evaluation.passes.of(potential, test.frames).forces
    return structure_of(test.frames, index, _place(test, index), forces)


def _place(test: IndexSet, index: int) -> str:
    """Which frame of which molecule it is."""
    for molecule, positions in test.indices.items():
        if index < len(positions):
            return f"test frame {index} of {molecule}"
        index -= len(positions)
    raise IndexError(index)


def keep_for_report(item: pytest.Item, attachment: dict[str, Any]) -> None:
    """Put an attachment by until the item's report is made."""
    item.stash[_KEY] = attachment


def hand_over(item: pytest.Item, report: pytest.TestReport) -> None:
    """Hang what was put by on the report of the item's call."""
    if report.when != "call" or _KEY not in item.stash:
        return
    found = item.stash[_KEY]
    del item.stash[_KEY]
    if "arrays" in found and hasattr(item.config, "workerinput"):
        from pytest_mlff.gate.records import write_arrays

        packed = base64.b64encode(write_arrays(found["arrays"])).decode("ascii")
        found = {**found, "arrays": packed}
    setattr(report, _ATTRIBUTE, found)


def take(report: pytest.TestReport) -> dict[str, Any] | None:
    """Take an attachment off a report, which pytest keeps until the end of the run."""
    found: dict[str, Any] | None = report.__dict__.pop(_ATTRIBUTE, None)
    return found


def shown_of(attachment: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a case record that an attachment holds."""
    from pydantic import TypeAdapter

    from pytest_mlff.reports.model import CaseRecord

    fields: dict[str, Any] = {**CaseRecord.model_fields}
    return {
        name: TypeAdapter(fields[name].annotation).validate_python(attachment[name])
        for name in ("detail", "worst_frame", "counterexample", "pictures", "film")
        if name in attachment
    }


def arrays_of(attachment: Mapping[str, Any]) -> dict[str, Any]:
    """Arrays of an attachment that has an ``entry``."""
    from pytest_mlff.gate.records import read_arrays

    arrays = attachment["arrays"]
    if isinstance(arrays, str):
        return read_arrays(base64.b64decode(arrays))
    return dict(arrays)
