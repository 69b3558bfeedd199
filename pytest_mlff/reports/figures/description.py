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
    """Points and lines; where `horizontal`, values lie along x, and intervals and limits follow."""

    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    limits: tuple[Limit, ...] = ()
    blanks: tuple[Blank, ...] = ()
    horizontal: bool = False


@dataclass(frozen=True)
class ColourScale:
    """Values from `low` to `high` to colours; label and unit stand beside the bar."""

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
    """A training window from `begin` to `end` in percent of the trajectory, coloured by an error.

    The text beside it is the value with its interval, or why there is none.
    """

    label: str
    begin: float
    end: float
    value: float | None
    text: str
    hover: str


@dataclass(frozen=True)
class WindowPanel:
    """Training windows as bars, the best on top, and the test window, in percent."""

    title: str
    x: Axis
    y: Axis
    bars: tuple[Bar, ...]
    test: tuple[float, float]
    colour: ColourScale


@dataclass(frozen=True)
class Cell:
    """A pair of training set and test molecule; one without a value says the reason.

    It is `lost` where the pair was asked for and still has no value.
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
    """Membership dots on the left, values on the right, one row per set, the first on top.

    `belongs` holds row and left column of each filled dot; `cells` the right block.
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
    """Counts (column, row, count) on a square grid from minus to plus `reach`, with a diagonal.

    The limits of the axes may show less.
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
    """A figure, its panels row by row, `columns` side by side.

    Its id is unique within a report; lower case letters, digits and hyphens, so it is also the
    name of the file and the anchor in a page. The caption says what is shown, what the marks mean,
    and what is missing; the kind, which builder made it.
    """

    id: str
    title: str
    caption: str
    kind: str
    panels: tuple[Panel, ...]
    columns: int = 1
