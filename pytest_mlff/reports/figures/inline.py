"""The SVG of a figure as part of a page: the same drawing, in the colours of either theme."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from pytest_mlff.reports.figures.palette import DARK, LIGHT, ROLES, colour
from pytest_mlff.reports.figures.static import drawing
from pytest_mlff.reports.figures.tips import SVG

if TYPE_CHECKING:
    from pytest_mlff.reports.figures.description import Figure

_HREF = "{http://www.w3.org/1999/xlink}href"
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
_LONG = re.compile(r"-?\d+\.\d{3,}")
_URL = re.compile(r"url\(#([^)]+)\)")
_FONT = re.compile(r"(font: [^'\";]*?)'[^;\"]*")


def inline_svg(figure: Figure, *, narrow: bool = False) -> str:
    """A figure as an ``<svg>`` element for an HTML page, which has title and caption itself.

    Every text of the report is escaped. Ids begin with the figure's, colours follow the page's
    ``color-scheme``, and what has a line for the pointer is of the class ``tip`` and holds it as
    ``<title>``. A narrow one is laid out for a phone.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    root = drawing(figure, bare=True, narrow=narrow)
    metadata = root.find(f"{SVG}metadata")
    if metadata is not None:
        root.remove(metadata)
    _rename(root, f"figure-{figure.id}-{'n-' if narrow else ''}")
    for node in root.iter():
        for name in ("style", "fill", "stroke"):
            if name in node.attrib:
                text = node.tag == f"{SVG}text"
                node.set(name, _themed(node.attrib[name], text=text))
        for name in ("d", "x", "y"):
            if name in node.attrib:
                # A hundredth of a point is below what any screen shows.
                node.set(name, _LONG.sub(lambda found: f"{float(found[0]):.2f}", node.attrib[name]))
    width, height = (root.attrib.pop(name).removesuffix("pt") for name in ("width", "height"))
    # Points of a drawing are pixels here, a third larger, as text on a page is.
    root.set("style", f"width: {float(width) * 4 / 3:.0f}px; aspect-ratio: {width} / {height}")
    root.set("role", "img")
    root.set("aria-label", figure.title)
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)


def _rename(root: ElementTree.Element, prefix: str) -> None:
    """Prefix the ids that are referred to, and drop the others, which would be there twice."""
    used: set[str] = set()
    for node in root.iter():
        for name, value in list(node.attrib.items()):
            if name == _HREF and value.startswith("#"):
                used.add(value[1:])
                node.set(name, f"#{prefix}{value[1:]}")
            elif match := _URL.search(value):
                used.add(match[1])
                node.set(name, _URL.sub(lambda found: f"url(#{prefix}{found[1]})", value))
    for node in root.iter():
        own = node.attrib.pop("id", None)
        if own in used:
            node.set("id", f"{prefix}{own}")


@cache
def _dark() -> dict[str, str]:
    """Colours of light pages to those of dark ones."""
    pairs = {colour(role): colour(role, DARK) for role in ROLES}
    for name in ("text", "grid", "shade", "background"):
        pairs[getattr(LIGHT, name)] = getattr(DARK, name)
    return pairs


def _themed(style: str, *, text: bool) -> str:
    def both(match: re.Match[str]) -> str:
        light = match[0]
        # White text stands on a coloured cell, which stays as it is.
        dark = light if text and light == LIGHT.background else _dark().get(light, light)
        return light if dark == light else f"light-dark({light}, {dark})"

    return _FONT.sub(r"\1var(--sans, sans-serif)", _COLOUR.sub(both, style))
