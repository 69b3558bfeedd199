"""The summary of a step: the answer in words, what is red, and the rest folded away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from pytest_mlff.metrics.registry import is_law
from pytest_mlff.reports.comparison import comparison_of
from pytest_mlff.reports.github.escape import inline, preformatted
from pytest_mlff.reports.github.words import change, interval, is_red, number, worst_first
from pytest_mlff.reports.headline import headline_of

if TYPE_CHECKING:
    from pytest_mlff.reports.model import CaseRecord, Report

SUMMARY_LIMIT: Final = 1024 * 1024
"""Bytes that GitHub takes for one step; more, and it shows nothing at all."""
_FRAME: Final = 600
"""Bytes kept for a section's heading and for what it says of rows that were left out."""
_MODELS_NAMED: Final = 10
_HEAD_ROOM: Final = 12_000
_COLUMNS: Final = (
    "case", "verdict", "value", "95 % interval", "threshold", "unit", "against baseline", "why",
)  # fmt: skip


def step_summary(report: Report, limit: int = SUMMARY_LIMIT) -> str:
    """Markdown for ``$GITHUB_STEP_SUMMARY``, never more than ``limit`` bytes of UTF-8.

    Rows that do not fit are left out, and their number is said; empty if not even the answer
    fits.
    """
    head = _head(report)
    if limit < _HEAD_ROOM:
        return _brief(report, limit)
    # The longest section is made last, so that it cannot crowd out the others.
    makers = (_red, _laws, _unsupported, _run, _cases)
    room = limit - _size(head) - _FRAME * len(makers)
    made: list[str] = []
    for make in makers:
        made.append(make(report, max(room, 0)))
        room -= max(_size(made[-1]) - _FRAME, 0)
    red, laws, unsupported, run, cases = made
    return head + red + cases + laws + unsupported + run


def _size(text: str) -> int:
    return len(text.encode())


def _title(report: Report) -> str:
    headline = headline_of(report)
    return f"## May this force field be merged? {headline.answer}.\n\n{inline(headline.sentence)}\n"


def _brief(report: Report, limit: int) -> str:
    title = _title(report)
    full = f"{title}\nEverything else is left out: GitHub shows at most 1 MiB for one step.\n"
    return next((text for text in (full, title) if _size(text) <= limit), "")


def _head(report: Report) -> str:
    lines = [_title(report)]
    lines += _against_baseline(report)
    for model in report.models[:_MODELS_NAMED]:
        digest = f", sha256 {model.digest[:12]}" if model.digest else ""
        name = inline(model.name, 100)
        rest = inline(f"{model.family}, {model.device}, {model.dtype}{digest}", 150)
        lines.append(f"- model <code>{name}</code> ({rest})")
    if len(report.models) > _MODELS_NAMED:
        lines.append(f"- and {len(report.models) - _MODELS_NAMED} more models")
    return "\n".join(lines) + "\n\n"


def _against_baseline(report: Report) -> list[str]:
    found = comparison_of(report)
    if found is None:
        return []
    text = inline(found.sentence, 1000)
    return [f"⚠️ **{text}**\n" if found.blind else f"{text}\n"]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], room: int) -> str:
    """As many rows as ``room`` bytes hold, and how many do not.

    Cells are markdown already. The heading and the remark come on top of ``room``.
    """
    lines = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    for done, row in enumerate(rows):
        line = f"| {' | '.join(row)} |"
        room -= _size(line) + 1
        if room < 0:
            left = len(rows) - done
            lines += [
                "",
                f"**{left} of {len(rows)} rows {'is' if left == 1 else 'are'} left out**: GitHub "
                "shows at most 1 MiB for one step. The JSON report has them all.",
            ]
            break
        lines.append(line)
    return "\n".join(lines) + "\n\n"


def _folded(title: str, body: str) -> str:
    # Markdown is only read again after an empty line.
    return f"<details><summary>{title}</summary>\n\n{body}</details>\n\n"


def _name(record: CaseRecord, several: bool) -> str:
    label = f"{record.model}: {record.case_id}" if several and record.model else record.case_id
    return f"<code>{inline(label)}</code>"


def _several(report: Report) -> bool:
    return len({record.model for record in report.cases}) > 1


def _rows(report: Report, records: Sequence[CaseRecord]) -> list[list[str]]:
    several = _several(report)
    return [
        [
            _name(record, several),
            record.verdict,
            number(record.value),
            interval(record),
            record.limit,
            "" if record.unit == "1" else inline(record.unit),
            change(record),
            inline(record.reason),
        ]
        for record in records
    ]


def _red(report: Report, room: int) -> str:
    red = worst_first(record for record in report.cases if is_red(record))
    if not red:
        return ""
    return f"### What is red, worst first\n\n{_table(_COLUMNS, _rows(report, red), room)}"


def _cases(report: Report, room: int) -> str:
    records = worst_first(record for record in report.cases if not is_law(record.metric))
    if not records:
        return ""
    body = _table(_COLUMNS, _rows(report, records), room)
    return _folded(f"All cases with an error metric ({len(records)})", body)


def _laws(report: Report, room: int) -> str:
    records = worst_first(record for record in report.cases if is_law(record.metric))
    if not records:
        return ""
    told = [record for record in records if is_red(record) and record.detail]
    # Half for the table, so that a counterexample is seen whatever the number of laws.
    body = _table(_COLUMNS, _rows(report, records), room // 2 if told else room)
    room -= _size(body)
    left = 0
    for record in told:
        text = f"{_name(record, _several(report))}\n\n{preformatted(record.detail)}\n\n"
        if _size(text) > room:
            left += 1
            continue
        room -= _size(text)
        body += text
    if left:
        body += f"**{left} of {len(told)} counterexamples are left out** for want of room.\n\n"
    return _folded(f"Physical laws ({len(records)})", body)


def _unsupported(report: Report, room: int) -> str:
    rows = [
        [
            f"<code>{inline(f'{v.suite}/{v.spec}/{v.variant}')}</code>",
            "the data",
            "all",
            inline(v.unsupported),
        ]
        for v in report.variants
        if v.unsupported is not None
    ]
    grouped = Counter(
        (f"{r.suite}/{r.spec}/{r.variant}", r.model or "the data", r.reason)
        for r in report.cases
        if r.verdict == "unsupported"
    )
    rows += [
        [f"<code>{inline(variant)}</code>", inline(model), str(count), inline(reason)]
        for (variant, model, reason), count in sorted(grouped.items())
    ]
    if not rows:
        return ""
    body = _table(("variant", "model", "cases", "why"), rows, room)
    return _folded(f"Unsupported, so not tested ({len(rows)})", body)


def _run(report: Report, room: int) -> str:
    run = report.run
    facts = {
        "started": run.started,
        "seconds": f"{run.seconds:.0f}",
        "exit code": str(run.exit_code),
        "device": run.device,
        "platform": ", ".join(run.platform.values()),
        "seeds": ", ".join(f"{name} {seed}" for name, seed in run.seeds.items()),
        "versions": ", ".join(f"{name} {version}" for name, version in run.versions.items()),
        **{f"spec {name}": f"sha256 {digest[:12]}" for name, digest in run.spec_digests.items()},
    }
    rows = [[inline(name, 100), inline(text)] for name, text in facts.items() if text]
    return _folded("The run", _table(("", ""), rows, room))
