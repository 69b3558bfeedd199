"""The figures of the suites as parts of the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlff.reports.figures import figures_of
from pytest_mlff.reports.figures.description import MatrixPanel
from pytest_mlff.reports.figures.inline import inline_svg

if TYPE_CHECKING:
    from pytest_mlff.reports.figures.description import Figure
    from pytest_mlff.reports.model import Report


@dataclass(frozen=True)
class Plot:
    """One figure as markup; for a phone, too, but for a matrix, which is as wide as its columns."""

    id: str
    title: str
    caption: str
    svg: str
    narrow: str


def plots_of(report: Report) -> tuple[Plot, ...]:
    """Figures of a report for its page.

    Raises
    ------
    MissingExtraError
        If there are figures and matplotlib is not installed.
    """
    return tuple(map(plot_of, figures_of(report)))


def plot_of(figure: Figure) -> Plot:
    """A figure for a page, in both layouts.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    wide = any(isinstance(panel, MatrixPanel) for panel in figure.panels)
    return Plot(
        figure.id,
        figure.title,
        figure.caption,
        inline_svg(figure),
        "" if wide else inline_svg(figure, narrow=True),
    )
