"""A badge: the answer of a report as a small SVG for a README."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Final

from pytest_mlff.reports.figures.palette import LIGHT, colour
from pytest_mlff.reports.headline import headline_of

if TYPE_CHECKING:
    from pytest_mlff.reports.model import Report

_LABEL: Final = "mlff"
_ROLES: Final = {"good": "passed", "bad": "failed", "unknown": "undecided"}
_LETTER, _PADDING, _HEIGHT = 6.6, 6.0, 20


def badge_text(report: Report) -> str:
    """What stands on the badge, e.g. ``75 passed`` or ``no: 3 of 75 red``."""
    headline = headline_of(report)
    total = max(len(report.cases), report.run.collected)
    if headline.tone == "good":
        return f"{total} passed" if set(_verdicts(report)) == {"passed"} else "passed"
    if headline.tone == "unknown":
        return "not decided"
    from pytest_mlff.gate.threshold import RED

    red = sum(verdict in RED for verdict in _verdicts(report))
    return f"no: {red} of {total} red" if red else "no"


def _verdicts(report: Report) -> list[str]:
    return [case.verdict for case in report.cases]


def badge_svg(report: Report) -> str:
    """The badge of a report, an SVG of 20 px height.

    Green only where the report's own headline is a plain yes.
    """
    text = badge_text(report)
    left, right = (_LETTER * len(part) + 2.0 * _PADDING for part in (_LABEL, text))
    fill = colour(_ROLES[headline_of(report).tone])
    title = html.escape(f"{_LABEL}: {text}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right:.0f}" height="{_HEIGHT}" '
        f'role="img" aria-label="{title}"><title>{title}</title>'
        f'<rect width="{left:.1f}" height="{_HEIGHT}" fill="{LIGHT.text}"/>'
        f'<rect x="{left:.1f}" width="{right:.1f}" height="{_HEIGHT}" fill="{fill}"/>'
        '<g fill="#ffffff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" '
        'text-anchor="middle">'
        f'<text x="{left / 2:.1f}" y="14">{_LABEL}</text>'
        f'<text x="{left + right / 2:.1f}" y="14">{html.escape(text)}</text></g></svg>\n'
    )
