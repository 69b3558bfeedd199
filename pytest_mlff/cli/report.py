"""``mlff report``: a JSON report as a table, an HTML page, figures or CSV."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from pytest_mlff.reports.model import Report

_STDOUT = "-"


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``report``."""
    parser = subparsers.add_parser(
        "report",
        help="show a JSON report, or make HTML, figures or CSV of it",
        description="Show what stands in a JSON report (--mlff-report), or make a page, figures "
        "or a table for a spreadsheet of it. Nothing but the report is read.",
    )
    parser.add_argument("path", type=Path, metavar="REPORT", help="JSON report")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write one self-contained page")
    parser.add_argument("--csv", metavar="FILE", help="write one row per case; - prints them")
    parser.add_argument(
        "--write",
        action="append",
        default=[],
        metavar="FORMAT:FILE",
        help="write a further format, also one that an installed package adds",
    )
    parser.add_argument("--figures", type=Path, metavar="DIR", help="write the figures into DIR")
    parser.add_argument(
        "--format",
        metavar="LIST",
        help="of the figures: png, svg, phone.svg (default: svg)",
    )
    parser.set_defaults(
        run=lambda arguments: run_report(
            arguments.path,
            writes=_writes(arguments),
            csv=arguments.csv == _STDOUT,
            figures=arguments.figures,
            formats=arguments.format,
        )
    )


def _writes(arguments: argparse.Namespace) -> list[tuple[str, Path]]:
    writes = [("html", arguments.html)] if arguments.html is not None else []
    if arguments.csv not in (None, _STDOUT):
        writes.append(("csv", Path(arguments.csv)))
    for text in arguments.write:
        name, _, file = text.partition(":")
        if not name or not file:
            raise MlffError(f"--write: {text!r} is no FORMAT:FILE, e.g. csv:cases.csv")
        writes.append((name, Path(file)))
    return writes


def run_report(
    path: Path,
    *,
    writes: Sequence[tuple[str, Path]] = (),
    csv: bool = False,
    figures: Path | None = None,
    formats: str | None = None,
) -> int:
    """Make of a report what was asked for; print it where nothing was.

    Raises
    ------
    MlffError
        If there is no such report, or something cannot be written.
    MissingExtraError
        If a library that is asked for is not installed.
    """
    if formats is not None and figures is None:
        raise MlffError("--format says how --figures DIR is to be written: give both")
    from pytest_mlff.reports.formats import format_named, report_formats
    from pytest_mlff.reports.json_report import load_report

    report = load_report(path)
    # What is printed as CSV is read by a program, which has no use for remarks.
    remarks = sys.stderr if csv else sys.stdout
    known = report_formats() if writes else {}
    for writer, target in [(format_named(name, known), file) for name, file in writes]:
        writer.write(target, report)
        print(f"{writer.name} report written to {target}", file=remarks)
    if figures is not None:
        print(_write_figures(report, figures, formats or "svg"), file=remarks)
    if csv:
        from pytest_mlff.reports.frame_table import csv_text

        sys.stdout.write(csv_text(report))
    if not writes and figures is None and not csv:
        print("\n".join(report_lines(report)))
    return 0


def _write_figures(report: Report, folder: Path, formats: str) -> str:
    from pytest_mlff.reports.figures import write_figures

    names: Sequence[str] = [name.strip() for name in formats.split(",") if name.strip()]
    if not names:
        raise MlffError("--format names no format, e.g. png,svg")
    written = write_figures(report, folder, names)
    if not written:
        return "no figure: the report holds nothing to draw"
    return f"{len(written)} figure file{'' if len(written) == 1 else 's'} written to {folder}"


def report_lines(report: Report) -> list[str]:
    """A report for the terminal: the table, worst first, the counts and what they come to."""
    from pytest_mlff.reports.comparison import comparison_of
    from pytest_mlff.reports.headline import headline_of
    from pytest_mlff.reports.terminal import summary_line, table

    rows = table(report.cases, None) if report.cases else []
    headline = headline_of(report)
    compared = comparison_of(report)
    return [
        *(line.rstrip() for line, _ in rows),
        summary_line(report.cases, report.run.collected),
        f"May this merge? {headline.answer}. {headline.sentence}",
        *([] if compared is None else [compared.sentence]),
    ]
