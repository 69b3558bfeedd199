"""pytest's short summary of what failed, in which a case keeps its reason in a narrow terminal."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

_KINDS = {"f": ("failed", "FAILED"), "E": ("error", "ERROR")}


def keep_reasons(terminal: pytest.TerminalReporter, names: Mapping[str, str]) -> None:
    """Have the short summary call a case by its name, and wrap its reason where pytest cuts it.

    pytest's own line begins with the id of the item, by which ``names`` are known and which alone
    may fill a terminal. What else failed stays as pytest says it.
    """
    theirs = terminal.short_test_summary

    def summary() -> None:
        stats = terminal.stats
        before = {kind: stats[kind] for kind, _ in _KINDS.values() if kind in stats}
        try:
            for kind, reports in before.items():
                stats[kind] = [one for one in reports if one.nodeid not in names]
            theirs()
        finally:
            stats.update(before)
        asked = [_KINDS[letter] for letter in terminal.reportchars if letter in _KINDS]
        cases = [
            (word, report)
            for kind, word in asked
            for report in before.get(kind, ())
            if report.nodeid in names
        ]
        if cases:
            terminal.write_sep("=", "short test summary info (mlff)", cyan=True, bold=True)
        for word, report in cases:
            _write(terminal, word, names[report.nodeid], _reason(report))

    setattr(terminal, "short_test_summary", summary)  # noqa: B010


def _reason(report: Any) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(report.longrepr) if crash is None else crash.message
    return text.strip().partition("\n")[0]


def _write(terminal: pytest.TerminalReporter, word: str, name: str, reason: str) -> None:
    option = terminal.config.option
    logged = "CI" in os.environ or "BUILD_NUMBER" in os.environ or option.verbose >= 2
    whole = logged and not getattr(option, "force_short_summary", False)
    width = terminal._tw.fullwidth
    terminal.write(word, red=True)
    terminal.write(" ")
    terminal.write(name, bold=True)
    if whole or len(f"{word} {name} - {reason}") <= width:
        terminal.write_line(f" - {reason}")
    else:
        terminal.write_line("")
        for line in textwrap.wrap(reason, width - 2):
            terminal.write_line(f"  {line}")
