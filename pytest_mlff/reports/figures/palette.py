"""Colours by role, for light and for dark pages.

The hues are those of Okabe and Ito (*Color Universal Design*, 2008), which colour-blind
readers can tell apart, with darker ones for models; on dark pages the darker ones are lightened.
Yellow is left out: it cannot be read on white. Marks differ in shape as well, so that nothing
hangs on colour alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_HUES: Final = {
    "blue": ("#0072b2", "#4ba3e3"),
    "vermillion": ("#d55e00", "#ff8a3d"),
    "green": ("#008c66", "#2fc79b"),
    "purple": ("#b0578d", "#e394c2"),
    "orange": ("#b87900", "#f0b02e"),
    "teal": ("#00647a", "#62c4dc"),
    "olive": ("#6f7d00", "#b5c94a"),
    "brown": ("#7a4a2b", "#b98a6a"),
    "wine": ("#7d1d3f", "#d9607a"),
    "navy": ("#23307a", "#b09cff"),
    "slate": ("#39424c", "#c3ccd6"),
    "foreground": ("#1f2328", "#e6e8eb"),
    "muted": ("#7b828b", "#7b828b"),
    "pale": ("#d9dce1", "#3d434b"),
    "rule": ("#5f6670", "#aab1ba"),
}
_ROLES: Final = {
    "all": "foreground",
    "species-C": "blue",
    "species-H": "orange",
    "species-O": "vermillion",
    "species-N": "purple",
    "limit": "rule",
    "muted": "muted",
    "empty": "pale",
    "passed": "green",
    "failed": "vermillion",
    "regressed": "orange",
    "undecided": "purple",
    "reported": "teal",
    "best": "green",
    "worst": "vermillion",
    "typical": "blue",
}
ROLES: Final = (
    *_ROLES, *(f"series-{k}" for k in range(6)), *(f"step-{k}" for k in range(101)),
)  # fmt: skip
"""Roles that between them have every colour that a figure may use."""
# None of them a verdict's: a model must not look red or green.
_SERIES: Final = ("blue", "olive", "wine", "brown", "navy", "slate")
_SHAPES: Final = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")
_SHAPED: Final = {"all": 0, "species-C": 1, "species-H": 2, "species-O": 3, "species-N": 4}

SCALE: Final = (
    "#fde0a6", "#f9bd76", "#ee955f", "#d96e5c", "#b84e66", "#8f3a70", "#622f6f", "#352559",
)  # fmt: skip
"""Colours of the continuous scale, small to large: lightness falls all the way."""


@dataclass(frozen=True)
class Theme:
    """Colours of what is not data, on a light or a dark page."""

    name: str
    text: str
    grid: str
    shade: str
    background: str


LIGHT: Final = Theme("light", "#1f2328", "#d9dce1", "#e7ebf0", "#ffffff")
DARK: Final = Theme("dark", "#e6e8eb", "#3d434b", "#2c323a", "#16191d")


def _number(role: str) -> int | None:
    head, _, tail = role.rpartition("-")
    return int(tail) if head in ("series", "step") and tail.isdigit() else None


def colour(role: str, theme: Theme = LIGHT) -> str:
    """Colour of a role as ``#rrggbb``.

    Parameters
    ----------
    role : str
        ``all``, ``species-<symbol>``, ``series-<k>`` (no order), ``step-<percent>`` (ordered,
        0 to 100), ``limit``, ``muted``, ``empty``, ``best``, ``typical``, ``worst`` or a verdict.
    theme : Theme
        Page that it stands on.
    """
    which = 1 if theme.name == "dark" else 0
    number = _number(role)
    if number is not None and role.startswith("step-"):
        return _ordered(number / 100.0, dark=bool(which))
    if number is not None:
        return _HUES[_SERIES[number % len(_SERIES)]][which]
    if role in _ROLES:
        return _HUES[_ROLES[role]][which]
    if role.startswith("species-"):
        # Any element has its colour, whichever others are in the report.
        return _HUES[_SERIES[sum(map(ord, role)) % len(_SERIES)]][which]
    return _HUES["muted"][which]


def marker(role: str) -> str:
    """Shape of a role's points, one of `_SHAPES`."""
    number = _number(role)
    if number is not None and role.startswith("step-"):
        number = round(number / 25.0)
    if number is None:
        number = _SHAPED.get(role, 5 if role.startswith("species-") else 0)
    return _SHAPES[number % len(_SHAPES)]


def _channels(text: str) -> tuple[int, int, int]:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def scale_colour(fraction: float, stops: tuple[str, ...] = SCALE) -> str:
    """Colour of the continuous scale at a fraction within [0, 1], linear between the stops."""
    place = min(max(fraction, 0.0), 1.0) * (len(stops) - 1)
    index = min(int(place), len(stops) - 2)
    share = place - index
    pairs = zip(_channels(stops[index]), _channels(stops[index + 1]), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _ordered(fraction: float, *, dark: bool) -> str:
    stops = ("#3fb8c9", "#2f86b8", "#3b559c", "#3a2a6b")
    if dark:
        stops = ("#4b6cc0", "#4fa3d8", "#63d2d6", "#d6f5c6")
    return scale_colour(fraction, stops)


def contrasting(background: str) -> str:
    """Black or white, whichever reads better (relative luminance of WCAG 2.1)."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (channel / 255.0 for channel in _channels(background))
    ]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    # Equal contrast ratios (L + 0.05)/0.05 and 1.05/(L + 0.05) meet at L = 0.179.
    return "#000000" if luminance > 0.179 else "#ffffff"
