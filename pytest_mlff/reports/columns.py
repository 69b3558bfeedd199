"""The report as a table: which columns there are, of which kind, and what stands in them.

Both the CSV file and the DataFrame are made from these columns, so they cannot differ.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from pytest_mlff.gate.threshold import Verdict
from pytest_mlff.reports.model import CaseRecord

if TYPE_CHECKING:
    from pytest_mlff.reports.model import Report, VariantRecord

VERDICTS: Final = tuple(verdict.value for verdict in Verdict)
"""Verdicts, gravest first: the order of the categories."""

ColumnKind = Literal["float", "integer", "boolean", "text", "verdict"]
Cell = float | int | bool | str | None

_KINDS: Final[dict[str, ColumnKind]] = {
    "value": "float", "ci_low": "float", "ci_high": "float", "threshold": "float",
    "baseline": "float", "seconds": "float", "n_frames": "integer", "n_atoms": "integer",
    "regressed": "boolean", "larger_is_better": "boolean", "verdict": "verdict",
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A column: a field of the record, ``axis_<name>`` or ``evidence_<name>``, of one kind.

    None in a cell is nothing; empty text counts as such.
    """

    name: str
    kind: ColumnKind
    cells: tuple[Cell, ...]


def columns_of(report: Report) -> list[Column]:
    """Columns of a report, one row per case in the report's order.

    First all fields of the case record (structures as JSON text), then the axes of the
    case's variant as ``axis_<name>``, then its evidence as ``evidence_<name>``.
    """
    cases = report.cases
    columns = [
        Column(name, _KINDS.get(name, "text"), tuple(_cell(case, name) for case in cases))
        for name in CaseRecord.model_fields
        if name not in ("evidence", "pictures", "film")
    ]
    variants = {_key(variant): variant.axes for variant in report.variants}
    columns += _spread("axis_", [variants.get(_key(case), {}) for case in cases])
    columns += _spread("evidence_", [case.evidence for case in cases])
    return columns


def _key(record: CaseRecord | VariantRecord) -> tuple[str, str, str, str]:
    return record.suite, record.spec, record.variant, record.dataset


def _cell(case: CaseRecord, name: str) -> Cell:
    value = getattr(case, name)
    if name in ("worst_frame", "counterexample") and value is not None:
        return json.dumps(value.model_dump(), ensure_ascii=False, allow_nan=False)
    return None if value == "" else value


def _spread(prefix: str, rows: Sequence[dict[str, Any]]) -> list[Column]:
    names = dict.fromkeys(name for row in rows for name in row)
    columns = []
    for name in names:
        cells = [None if row.get(name) == "" else row.get(name) for row in rows]
        kind = _kind(cells)
        if kind == "text":
            cells = [None if cell is None else str(cell) for cell in cells]
        elif kind == "float":
            cells = [None if cell is None else float(cell) for cell in cells]
        columns.append(Column(prefix + name, kind, tuple(cells)))
    return columns


def _kind(cells: Sequence[Any]) -> ColumnKind:
    found = {type(cell) for cell in cells if cell is not None}
    if any(type(cell) is int and not -(2**63) <= cell < 2**63 for cell in cells):
        return "text"  # no column of numbers holds it without loss
    if found <= {int}:
        return "integer"
    return "float" if found <= {int, float} else "text"
