"""What the pointer is told: lines for points, bars and cells of a drawing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    from matplotlib.artist import Artist

NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""Characters that XML has no way to write."""

SVG = "{http://www.w3.org/2000/svg}"
_PREFIX = "tip-"


class Tips:
    """Lines for the parts of some artists, known by the id that each gets in the SVG."""

    def __init__(self) -> None:
        self.texts: dict[str, tuple[str, ...]] = {}

    def add(self, artist: Artist, texts: Sequence[str]) -> None:
        """Note the line of each part of an artist, in the order in which it draws them."""
        name = f"{_PREFIX}{len(self.texts)}"
        artist.set_gid(name)
        self.texts[name] = tuple(texts)


def add_titles(root: ElementTree.Element, tips: Tips) -> None:
    """Give each part of a drawing its line as ``<title>``, which browsers show by themselves."""
    for group in root.iter(f"{SVG}g"):
        texts = tips.texts.get(group.get("id", ""))
        if texts is None:
            continue
        del group.attrib["id"]
        parts = list(group.iter(f"{SVG}use")) or list(group.findall(f"{SVG}path"))
        # Every part or none: a line beside the wrong point would be a wrong number.
        if len(parts) != len(texts):
            raise AssertionError(f"{len(parts)} parts drawn for {len(texts)} lines")
        for part, text in zip(parts, texts, strict=True):
            part.set("class", "tip")
            ElementTree.SubElement(part, f"{SVG}title").text = NO_TEXT.sub("?", text)
