"""Figures through matplotlib, for files and for a page: the same bytes from the same report."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree

from pytest_mlff.errors import needing
from pytest_mlff.reports.figures.description import GridPanel, MatrixPanel, WindowPanel, XYPanel
from pytest_mlff.reports.figures.palette import LIGHT, colour
from pytest_mlff.reports.figures.static_chart import draw_grid, draw_matrix, draw_windows
from pytest_mlff.reports.figures.static_xy import draw_xy, legend_entries
from pytest_mlff.reports.figures.tips import NO_TEXT, SVG, Tips, add_titles

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from pytest_mlff.reports.figures.description import Figure, Panel

_DPI = 144
NARROW: Final = 3.4
"""Width of a drawing for a phone in inches."""
_STYLE: Mapping[str, Any] = {
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.edgecolor": LIGHT.text,
    "axes.labelcolor": LIGHT.text,
    "text.color": LIGHT.text,
    "xtick.color": LIGHT.text,
    "ytick.color": LIGHT.text,
    "grid.color": LIGHT.grid,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    # Ids of clip paths are random without it.
    "svg.hashsalt": "pytest_mlff",
    # Text that can be selected, searched and read aloud.
    "svg.fonttype": "none",
    # Names come from a report: a dollar sign in one begins no formula.
    "text.parse_math": False,
}


def draw(figure: Figure) -> Canvas:
    """Draw a figure.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    return _draw(figure, Tips(), bare=False)


def _draw(figure: Figure, tips: Tips, *, bare: bool, narrow: bool = False) -> Canvas:
    """Draw a figure; a bare one has neither title, caption nor background."""
    with needing("drawing figures", "matplotlib", "report"):
        import matplotlib.style
        from matplotlib.figure import Figure as Canvas
        from matplotlib.layout_engine import ConstrainedLayoutEngine

    with matplotlib.style.context(["default", dict(_STYLE)]):
        columns = max(1, min(figure.columns, len(figure.panels)))
        if narrow:
            small = all(isinstance(panel, GridPanel) for panel in figure.panels)
            columns = min(columns, 2 if small else 1)
        rows = -(-len(figure.panels) // columns)
        width, heights = _size(figure, rows, columns, narrow=narrow)
        caption = [] if bare else textwrap.wrap(figure.caption, int(width * 15))
        canvas = Canvas(
            figsize=(width, sum(heights) + (0.1 if bare else 0.45) + 0.17 * len(caption)),
            dpi=_DPI,
            layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08),
        )
        grid = canvas.add_gridspec(rows, columns, height_ratios=heights)
        for index, panel in enumerate(figure.panels):
            axes = canvas.add_subplot(grid[index // columns, index % columns])
            if isinstance(panel, WindowPanel):
                draw_windows(axes, panel, tips, narrow=narrow)
            elif isinstance(panel, MatrixPanel):
                draw_matrix(axes, panel, tips)
            elif isinstance(panel, GridPanel):
                draw_grid(axes, panel, small=narrow and columns > 1)
            else:
                draw_xy(axes, panel, tips, narrow=narrow)
        entries = legend_entries([p for p in figure.panels if isinstance(p, XYPanel)])
        if len(entries) > 1:
            handles, labels = zip(*entries, strict=True)
            wrapped = [label.replace(": ", ":\n") for label in labels]
            if narrow:
                longest = max(len(line) for label in wrapped for line in label.split("\n"))
                beside = max(1, min(4, 44 // (longest + 6)))
                canvas.legend(handles, wrapped, loc="outside lower center", ncols=beside)
            else:
                canvas.legend(handles, wrapped, loc="outside right upper")
        if bare:
            canvas.patch.set_visible(False)
            for axes in canvas.axes:
                axes.patch.set_visible(False)
            return canvas
        canvas.suptitle(figure.title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        canvas.supxlabel(
            "\n".join(caption),
            x=0.01,
            ha="left",
            fontsize=8,
            color=colour("limit"),
            linespacing=1.3,
        )
    return canvas


def _size(figure: Figure, rows: int, columns: int, *, narrow: bool) -> tuple[float, list[float]]:
    """Width and the height of each row of panels in inches."""

    def height(panel: Panel) -> float:
        if isinstance(panel, WindowPanel):
            return 1.0 + (0.36 if narrow else 0.24) * max(len(panel.bars), 4)
        if isinstance(panel, MatrixPanel):
            return 1.0 + 0.3 * max(len(panel.rows), 4)
        if isinstance(panel, GridPanel):
            return 1.8 if narrow and columns > 1 else 3.1
        if panel.horizontal:
            return 1.0 + (0.36 if narrow else 0.22) * max(len(panel.y.categories), 4)
        return 2.7 if rows > 1 else 4.2

    heights = [
        max(height(panel) for panel in figure.panels[row * columns : (row + 1) * columns])
        for row in range(rows)
    ]
    if narrow:
        return NARROW, heights
    return (9.5 if columns == 1 else 11.0), heights


def render(figure: Figure, file_format: str) -> bytes:
    """A figure as the content of a file, ``png``, ``svg`` or ``phone.svg``.

    The last is laid out for a phone, without title and caption.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    if file_format.endswith("svg"):
        phone = file_format == "phone.svg"
        root = drawing(figure, bare=phone, narrow=phone)
        if phone:
            paper = {"width": "100%", "height": "100%", "fill": LIGHT.background}
            root.insert(0, ElementTree.Element(f"{SVG}rect", paper))
        drawn: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
        return drawn
    return _saved(draw(figure), file_format, {"Software": None})


def drawing(figure: Figure, *, bare: bool = False, narrow: bool = False) -> ElementTree.Element:
    """A figure as the root of an SVG, with a line for the pointer beside each value.

    A bare one has neither title, caption nor background, which a page has itself. On a narrow
    one, for a phone, panels stand below each other, and labels and legend above and below what
    they name.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    tips = Tips()
    canvas = _draw(figure, tips, bare=bare, narrow=narrow)
    # Neither the time nor the version of a library belongs into a file that may be compared.
    fixed = {"Date": None, "Creator": None, "Title": figure.title}
    ElementTree.register_namespace("", "http://www.w3.org/2000/svg")
    ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    root = ElementTree.fromstring(NO_TEXT.sub("?", _saved(canvas, "svg", fixed).decode()))
    add_titles(root, tips)
    return root


def _saved(canvas: Canvas, file_format: str, metadata: dict[str, Any]) -> bytes:
    import matplotlib.style

    written = io.BytesIO()
    with matplotlib.style.context(["default", dict(_STYLE)]):
        canvas.savefig(written, format=file_format, metadata=metadata)
    return written.getvalue()
