"""Figures of a report: what they show, and how they are drawn.

`figures_of` makes descriptions from a report alone; `static` draws them as PNG and SVG, and
`inline` puts the same SVG into a page.
"""

from __future__ import annotations

from pytest_mlff.reports.figures.catalogue import figures_of
from pytest_mlff.reports.figures.description import Figure
from pytest_mlff.reports.figures.files import FORMATS, write_figures

__all__ = ["FORMATS", "Figure", "figures_of", "write_figures"]
