"""Figures for a page through plotly: no plotly.js within, nothing fetched.

Backgrounds are transparent. Text, grid and whatever has no hue of its own come in a light
and a dark version: `theme_update` says what to change, and a page applies it by
``Plotly.update(div, traces, layout, indices)``, as `to_html_fragment` describes.
"""

from __future__ import annotations

import json
import math
from html import escape
from typing import TYPE_CHECKING, Any

from pytest_mlff.errors import MissingExtraError
from pytest_mlff.reports.figures.description import MatrixPanel, WindowPanel
from pytest_mlff.reports.figures.interactive_panels import (
    Place,
    colour_axis,
    matrix_content,
    window_content,
    xy_content,
)
from pytest_mlff.reports.figures.palette import DARK, LIGHT, colour

if TYPE_CHECKING:
    from plotly.graph_objects import Figure as PlotlyFigure

    from pytest_mlff.reports.figures.description import Axis, Figure, Panel
    from pytest_mlff.reports.figures.palette import Theme

__all__ = ["theme_update", "to_html_fragment", "to_plotly"]

_TITLE_ROOM = 40
_AXIS_ROOM = 62
_CONFIG = {
    "displaylogo": False,
    "responsive": True,
    # Named one by one: among plotly.js's own choice is one that uploads the figure.
    "modeBarButtons": [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
    "showSendToCloud": False,
    "plotlyServerURL": "",
    "showTips": False,
}


def _height(panel: Panel) -> int:
    """Height of the plotting area in pixels."""
    if isinstance(panel, WindowPanel):
        return 27 * max(len(panel.bars), 4)
    if isinstance(panel, MatrixPanel):
        return 30 * max(len(panel.rows), 4)
    if panel.y.categories and panel.horizontal:
        return 22 * max(len(panel.y.categories), 4)
    return 250


def _axis(axis: Axis, theme: Theme) -> dict[str, Any]:
    made: dict[str, Any] = {
        "title": {"text": axis.title, "standoff": 8},
        "gridcolor": theme.grid,
        "linecolor": theme.text,
        "showline": True,
        "zeroline": False,
        "ticks": "outside",
        "tickcolor": theme.text,
        "automargin": True,
    }
    if axis.log:
        made["type"] = "log"
    if axis.limits is not None:
        made["range"] = [math.log10(v) if axis.log else v for v in axis.limits]
    if axis.ticks:
        made |= {"tickmode": "array", "tickvals": list(axis.ticks)}
    if axis.categories:
        made["ticktext"] = list(axis.categories)
    return made


def _content(panel: Panel, place: Place, theme: Theme) -> tuple[list[Any], dict[str, Any]]:
    """Traces of a panel, and its axes, shapes and annotations as layout."""
    if isinstance(panel, WindowPanel):
        return window_content(panel, place, theme)
    if isinstance(panel, MatrixPanel):
        return matrix_content(panel, place, theme)
    traces, layout = xy_content(panel, place, theme)
    layout["x"] = _axis(panel.x, theme) | layout.get("x", {})
    layout["y"] = _axis(panel.y, theme) | layout.get("y", {})
    return traces, layout


def to_plotly(figure: Figure, theme: Theme = LIGHT) -> PlotlyFigure:
    """A figure as a plotly figure.

    Parameters
    ----------
    figure : Figure
        What to show.
    theme : Theme
        `palette.LIGHT` or `palette.DARK`: colours of text, grid and neutral marks.

    Returns
    -------
    plotly.graph_objects.Figure

    Raises
    ------
    MissingExtraError
        If plotly is not installed.
    """
    try:
        import plotly.graph_objects as go
    except ImportError as error:
        raise MissingExtraError("interactive figures", "plotly", "report") from error

    columns = max(1, min(figure.columns, len(figure.panels)))
    rows = -(-len(figure.panels) // columns)
    heights = [
        max(_height(p) for p in figure.panels[row * columns : (row + 1) * columns])
        for row in range(rows)
    ]
    gap = _TITLE_ROOM + _AXIS_ROOM
    total = sum(heights) + gap * (rows - 1)
    layout: dict[str, Any] = {"annotations": [], "shapes": []}
    traces: list[Any] = []
    listed: set[str] = set()
    top = float(total)
    for index, panel in enumerate(figure.panels):
        row, column = divmod(index, columns)
        if column == 0 and row:
            top -= heights[row - 1] + gap
        place = Place(
            number=index + 1,
            x=_stretch(panel, column, columns),
            y=((top - heights[row]) / total, top / total),
            height=heights[row],
            listed=listed,
        )
        found, parts = _content(panel, place, theme)
        traces += found
        suffix = "" if index == 0 else str(index + 1)
        layout[f"xaxis{suffix}"] = {
            "domain": list(place.x), "anchor": f"y{suffix}", **parts["x"]
        }  # fmt: skip
        layout[f"yaxis{suffix}"] = {
            "domain": list(place.y), "anchor": f"x{suffix}", **parts["y"]
        }  # fmt: skip
        layout["shapes"] += parts.get("shapes", [])
        layout["annotations"] += parts.get("annotations", [])
        if panel.title:
            layout["annotations"].append(
                {
                    "text": f"<b>{escape(panel.title)}</b>", "x": place.x[0], "y": place.y[1],
                    "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom",
                    "yshift": 8, "showarrow": False, "font": {"size": 13},
                }
            )  # fmt: skip
        if isinstance(panel, WindowPanel | MatrixPanel):
            layout[f"coloraxis{suffix}"] = colour_axis(panel.colour, place)
            # The number stands beside each window: a bar of colours would only take its room.
            layout[f"coloraxis{suffix}"]["showscale"] = isinstance(panel, MatrixPanel)
    legend = sum(bool(trace.showlegend) for trace in traces) > 1
    layout |= {
        "template": go.layout.Template(),
        "height": total + _TITLE_ROOM + _AXIS_ROOM + (50 if legend else 0),
        "margin": {"l": 60, "r": 20, "t": _TITLE_ROOM, "b": _AXIS_ROOM},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 12, "color": theme.text},
        "modebar": {
            "bgcolor": "rgba(0,0,0,0)", "color": colour("muted", theme), "activecolor": theme.text,
        },
        "hoverlabel": {"align": "left"},
        "showlegend": legend,
        "legend": {
            "orientation": "h", "yref": "container", "y": 0.0, "yanchor": "bottom", "x": 0.0,
        },
        "barmode": "overlay",
    }  # fmt: skip
    return go.Figure(data=traces, layout=layout)


def _stretch(panel: Panel, column: int, columns: int) -> tuple[float, float]:
    """Share of the width, less what stands right of the panel."""
    gap = 0.09 if columns > 1 else 0.0
    width = (1.0 - gap * (columns - 1)) / columns
    begin = column * (width + gap)
    share = (
        0.74 if isinstance(panel, WindowPanel) else 0.86 if isinstance(panel, MatrixPanel) else 1.0
    )
    return begin, begin + width * share


def theme_update(figure: Figure, theme: Theme) -> dict[str, Any]:
    """What ``Plotly.update`` needs to show a figure in a theme.

    Parameters
    ----------
    figure : Figure
        What is shown.
    theme : Theme
        `palette.LIGHT` or `palette.DARK`.

    Returns
    -------
    dict
        ``layout``: layout keys to colours; ``traces``: trace keys to a list of colours, one
        per trace; ``indices``: these traces. All JSON.
    """
    drawn = to_plotly(figure, theme).to_plotly_json()
    layout: dict[str, Any] = {
        "font.color": theme.text,
        "modebar.color": colour("muted", theme),
        "modebar.activecolor": theme.text,
    }
    for key in ("shapes", "annotations"):  # these hold colours of their own, and come whole
        if drawn["layout"].get(key):
            layout[key] = drawn["layout"][key]
    for key in drawn["layout"]:
        if key.startswith(("xaxis", "yaxis")):
            layout |= {
                f"{key}.{part}": drawn["layout"][key][part]
                for part in ("gridcolor", "linecolor", "tickcolor")
                if part in drawn["layout"][key]
            }
    indices: list[int] = []
    traces: dict[str, list[str]] = {"line.color": [], "marker.color": [], "error": []}
    for index, trace in enumerate(drawn["data"]):
        role = (trace.get("meta") or {}).get("role")
        if role is not None:
            indices.append(index)
            for values in traces.values():
                values.append(colour(role, theme))
    errors = traces.pop("error")
    return {
        "layout": layout,
        "traces": {
            **traces,
            "marker.line.color": errors,
            "error_x.color": errors,
            "error_y.color": errors,
            "textfont.color": errors,
        }
        if indices
        else {},
        "indices": indices,
    }


def to_html_fragment(figure: Figure, theme: Theme = LIGHT) -> str:
    """A figure as HTML that needs plotly.js on the page, which is not included.

    The ``div`` that plotly draws in has the id ``figure-<id>``; on narrow screens it scrolls
    sideways within a ``div`` of the class ``mlff-figure``. A ``script`` of type
    ``application/json`` with the id ``figure-<id>-themes`` holds ``{"light": …, "dark": …}``
    of `theme_update`; a page switches with ``const t = themes.dark;
    Plotly.update(div, t.traces, t.layout, t.indices)``.

    Parameters
    ----------
    figure : Figure
        What to show.
    theme : Theme
        Theme to begin with.

    Raises
    ------
    MissingExtraError
        If plotly is not installed.
    """
    drawn = to_plotly(figure, theme)
    name = f"figure-{figure.id}"
    columns = min(figure.columns, len(figure.panels))
    wide = any(isinstance(panel, WindowPanel | MatrixPanel) for panel in figure.panels)
    least = 420 * columns if columns > 1 else 720 if wide else 520
    html: str = drawn.to_html(
        full_html=False, include_plotlyjs=False, div_id=name, config=_CONFIG,
        default_width="100%", default_height=f"{drawn.layout.height}px",
    )  # fmt: skip
    themes = {one.name: theme_update(figure, one) for one in (LIGHT, DARK)}
    # A molecule's name may hold "</script>", which would end the element.
    text = json.dumps(themes, ensure_ascii=False).replace("</", "<\\/")
    return (
        f'<div class="mlff-figure" style="overflow-x:auto" tabindex="0">'
        f'<div style="min-width:{least}px">{html}</div></div>\n'
        f'<script type="application/json" id="{name}-themes">{text}</script>\n'
    )
