"""Window charts, matrices and counts on a grid through matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlff.reports.figures.palette import LIGHT, SCALE, colour, contrasting, scale_colour
from pytest_mlff.reports.figures.scales import colour_ticks, fraction, tick_labels
from pytest_mlff.reports.figures.static_xy import set_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

    from pytest_mlff.reports.figures.description import (
        ColourScale,
        GridPanel,
        MatrixPanel,
        WindowPanel,
    )
    from pytest_mlff.reports.figures.tips import Tips

_SHORT = 4
"""Letters of a name that fit above a column."""


def _shades() -> Colormap:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("mlff", list(SCALE))


def _colour_bar(axes: Axes, scale: ColourScale, pad: float = 0.02, *, below: bool = False) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm, Normalize

    norm = (LogNorm if scale.log else Normalize)(scale.low, scale.high)
    canvas = axes.get_figure()
    if canvas is None:
        return
    bar = canvas.colorbar(
        ScalarMappable(norm, _shades()), ax=axes, label=scale.title, shrink=0.8, aspect=25, pad=pad,
        location="bottom" if below else "right",
    )  # fmt: skip
    if ticks := colour_ticks(scale):
        bar.set_ticks(list(ticks), labels=list(tick_labels(ticks)))
        bar.minorticks_off()
    bar.outline.set_visible(False)


def draw_windows(axes: Axes, panel: WindowPanel, tips: Tips, *, narrow: bool = False) -> None:
    """Draw a window chart with its colour bar, which stands below a narrow one."""
    axes.set_title(panel.title)
    set_axis(axes, "x", panel.x)
    axes.set_ylabel("" if narrow else panel.y.title)
    axes.axvspan(*panel.test, color=LIGHT.shade, zorder=0)
    axes.text(sum(panel.test) / 2, -0.62, "test", ha="center", va="bottom", fontsize=8)
    for row, bar in enumerate(panel.bars):
        if bar.value is None:
            face, line = "none", ":"
        else:
            face, line = scale_colour(fraction(panel.colour, bar.value)), "-"
        (drawn,) = axes.barh(
            row, bar.end - bar.begin, 0.4 if narrow else 0.72, left=bar.begin, linewidth=0.7,
            facecolor=face, edgecolor=colour("muted"), linestyle=line,
        )  # fmt: skip
        tips.add(drawn, [bar.hover])
        text, place, shift, align = bar.text, 1.0, (5, 0), "center"
        if narrow:
            text, place, shift, align = f"{bar.label}: {bar.text}", 0.0, (2, 6), "bottom"
        axes.annotate(
            text, (place, row), xycoords=("axes fraction", "data"), xytext=shift,
            textcoords="offset points", va=align, fontsize=7 if narrow else 8,
            color=colour("limit") if bar.value is None else LIGHT.text,
        )  # fmt: skip
    labels = [] if narrow else [bar.label for bar in panel.bars]
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(panel.bars) - 0.4, -0.6)
    _colour_bar(axes, panel.colour, pad=0.05, below=narrow)


def draw_matrix(axes: Axes, panel: MatrixPanel, tips: Tips) -> None:
    """Draw membership dots and the cells beside them."""
    from matplotlib.patches import Rectangle

    axes.set_title(panel.title)
    shift = len(panel.members) + 1
    for row in range(len(panel.rows)):
        inside = sorted(c for r, c in panel.belongs if r == row)
        outside = [c for c in range(len(panel.members)) if c not in inside]
        axes.plot(outside, [row] * len(outside), "o", color=colour("empty"), markersize=6)
        if inside:
            axes.plot([inside[0], inside[-1]], [row, row], "-", color=LIGHT.text, linewidth=1.5)
            axes.plot(inside, [row] * len(inside), "o", color=LIGHT.text, markersize=7)
    for cell in panel.cells:
        place = (shift + cell.column, cell.row)
        if cell.value is None:
            face, text = "none", colour("failed" if cell.lost else "muted")
        else:
            face = scale_colour(fraction(panel.colour, cell.value))
            text = contrasting(face)
        box = Rectangle((place[0] - 0.48, place[1] - 0.46), 0.96, 0.92, facecolor=face)
        tips.add(axes.add_patch(box), [cell.hover])
        axes.text(*place, cell.text, ha="center", va="center", fontsize=8, color=text)
    ticks = [*range(len(panel.members)), *(shift + c for c in range(len(panel.columns)))]
    names = [*panel.members, *panel.columns]
    axes.set_xticks(ticks, names)
    axes.set_yticks(range(len(panel.rows)), list(panel.rows))
    axes.tick_params(length=0)
    axes.xaxis.set_ticks_position("top")
    longest = max(map(len, names))
    if longest > _SHORT:
        axes.tick_params(axis="x", labelrotation=40)
        for label in axes.get_xticklabels():
            label.set(ha="left", rotation_mode="anchor")
    axes.set_xlim(-0.7, shift + len(panel.columns) - 0.5)
    axes.set_ylim(len(panel.rows) - 0.5, -0.5)
    for first, count, text in (
        (0, len(panel.members), "trained on"),
        (shift, len(panel.columns), "tested on"),
    ):
        above = 20 if longest <= _SHORT else 14 + 4 * longest
        axes.annotate(
            text, (first + (count - 1) / 2, 1.0), xycoords=("data", "axes fraction"),
            xytext=(0, above), textcoords="offset points", ha="center", fontsize=9,
        )  # fmt: skip
    axes.set_ylabel(panel.y.title)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.axvline(shift - 1, color=LIGHT.grid, linewidth=1.0)
    _colour_bar(axes, panel.colour)


def draw_grid(axes: Axes, panel: GridPanel, *, small: bool = False) -> None:
    """Draw counts as an image of one pixel a cell, small in a file, with the diagonal."""
    import numpy as np
    from matplotlib.colors import LogNorm

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
        cmap=_shades(),
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
