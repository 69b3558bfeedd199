"""What is said of a case and of a run, in the same words in the summary and in annotations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from pytest_mlff.gate.threshold import RED
from pytest_mlff.reports.headline import ORDER
from pytest_mlff.units import in_unit, percent

if TYPE_CHECKING:
    from pytest_mlff.reports.model import CaseRecord

_AGAINST: Final = {
    "worse": "🔺 worse", "better": "🔽 better", "same": "= same", "undecided": "❔ undecided",
}  # fmt: skip


def is_red(record: CaseRecord) -> bool:
    """Whether the case makes the run red."""
    return record.verdict in RED


def _badness(record: CaseRecord) -> tuple[int, float, float, str, str]:
    over, excess = record.load, 0.0
    if record.value is not None and record.baseline is not None and record.baseline > 0:
        excess = record.value / record.baseline
        if record.larger_is_better:
            excess = -excess
    # What is worse than it was is ordered by how much, everything else by its threshold.
    key = (-excess, -over) if record.verdict == "regressed" else (-over, -excess)
    return ORDER.index(record.verdict), *key, record.case_id, record.model or ""


def worst_first(records: Iterable[CaseRecord]) -> list[CaseRecord]:
    """Gravest verdict first, then the largest multiple of the threshold or the baseline."""
    return sorted(records, key=_badness)


def number(value: float | None) -> str:
    """Four digits, or a dash."""
    return "–" if value is None else f"{value:.4g}"


def interval(record: CaseRecord) -> str:
    """The 95 % confidence interval; ``?`` where there are too few frames for one."""
    if record.value is None:
        return "–"
    if record.ci_low is None or record.ci_high is None:
        return "?" if "undecided" in record.evidence else "–"
    return f"{record.ci_low:.4g} – {record.ci_high:.4g}"


def change(record: CaseRecord) -> str:
    """Change against the baseline, e.g. ``+5.2 % 🔺 worse``; a dash without one."""
    if record.baseline is None or record.value is None:
        return "–"
    difference = record.value - record.baseline
    if record.baseline > 0:
        text = percent(difference / record.baseline)
    else:
        text = in_unit(f"{difference:+.3g}", record.unit)
    word = _AGAINST.get(record.against, record.against)
    return f"{text} {word}"


def counts(records: Sequence[CaseRecord]) -> str:
    """E.g. ``2 failed, 38 passed``, gravest first."""
    found = {name: sum(r.verdict == name for r in records) for name in ORDER}
    return ", ".join(f"{count} {name}" for name, count in found.items() if count) or "none was run"
