"""Case records as flat ``user_properties``: how they reach JUnit and the xdist controller."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pytest_mlff.gate.standing import Standing
from pytest_mlff.gate.threshold import limit_on_value
from pytest_mlff.metrics.registry import metric_named
from pytest_mlff.reports.model import CaseRecord, plain

if TYPE_CHECKING:
    from pytest_mlff.gate.outcome import Outcome

PREFIX = "mlff."
_EVIDENCE = f"{PREFIX}evidence."
_ALONE = Standing()


# These are for reports, which get them beside the properties: a property is one line.
_NO_PROPERTIES = {
    "evidence", "nodeid", "worst_frame", "counterexample", "detail", "pictures", "film",
}  # fmt: skip


def record_of(outcome: Outcome, nodeid: str, standing: Standing = _ALONE) -> CaseRecord:
    """The record of an outcome with the verdict that stands and its standing to a baseline.

    ``seconds`` is added when the item has been reported.
    """
    case, measurement, threshold = outcome.case, outcome.measurement, outcome.case.threshold
    metric = metric_named(case.metric)

    def measured(name: str) -> Any:
        return None if measurement is None else plain(getattr(measurement, name))

    evidence = {
        **({} if measurement is None else measurement.evidence),
        **standing.evidence,
    }
    return CaseRecord(
        case_id=case.case_id,
        suite=case.suite,
        spec=case.spec_name,
        variant=case.variant.id,
        metric=case.metric,
        species=case.species,
        group=None if case.group is None else f"{case.group_by}={case.group}",
        model=outcome.model,
        dataset=case.variant.dataset,
        value=measured("value"),
        unit=metric.unit,
        larger_is_better=metric.larger_is_better,
        n_frames=measured("n_frames"),
        n_atoms=measured("n_atoms"),
        ci_low=measured("ci_low"),
        ci_high=measured("ci_high"),
        threshold=None if threshold is None else float(limit_on_value(threshold, measurement)),
        threshold_provenance=(
            None
            if threshold is None
            else f"{threshold.provenance.source}: {threshold.provenance.reference}"
        ),
        baseline=standing.baseline,
        regressed=standing.regressed,
        verdict=outcome.judgement.verdict.value,
        reason=outcome.judgement.reason,
        seconds=None,
        nodeid=nodeid,
        evidence={
            key: found for key, value in evidence.items() if (found := plain(value)) is not None
        },
    )


def to_properties(record: CaseRecord) -> list[tuple[str, str | float | int | bool]]:
    """Flat name-value pairs; what is None is left out."""
    content = record.model_dump(exclude=_NO_PROPERTIES)
    pairs = [(f"{PREFIX}{name}", value) for name, value in content.items() if value is not None]
    pairs += [(f"{_EVIDENCE}{name}", value) for name, value in record.evidence.items()]
    return pairs


def from_properties(
    properties: Iterable[tuple[str, Any]], nodeid: str, seconds: float
) -> CaseRecord | None:
    """Read a record back; None if there is none among the properties."""
    content: dict[str, Any] = {}
    evidence: dict[str, Any] = {}
    for name, value in properties:
        if name.startswith(_EVIDENCE):
            evidence[name.removeprefix(_EVIDENCE)] = value
        elif name.startswith(PREFIX):
            content[name.removeprefix(PREFIX)] = value
    if "case_id" not in content:
        return None
    missing = {
        name: None
        for name, field in CaseRecord.model_fields.items()
        if name not in content and field.is_required()
    }
    return CaseRecord(
        **{**missing, **content, "evidence": evidence, "nodeid": nodeid, "seconds": seconds}
    )
