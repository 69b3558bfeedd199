"""Points and lines through matplotlib."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pytest_mlff.reports.figures.palette import LIGHT, colour, marker

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pytest_mlff.reports.figures.description import Axis, Series, XYPanel
    from pytest_mlff.reports.figures.tips import Tips

_SHAPES = {
    "circle": "o", "square": "s", "triangle-up": "^", "diamond": "D", "triangle-down": "v",
    "cross": "X",
}  # fmt: skip
_SHORT, _WIDE = 6, 34
"""Letters of a tick and of an axis that have room on a phone."""
_DASHES: tuple[Literal["--", ":", "-."], ...] = ("--", ":", "-.")


def set_axis(axes: Axes, which: str, axis: Axis) -> None:
    """Label, scale, limits and ticks of one axis (``"x"`` or ``"y"``)."""
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

    drawn = getattr(axes, f"{which}axis")
    if axis.log:
        getattr(axes, f"set_{which}scale")("log")
        drawn.set_minor_formatter(NullFormatter())
    getattr(axes, f"set_{which}label")(axis.title)
    if axis.ticks:
        drawn.set_major_locator(FixedLocator(list(axis.ticks)))
        drawn.set_minor_locator(NullLocator())
        if axis.categories:
            drawn.set_ticklabels(list(axis.categories))
    if axis.limits is not None:
        getattr(axes, f"set_{which}lim")(*axis.limits)


def draw_xy(axes: Axes, panel: XYPanel, tips: Tips, *, narrow: bool = False) -> None:
    """Draw a panel of points and lines; a narrow one has no room for text beside it."""
    axes.set_title(panel.title)
    set_axis(axes, "x", panel.x)
    set_axis(axes, "y", panel.y)
    axes.grid(visible=True, axis="x" if panel.horizontal else "y" if panel.x.grouped else "both")
    if panel.x.grouped:
        for place in range(1, len(panel.x.ticks)):
            axes.axvline(place - 0.5, color=LIGHT.grid, linewidth=0.6)
    for index, limit in enumerate(panel.limits):
        across = axes.axvline if panel.horizontal else axes.axhline
        dash = _DASHES[index % len(_DASHES)]
        across(limit.value, color=colour(limit.role), linestyle=dash, linewidth=1.3, zorder=1.5)
    for blank in panel.blanks:
        axes.axvline(blank.x, color=colour("muted"), linestyle=(0, (1, 3)), linewidth=1.0)
        axes.annotate(
            blank.text, (blank.x, 0.03), xycoords=("data", "axes fraction"), xytext=(-3, 0),
            textcoords="offset points", rotation=90, ha="right", va="bottom", fontsize=7.5,
            color=colour("limit"),
        )  # fmt: skip
    for series in panel.series:
        _draw_series(axes, series, horizontal=panel.horizontal)
    for series in panel.series:
        if series.hover:
            # Above everything, larger than the points and unseen: what a pointer can hit.
            (marks,) = axes.plot(
                series.x, series.y, "o", markersize=9, markeredgewidth=0, color="#000000", alpha=0,
                zorder=9, scalex=False, scaley=False,
            )  # fmt: skip
            tips.add(marks, series.hover)
    if panel.horizontal:
        axes.tick_params(axis="y", length=0, labelsize=7.5)
    if narrow:
        _fit_phone(axes, panel)


def _fit_phone(axes: Axes, panel: XYPanel) -> None:
    """Labels of rows above their marks, those of columns aslant, a long title in two lines."""
    axes.set_title("\n".join(textwrap.wrap(panel.title, 46)))
    if len(panel.x.title) > _WIDE:
        axes.set_xlabel(panel.x.title.replace(" (", "\n("))
    if panel.horizontal:
        axes.set_yticklabels([])
        axes.set_ylabel("")
        for row, text in zip(panel.y.ticks, panel.y.categories, strict=True):
            axes.annotate(
                text, (0.0, row), xycoords=("axes fraction", "data"), xytext=(2, 5),
                textcoords="offset points", fontsize=7,
            )  # fmt: skip
    elif max(map(len, panel.x.categories), default=0) > _SHORT and not panel.x.log:
        axes.tick_params(axis="x", labelrotation=30)
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")


def _style(series: Series) -> dict[str, Any]:
    tint = colour(series.role)
    if series.mark == "tick":
        return {"linestyle": "none", "marker": "_", "markersize": 20, "markeredgewidth": 1.6,
                "color": tint}  # fmt: skip
    return {
        "color": tint,
        "linestyle": "none" if series.mark == "points" else "--" if series.dashed else "-",
        "linewidth": 0.8 if series.thin else 1.5,
        "marker": "none" if series.mark == "line" else _SHAPES[marker(series.role)],
        "markersize": 3.8 if series.mark == "points" else 5,
        "alpha": 0.6 if series.role == "muted" else 1.0,
    }


def _draw_series(axes: Axes, series: Series, *, horizontal: bool) -> None:
    style = _style(series)
    if series.mark == "band":
        axes.fill_between(
            series.x, _numbers(series.low), _numbers(series.high), color=style["color"],
            alpha=0.9 if series.role == "empty" else 0.2, linewidth=0, zorder=1,
            step="post" if series.steps else None,
        )  # fmt: skip
        return
    drawstyle = "steps-post" if series.steps else "default"
    axes.plot(series.x, series.y, drawstyle=drawstyle, **style)
    if not series.low:
        return
    measured = series.x if horizontal else series.y
    # A value may lie outside of its interval's rounding; lengths must not be negative.
    reach = [
        (max(value - low, 0.0), max(high - value, 0.0)) if low is not None and high is not None
        else (0.0, 0.0)
        for value, low, high in zip(measured, series.low, series.high, strict=True)
    ]  # fmt: skip
    lengths = [[low for low, _ in reach], [high for _, high in reach]]
    axes.errorbar(
        series.x, series.y, xerr=lengths if horizontal else None,
        yerr=None if horizontal else lengths, fmt="none", color=style["color"], elinewidth=1.1,
        capsize=2,
    )  # fmt: skip
    rough = [half or 0.0 for half in series.rough]
    if any(rough):
        axes.errorbar(
            series.x, series.y, xerr=rough if horizontal else None,
            yerr=None if horizontal else rough, fmt="none", color=style["color"],
            elinewidth=0.6, alpha=0.6,
        )  # fmt: skip
    for index in series.undecided:
        place = (series.x[index], series.y[index])
        axes.plot(*place, **{**style, "linestyle": "none", "markerfacecolor": LIGHT.background})


def _handle(series: Series) -> Any:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    if series.mark == "band":
        return Patch(color=colour(series.role), linewidth=0)
    return Line2D([], [], **_style(series))


def _numbers(ends: Sequence[float | None]) -> list[float]:
    return [float("nan") if end is None else end for end in ends]


def legend_entries(panels: Sequence[XYPanel]) -> list[tuple[Any, str]]:
    """Handles and labels of all panels, each label once, thresholds last."""
    from matplotlib.lines import Line2D

    found: dict[str, Any] = {}
    for panel in panels:
        for series in panel.series:
            if series.in_legend and series.label not in found:
                found[series.label] = _handle(series)
    for panel in panels:
        for index, limit in enumerate(panel.limits):
            dash = _DASHES[index % len(_DASHES)]
            line = Line2D([], [], color=colour(limit.role), linestyle=dash, linewidth=1.3)
            found.setdefault(limit.label, line)
    return [(handle, label) for label, handle in found.items()]
