"""Traces of each kind of panel for plotly."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mlff.reports.figures.palette import SCALE, colour, contrasting, marker, scale_colour
from pytest_mlff.reports.figures.scales import colour_ticks, fraction

if TYPE_CHECKING:
    from pytest_mlff.reports.figures.description import (
        ColourScale,
        MatrixPanel,
        Series,
        WindowPanel,
        XYPanel,
    )
    from pytest_mlff.reports.figures.palette import Theme

__all__ = ["Place", "colour_axis", "matrix_content", "window_content", "xy_content"]

_DASHES = ("dash", "dot", "dashdot")


@dataclass(frozen=True)
class Place:
    """Where a panel stands.

    Attributes
    ----------
    number : int
        Of the panel, from 1 on.
    x, y : (float, float)
        Domains as fractions of the plotting area.
    height : int
        In pixels.
    listed : set of str
        Labels that the legend has already.
    """

    number: int
    x: tuple[float, float]
    y: tuple[float, float]
    height: int
    listed: set[str]

    @property
    def axes(self) -> dict[str, str]:
        """Names of the axes, for a trace."""
        suffix = "" if self.number == 1 else str(self.number)
        return {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}

    @property
    def refs(self) -> dict[str, str]:
        """Names of the axes, for a shape or an annotation."""
        return {"xref": self.axes["xaxis"], "yref": self.axes["yaxis"]}

    @property
    def colours(self) -> str:
        """Name of the colour axis."""
        return "coloraxis" if self.number == 1 else f"coloraxis{self.number}"

    def first(self, label: str) -> bool:
        """Whether the legend has not listed a label yet; from now on it has."""
        new = label not in self.listed
        self.listed.add(label)
        return new


def colour_axis(scale: ColourScale, place: Place) -> dict[str, Any]:
    """Colour axis right of a panel; values on a log scale are given as logarithms."""
    ticks = colour_ticks(scale)
    ends = (scale.low, scale.high)
    bar: dict[str, Any] = {
        "title": {"text": scale.title, "side": "right"},
        "x": place.x[1] + 0.005,
        "xpad": 4,
        "y": sum(place.y) / 2,
        "len": 0.8 * place.height,
        "lenmode": "pixels",
        "thickness": 12,
        "outlinewidth": 0,
    }
    if ticks:
        bar |= {
            "tickmode": "array",
            "tickvals": [math.log10(v) if scale.log else v for v in ticks],
            "ticktext": [f"{v:.12g}" for v in ticks],
        }
    return {
        "colorscale": [[k / (len(SCALE) - 1), tint] for k, tint in enumerate(SCALE)],
        "cmin": math.log10(ends[0]) if scale.log else ends[0],
        "cmax": math.log10(ends[1]) if scale.log else ends[1],
        "colorbar": bar,
    }


def _errors(series: Series, *, horizontal: bool, tint: str) -> dict[str, Any]:
    if not series.low:
        return {}
    measured = series.x if horizontal else series.y
    bars = {
        "type": "data",
        "symmetric": False,
        "array": [
            None if high is None else max(high - value, 0.0)
            for value, high in zip(measured, series.high, strict=True)
        ],
        "arrayminus": [
            None if low is None else max(value - low, 0.0)
            for value, low in zip(measured, series.low, strict=True)
        ],
        "color": tint,
        "thickness": 1.3,
        "width": 3,
    }
    return {"error_x" if horizontal else "error_y": bars}


def _rough_trace(series: Series, panel: XYPanel, place: Place, theme: Theme) -> Any:
    """Thin bars where no interval is given; a trace of its own, since bars of one are alike."""
    import plotly.graph_objects as go

    bars = {
        "type": "data",
        "array": [half or 0.0 for half in series.rough],
        "color": colour(series.role, theme),
        "thickness": 0.6,
        "width": 0,
    }
    return go.Scatter(
        x=list(series.x),
        y=list(series.y),
        name=html.escape(series.label),
        legendgroup=html.escape(series.label),
        showlegend=False,
        mode="markers",
        marker={"opacity": 0, "size": 1},
        hoverinfo="skip",
        meta={"role": series.role},
        **{"error_x" if panel.horizontal else "error_y": bars},
        **place.axes,
    )


def _trace(series: Series, panel: XYPanel, place: Place, theme: Theme) -> Any:
    import plotly.graph_objects as go

    tint = colour(series.role, theme)
    hollow = set(series.undecided)
    shape = "line-ew-open" if series.mark == "tick" else marker(series.role)
    symbols = [f"{shape}-open" if k in hollow else shape for k in range(len(series.x))]
    parts = {"line": ["lines"], "points": ["markers"], "both": ["lines", "markers"],
             "tick": ["markers"]}[series.mark]  # fmt: skip
    unknown = set(series.unknown)
    if unknown:
        parts = [*parts, "text"]
    return go.Scatter(
        x=list(series.x),
        y=list(series.y),
        name=html.escape(series.label),
        legendgroup=html.escape(series.label),
        showlegend=series.in_legend and place.first(series.label),
        mode="+".join(parts),
        line={"color": tint, "width": 1 if series.thin else 2,
              "dash": "dash" if series.dashed else "solid"},
        marker={
            "color": tint,
            "symbol": symbols,
            "size": 22 if series.mark == "tick" else 7,
            "line": {"color": tint, "width": 2 if series.mark == "tick" or hollow else 0},
        },
        opacity=0.6 if series.role == "muted" else 1.0,
        text=["?" if k in unknown else "" for k in range(len(series.x))] if unknown else None,
        textposition="middle right" if panel.horizontal else "top center",
        textfont={"color": tint},
        hovertext=[html.escape(text) for text in series.hover] or None,
        hoverinfo="text" if series.hover else "name",
        meta={"role": series.role},
        **_errors(series, horizontal=panel.horizontal, tint=tint),
        **place.axes,
    )  # fmt: skip


def _limit_trace(
    panel: XYPanel, index: int, place: Place, theme: Theme, ends: tuple[float, float]
) -> Any:
    import plotly.graph_objects as go

    limit = panel.limits[index]
    tint = colour(limit.role, theme)
    along, across = list(ends), [limit.value, limit.value]
    return go.Scatter(
        x=across if panel.horizontal else along,
        y=along if panel.horizontal else across,
        name=html.escape(limit.label),
        legendgroup=html.escape(limit.label),
        showlegend=place.first(limit.label),
        mode="lines",
        line={"color": tint, "width": 1.5, "dash": _DASHES[index % len(_DASHES)]},
        hoverinfo="name",
        meta={"role": limit.role},
        **place.axes,
    )


def xy_content(panel: XYPanel, place: Place, theme: Theme) -> tuple[list[Any], dict[str, Any]]:
    """Traces and layout of points and lines."""
    along = panel.y if panel.horizontal else panel.x
    traces = [
        _rough_trace(series, panel, place, theme) for series in panel.series if any(series.rough)
    ]
    traces += [_trace(series, panel, place, theme) for series in panel.series]
    if along.limits is not None:
        traces += [
            _limit_trace(panel, index, place, theme, along.limits)
            for index in range(len(panel.limits))
        ]
    shapes = []
    annotations = []
    axes = place.refs
    for blank in panel.blanks:
        shapes.append(
            {"type": "line", "x0": blank.x, "x1": blank.x, "y0": 0, "y1": 1, "xref": axes["xref"],
             "yref": f"{axes['yref']} domain",
             "line": {"color": colour("muted", theme), "width": 1, "dash": "dot"}}
        )  # fmt: skip
        annotations.append(
            {
                "text": html.escape(blank.text),
                "x": math.log10(blank.x) if panel.x.log else blank.x,
                "y": 0.03,
                "xref": axes["xref"],
                "yref": f"{axes['yref']} domain",
                "textangle": -90,
                "xanchor": "right",
                "yanchor": "bottom",
                "showarrow": False,
                "font": {"size": 11, "color": colour("limit", theme)},
            }
        )
    layout: dict[str, Any] = {"shapes": shapes, "annotations": annotations, "x": {}, "y": {}}
    if panel.x.grouped:
        layout["x"] = {"showgrid": False}
        layout["shapes"] += [
            {"type": "line", "x0": k - 0.5, "x1": k - 0.5, "y0": 0, "y1": 1, "layer": "below",
             "xref": axes["xref"], "yref": f"{axes['yref']} domain",
             "line": {"color": theme.grid, "width": 1}}
            for k in range(1, len(panel.x.ticks))
        ]  # fmt: skip
    if panel.horizontal:
        layout["y"] = {"showgrid": False, "ticks": "", "tickfont": {"size": 11}}
    return traces, layout


def window_content(
    panel: WindowPanel, place: Place, theme: Theme
) -> tuple[list[Any], dict[str, Any]]:
    """Traces and layout of a window chart."""
    import plotly.graph_objects as go

    traces = []
    for measured in (True, False):
        found = [(k, b) for k, b in enumerate(panel.bars) if (b.value is not None) == measured]
        if not found:
            continue
        look: dict[str, Any] = {"line": {"color": colour("muted", theme), "width": 1}}
        if measured:
            values = [b.value for _, b in found if b.value is not None]
            look["color"] = [math.log10(v) if panel.colour.log else v for v in values]
            look["coloraxis"] = place.colours
        else:
            look["color"] = "rgba(0,0,0,0)"
        traces.append(
            go.Bar(
                orientation="h",
                base=[b.begin for _, b in found],
                x=[b.end - b.begin for _, b in found],
                y=[k for k, _ in found],
                width=0.72,
                marker=look,
                hovertext=[html.escape(b.hover) for _, b in found],
                hoverinfo="text",
                showlegend=False,
                **place.axes,
            )
        )
    refs = place.refs
    annotations = [
        {"text": html.escape(b.text), "x": 1.0, "y": k, "xref": f"{refs['xref']} domain",
         "yref": refs["yref"], "xanchor": "left", "xshift": 5, "showarrow": False,
         "font": {"size": 11, "color": theme.text if b.value is not None
                  else colour("limit", theme)}}
        for k, b in enumerate(panel.bars)
    ]  # fmt: skip
    low, high = panel.test
    annotations.append(
        {"text": "test", "x": (low + high) / 2, "y": 1.0, "xref": refs["xref"],
         "yref": f"{refs['yref']} domain", "yanchor": "bottom", "showarrow": False,
         "font": {"size": 11}}
    )  # fmt: skip
    return traces, {
        "annotations": annotations,
        "shapes": [
            {"type": "rect", "x0": low, "x1": high, "y0": 0, "y1": 1, "xref": refs["xref"],
             "yref": f"{refs['yref']} domain", "layer": "below", "fillcolor": theme.shade,
             "line": {"width": 0}}
        ],
        "x": {"title": {"text": panel.x.title}, "range": list(panel.x.limits or (0.0, 100.0)),
              "tickvals": list(panel.x.ticks), "showgrid": False, "showline": True,
              "zeroline": False, "linecolor": theme.text, "ticks": "outside",
              "tickcolor": theme.text},
        "y": {"title": {"text": panel.y.title}, "range": [len(panel.bars) - 0.4, -0.6],
              "tickvals": list(range(len(panel.bars))), "ticktext": [b.label for b in panel.bars],
              "showgrid": False, "zeroline": False, "automargin": True},
    }  # fmt: skip


def matrix_content(
    panel: MatrixPanel, place: Place, theme: Theme
) -> tuple[list[Any], dict[str, Any]]:
    """Traces and layout of membership dots and the cells beside them."""
    import plotly.graph_objects as go

    shift = len(panel.members) + 1
    rows, columns = len(panel.rows), len(panel.columns)
    values: list[list[float | None]] = [[None] * columns for _ in range(rows)]
    hover = [[""] * columns for _ in range(rows)]
    refs = place.refs
    annotations = []
    for cell in panel.cells:
        hover[cell.row][cell.column] = html.escape(cell.hover)
        if cell.value is not None:
            log = panel.colour.log
            values[cell.row][cell.column] = math.log10(cell.value) if log else cell.value
            tint = contrasting(scale_colour(fraction(panel.colour, cell.value)))
        else:
            tint = colour("failed" if cell.lost else "muted", theme)
        annotations.append(
            {"text": html.escape(cell.text), "x": shift + cell.column, "y": cell.row, **refs,
             "showarrow": False, "font": {"size": 11, "color": tint}}
        )  # fmt: skip
    for middle, text in ((len(panel.members) - 1) / 2, "trained on"), (
        shift + (columns - 1) / 2, "tested on",
    ):  # fmt: skip
        annotations.append(
            {"text": text, "x": middle, "y": 1.0, "xref": refs["xref"],
             "yref": f"{refs['yref']} domain", "yanchor": "bottom", "yshift": 20,
             "showarrow": False}
        )  # fmt: skip
    every = [(r, c) for r in range(rows) for c in range(len(panel.members))]
    traces: list[Any] = [
        go.Heatmap(
            x=[shift + c for c in range(columns)], y=list(range(rows)), z=values, xgap=2, ygap=2,
            coloraxis=place.colours, hovertext=hover, hoverinfo="text", hoverongaps=True,
            showlegend=False, **place.axes,
        )
    ]  # fmt: skip
    for inside in (False, True):
        found = [pair for pair in every if (pair in panel.belongs) == inside]
        ordered = sorted(found)
        lines: list[tuple[float | None, float | None]] = []
        for k, (r, c) in enumerate(ordered):
            if k and ordered[k - 1][0] != r:
                lines.append((None, None))  # the line ends with its row
            lines.append((c, r))
        traces.append(
            go.Scatter(
                x=[x for x, _ in lines], y=[y for _, y in lines],
                mode="lines+markers" if inside else "markers",
                line={"color": colour("all" if inside else "empty", theme), "width": 2},
                marker={"size": 10 if inside else 8,
                        "color": colour("all" if inside else "empty", theme)},
                hoverinfo="skip", showlegend=False,
                meta={"role": "all" if inside else "empty"}, **place.axes,
            )
        )  # fmt: skip
    ticks = [*range(len(panel.members)), *(shift + c for c in range(columns))]
    return traces, {
        "annotations": annotations,
        "x": {"range": [-0.7, shift + columns - 0.5], "tickvals": ticks, "side": "top", "ticks": "",
              "ticktext": [*panel.members, *panel.columns], "showgrid": False, "zeroline": False},
        "y": {"range": [rows - 0.5, -0.5], "tickvals": list(range(rows)), "showgrid": False,
              "ticktext": list(panel.rows), "zeroline": False, "ticks": "", "automargin": True,
              "title": {"text": panel.y.title}},
    }  # fmt: skip
