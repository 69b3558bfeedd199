"""The figures of the suites as the page's script draws them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mlff.reports.figures import figures_of
from pytest_mlff.reports.figures.description import MatrixPanel, WindowPanel, XYPanel
from pytest_mlff.reports.figures.interactive import theme_update, to_plotly
from pytest_mlff.reports.figures.palette import DARK, LIGHT

if TYPE_CHECKING:
    from pytest_mlff.reports.figures import Figure
    from pytest_mlff.reports.model import Report

__all__ = ["Plot", "Plots", "plots_of"]


@dataclass(frozen=True)
class Plot:
    """One figure.

    Attributes
    ----------
    id, title, caption : str
        As the figure has them.
    height, least_width : int
        Pixels; on narrower pages the figure scrolls within its own frame.
    figure : dict
        ``data`` and ``layout`` for plotly.js, and what the two ``themes`` change in them.
    """

    id: str
    title: str
    caption: str
    height: int
    least_width: int
    figure: dict[str, Any]


@dataclass(frozen=True)
class Plots:
    """All figures of a page, with plotly.js if there are any.

    Attributes
    ----------
    plots : tuple of Plot
    plotly_js : str
        plotly.js; empty where there is nothing to draw.
    """

    plots: tuple[Plot, ...]
    plotly_js: str


def plots_of(report: Report) -> Plots:
    """Figures of a report for its page.

    Raises
    ------
    MissingExtraError
        If there are figures and plotly is not installed.
    """
    plots = tuple(_plot(figure) for figure in figures_of(report))
    if not plots:
        return Plots((), "")
    from plotly.offline import get_plotlyjs

    return Plots(plots, get_plotlyjs())


def _plot(figure: Figure) -> Plot:
    drawn = to_plotly(figure, LIGHT)
    # plotly's own encoder knows what is not finite; ours refuses it.
    content = json.loads(drawn.to_json())
    content["themes"] = {theme.name: theme_update(figure, theme) for theme in (LIGHT, DARK)}
    return Plot(
        id=figure.id,
        title=figure.title,
        caption=figure.caption,
        height=int(drawn.layout.height),
        least_width=_least_width(figure),
        figure=content,
    )


def _least_width(figure: Figure) -> int:
    """Pixels below which labels would lie on top of each other."""
    columns = min(figure.columns, len(figure.panels))
    if columns > 1:
        return 420 * columns
    wide = any(isinstance(panel, WindowPanel | MatrixPanel) for panel in figure.panels)
    if wide:
        return 720
    # One row a case, with its name beside it: narrow is better than cut off.
    rows = all(isinstance(panel, XYPanel) and panel.horizontal for panel in figure.panels)
    return 480 if rows else 520
