"""How the page writes times, digests, windows and names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup

    from pytest_mlff.reports.model import CaseRecord, VariantRecord


def breakable(name: str) -> Markup:
    """A name that a narrow page breaks behind ``_ / . : -`` and not within a word."""
    from markupsafe import Markup

    return Markup("<wbr>").join(re.findall(r"[^_/.:-]*[_/.:-]+|[^_/.:-]+", name))


def duration(seconds: float) -> str:
    """A time span for people: ``0.42 s``, ``16 s``, ``5 min``, ``30 min 34 s``, ``2 h 05 min``."""
    if seconds < 10:
        return f"{seconds:.2g} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        rest = f" {whole % 60} s" if whole % 60 else ""
        return f"{whole // 60} min{rest}"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def instant(text: str) -> str:
    """``2026-03-01 09:30 UTC``; what is no ISO time stays as it is."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return text
    zone = found.tzname() or ""
    return f"{found:%Y-%m-%d %H:%M} {zone}".rstrip()


def short_digest(digest: str | None) -> str:
    """First twelve digits of a digest."""
    return "–" if digest is None else digest[:12]


def percent_window(window: Sequence[float] | None) -> str:
    """``0–90 %`` of a trajectory."""
    if not window:
        return "–"
    return f"{'–'.join(f'{edge:g}' for edge in window)} %"


def frames_of(count: int | None) -> str:
    """A number of frames; a dash where none are cut."""
    return "–" if count is None else f"{count:,}"


def identity(record: CaseRecord | VariantRecord) -> str:
    """``suite/spec`` of a record."""
    return f"{record.suite}/{record.spec}"
