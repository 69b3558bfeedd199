"""The terminal's table of measurements: worst first, with units and thresholds."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_mlff.gate.threshold import Verdict
from pytest_mlff.units import in_unit, percent, two_digits

if TYPE_CHECKING:
    from pytest_mlff.reports.model import CaseRecord

_WIDTH = 80
# Verdicts that no number in the table explains.
_TOLD = ("error", "unsupported", "skipped", "undecided", "reported")


def measurement(record: CaseRecord) -> str:
    """Value with the half width of its interval, e.g. ``41.2 ± 0.9``.

    ``± ?`` where there is too little for an interval.
    """
    return " ".join(part for part in _value(record) if part)


def _value(record: CaseRecord) -> tuple[str, str]:
    if record.value is None:
        return "–", ""
    value = f"{record.value:.4g}"
    if record.ci_low is None or record.ci_high is None:
        if "undecided" not in record.evidence:
            return value, ""
        return value, "± ?"
    return value, f"± {two_digits((record.ci_high - record.ci_low) / 2)}"


def change(record: CaseRecord) -> str:
    """Relative change against the baseline, e.g. ``+3.1 % worse``, ``better``, ``=`` or ``?``."""
    if record.baseline is None or record.value is None:
        return "–"
    if record.baseline == 0.0:
        return "±0 %" if record.value == 0.0 else "from 0"
    text = percent(record.value / record.baseline - 1.0)
    return f"{text} {_AGAINST.get(record.against, '')}".rstrip()


_AGAINST = {"worse": "worse", "better": "better", "same": "=", "undecided": "?"}


def _severity(record: CaseRecord) -> tuple[int, float]:
    # Unsupported cases say nothing of the model's quality: they stand after the failures.
    order = ("error", "failed", "regressed", "unsupported", "undecided", "reported")
    gravity = order.index(record.verdict) if record.verdict in order else len(order)
    if gravity == len(order) and record.model is None:
        # Sound data are no news; a reader asks for the model.
        return gravity, 1.0
    return gravity, -record.load


def table(records: Sequence[CaseRecord], limit: int | None) -> list[tuple[str, str]]:
    """Rows of the table, worst first, each with its verdict; that of the head is ``""``.

    At most ``limit`` rows of those that passed.
    """
    ordered = sorted(records, key=_severity)
    shown = [r for r in ordered if r.verdict != "passed"]
    passed = [r for r in ordered if r.verdict == "passed"]
    kept = passed if limit is None else passed[: max(0, limit - len(shown))]
    several = len({r.model for r in records} - {None}) > 1
    compared = any(r.baseline is not None for r in records)
    head = ("case", "measured", "(95 %)", "threshold", "unit", "verdict")
    rows = [(*head[:5], "baseline", head[5]) if compared else head]
    for record in [*shown, *kept]:
        named = several and record.model is not None
        cells = (
            f"{record.model}: {record.case_id}" if named else record.case_id,
            *_value(record),
            record.limit,
            in_unit("", record.unit).strip(),
        )
        against = (change(record),) if compared else ()
        rows.append((*cells, *against, record.verdict))
    reasons = [""] + [r.reason if r.verdict in _TOLD else "" for r in [*shown, *kept]]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        line = (
            f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}} {row[2]:<{widths[2]}}  "
            f"{row[3]:>{widths[3]}}  {row[4]:<{widths[4]}}  "
            + (f"{row[5]:>{widths[5]}}  " if compared else "")
            + row[-1]
        )
        lines.append((line, "" if number == 0 else row[-1]))
        reason = reasons[number]
        if reason and reason != (reasons[number + 1] if number + 1 < len(rows) else ""):
            # Once below a run of cases that share it.
            lines.append((f"  {textwrap.shorten(reason, _WIDTH - 2, placeholder=' …')}", row[-1]))
    if len(kept) < len(passed):
        lines.append((f"… and {len(passed) - len(kept)} more passed (-v shows all)", "passed"))
    if any(_value(record)[1] == "± ?" for record in [*shown, *kept]):
        lines.append(("± ?: too few frames or replicas for an interval", ""))
    if any(change(record).endswith("?") for record in [*shown, *kept]):
        lines.append(("% ?: cannot be told from the baseline", ""))
    return lines


def summary_line(records: Sequence[CaseRecord], collected: int) -> str:
    """Counts of the verdicts, gravest first."""
    counts = {name.value: sum(r.verdict == name for r in records) for name in Verdict}
    parts = [f"{count} {name}" for name, count in counts.items() if count]
    return f"{collected} case{'' if collected == 1 else 's'}: {', '.join(parts) or 'none was run'}"
