"""Counts on a grid through matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlff.reports.figures.palette import SCALE, colour
from pytest_mlff.reports.figures.static_xy import set_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pytest_mlff.reports.figures.description import GridPanel


def draw_grid(axes: Axes, panel: GridPanel, *, small: bool = False) -> None:
    """Draw counts as an image of one pixel a cell, small in a file, with the diagonal."""
    import numpy as np
    from matplotlib.colors import LinearSegmentedColormap, LogNorm

    axes.set_title(panel.title)
    filled = np.full((panel.cells, panel.cells), np.nan)
    for column, row, count in panel.counts:
        filled[row, column] = count
    axes.axline((0.0, 0.0), slope=1.0, color=colour("limit"), linewidth=0.8, zorder=1)
    axes.imshow(
        filled,
        extent=(-panel.reach, panel.reach, -panel.reach, panel.reach),
        origin="lower",
        interpolation="none",
        cmap=LinearSegmentedColormap.from_list("mlff", list(SCALE)),
        norm=LogNorm(1.0, max(2.0, float(np.nanmax(filled)))),
        zorder=2,
    )
    set_axis(axes, "x", panel.x)
    set_axis(axes, "y", panel.y)
    axes.locator_params(nbins=2 if small else 3)
    axes.set_aspect("equal")
    if small:
        axes.tick_params(labelsize=7)
        axes.xaxis.label.set_fontsize(7)
        axes.yaxis.label.set_fontsize(7)
