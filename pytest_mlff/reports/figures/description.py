"""What a figure shows, without a word on how it is drawn.

Builders make these from a report alone; `static` draws them. Everything
that a reader could check (numbers, order, intervals) is here, so it can be tested without
looking at pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mark = Literal["line", "points", "both", "tick", "band"]


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes
    ----------
    label : str
        What is plotted.
    unit : str
        Its unit; ``"1"`` for a pure number, ``""`` for categories.
    log : bool
        Logarithmic.
    limits : (float, float), optional
        In data coordinates; None: whatever fits.
    ticks : tuple of float
        Where ticks stand; empty: chosen by the renderer.
    categories : tuple of str
        Labels of the ticks, one per entry of ``ticks``.
    grouped : bool
        Whether ticks are the middles of groups, one apart, and not places on a scale.
    """

    label: str
    unit: str
    log: bool = False
    limits: tuple[float, float] | None = None
    ticks: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    grouped: bool = False

    @property
    def title(self) -> str:
        """Label with its unit in brackets."""
        if not self.unit:
            return self.label
        return f"{self.label} ({'dimensionless' if self.unit == '1' else self.unit})"


@dataclass(frozen=True)
class Series:
    """Points that belong together.

    Attributes
    ----------
    label : str
        For the legend.
    role : str
        Colour role, see `pytest_mlff.reports.figures.palette`.
    x, y : tuple of float
        Data coordinates.
    low, high : tuple of (float or None)
        95 % interval along the axis that is measured, None where undecided; empty where
        no interval is meant.
    rough : tuple of (float or None)
        Where undecided, half the width that is to be expected; None where nothing is.
    hover : tuple of str
        A line for each point.
    mark : {"line", "points", "both", "tick", "band"}
        ``"tick"`` is a short bar across a category, e.g. a mean; ``"band"`` an area from `low`
        to `high`.
    dashed, thin : bool
        Style of the line.
    steps : bool
        Whether each value holds up to the next x.
    in_legend : bool
        Whether the legend lists it.
    """

    label: str
    role: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()
    rough: tuple[float | None, ...] = ()
    hover: tuple[str, ...] = ()
    mark: Mark = "both"
    dashed: bool = False
    thin: bool = False
    steps: bool = False
    in_legend: bool = True

    @property
    def undecided(self) -> tuple[int, ...]:
        """Points whose interval is undecided."""
        return tuple(
            index
            for index, (low, high) in enumerate(zip(self.low, self.high, strict=True))
            if low is None or high is None
        )


@dataclass(frozen=True)
class Limit:
    """A line right across the panel at one measured value, e.g. a threshold."""

    value: float
    label: str
    role: str = "limit"


@dataclass(frozen=True)
class Blank:
    """A place on the x axis where nothing could be measured, and why."""

    x: float
    text: str


@dataclass(frozen=True)
class XYPanel:
    """Points and lines.

    Attributes
    ----------
    title : str
        Above the panel.
    x, y : Axis
        Axes.
    series, limits, blanks : tuple
        Content.
    horizontal : bool
        Whether what is measured lies along x; intervals and limits follow it.
    """

    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    limits: tuple[Limit, ...] = ()
    blanks: tuple[Blank, ...] = ()
    horizontal: bool = False


@dataclass(frozen=True)
class ColourScale:
    """Values to colours.

    Attributes
    ----------
    label, unit : str
        Beside the colour bar.
    low, high : float
        Ends of the scale.
    log : bool
        Logarithmic.
    """

    label: str
    unit: str
    low: float
    high: float
    log: bool = False

    @property
    def title(self) -> str:
        """Label with its unit in brackets."""
        return f"{self.label} ({self.unit})"


@dataclass(frozen=True)
class Bar:
    """A training window on the trajectory.

    Attributes
    ----------
    label : str
        Name of the row.
    begin, end : float
        Percent of the trajectory.
    value : float or None
        The error that colours it; None where there is none.
    text : str
        Beside the bar: value and interval, or why there is none.
    hover : str
        A line for the pointer.
    """

    label: str
    begin: float
    end: float
    value: float | None
    text: str
    hover: str


@dataclass(frozen=True)
class WindowPanel:
    """Training windows as bars, the first on top, over the trajectory.

    Attributes
    ----------
    title : str
        Above the panel.
    x, y : Axis
        Trajectory and rows.
    bars : tuple of Bar
        In order, best first.
    test : (float, float)
        The test window in percent.
    colour : ColourScale
        What colours mean.
    """

    title: str
    x: Axis
    y: Axis
    bars: tuple[Bar, ...]
    test: tuple[float, float]
    colour: ColourScale


@dataclass(frozen=True)
class Cell:
    """A pair of training set and test molecule.

    Attributes
    ----------
    row, column : int
        Position.
    value : float or None
        What colours the cell; None where nothing was measured.
    text : str
        Within the cell; empty in a blank one.
    reason : str
        For a cell without a value: why.
    hover : str
        A line for the pointer.
    lost : bool
        Whether the pair was asked for and still has no value.
    """

    row: int
    column: int
    value: float | None
    text: str
    reason: str
    hover: str
    lost: bool = False


@dataclass(frozen=True)
class MatrixPanel:
    """Membership dots on the left, values on the right, one row per set.

    Attributes
    ----------
    title : str
        Above the panel.
    x, y : Axis
        What columns and rows are.
    rows : tuple of str
        Sets, the first on top.
    members : tuple of str
        Columns of the left block.
    columns : tuple of str
        Columns of the right block.
    belongs : frozenset of (int, int)
        Row and left column of each filled dot.
    cells : tuple of Cell
        Right block, every row and column once.
    colour : ColourScale
        What colours mean.
    """

    title: str
    x: Axis
    y: Axis
    rows: tuple[str, ...]
    members: tuple[str, ...]
    columns: tuple[str, ...]
    belongs: frozenset[tuple[int, int]]
    cells: tuple[Cell, ...]
    colour: ColourScale


@dataclass(frozen=True)
class GridPanel:
    """Counts on a square grid, over a diagonal line.

    Attributes
    ----------
    title : str
        Above the panel.
    x, y : Axis
        Both from minus to plus ``reach``; their limits may show less.
    reach : float
        End of the grid.
    cells : int
        Along each edge.
    counts : tuple of (int, int, int)
        Column, row and count of each cell that is not empty.
    """

    title: str
    x: Axis
    y: Axis
    reach: float
    cells: int
    counts: tuple[tuple[int, int, int], ...]


Panel = XYPanel | WindowPanel | MatrixPanel | GridPanel


@dataclass(frozen=True)
class Figure:
    """A figure.

    Attributes
    ----------
    id : str
        Unique within a report; lower case letters, digits and hyphens, so it is also the
        name of the file and the anchor in a page.
    title : str
        One line.
    caption : str
        What is shown, what the marks mean, and what is missing.
    kind : str
        Which builder made it, e.g. ``"windows"``.
    panels : tuple
        Row by row.
    columns : int
        Panels side by side.
    """

    id: str
    title: str
    caption: str
    kind: str
    panels: tuple[Panel, ...]
    columns: int = 1
