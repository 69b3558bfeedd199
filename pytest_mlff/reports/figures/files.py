"""All figures of a report into a folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_mlff.errors import MlffError
from pytest_mlff.reports.figures.catalogue import figures_of
from pytest_mlff.store import write_atomically

if TYPE_CHECKING:
    from pytest_mlff.reports.figures.description import Figure
    from pytest_mlff.reports.model import Report

FORMATS: Final = ("png", "svg", "phone.svg")
"""Formats that `write_figures` knows."""


def write_figures(report: Report, folder: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write the figures of a report as ``<id>.<format>`` into a folder, made if it is not there.

    ``phone.svg`` is laid out for a narrow screen. Empty if the report has data for none.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    MlffError
        If a format is unknown or a file cannot be written.
    """
    return write_drawn(figures_of(report), folder, formats)


def write_drawn(
    figures: Iterable[Figure], folder: Path, formats: Sequence[str] = FORMATS
) -> list[Path]:
    """Write some figures as :func:`write_figures` does."""
    from pytest_mlff.reports.figures.static import render

    for name in formats:
        if name not in FORMATS:
            raise MlffError(f"unknown figure format {name!r} (formats: {', '.join(FORMATS)})")
    written = []
    for figure in figures:
        for name in formats:
            path = folder / f"{figure.id}.{name}"
            content = render(figure, name)
            try:
                folder.mkdir(parents=True, exist_ok=True)
                write_atomically(path, content)
            except OSError as error:
                raise MlffError(
                    f"{path}: cannot write the figure ({error.strerror or error})"
                ) from error
            written.append(path)
    return written
