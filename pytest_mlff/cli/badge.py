"""``mlff badge``: the answer of a report as a small SVG."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pytest_mlff.errors import MlffError


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``badge``."""
    parser = subparsers.add_parser("badge", help="make an SVG badge of a JSON report")
    parser.add_argument("path", type=Path, metavar="REPORT", help="JSON report")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write it into a file")
    parser.set_defaults(run=lambda options: badge(options.path, options.out))


def badge(path: Path, out: Path | None = None) -> int:
    """Write the badge of a report.

    Raises
    ------
    MlffError
        If there is no such report, or the badge cannot be written.
    """
    from pytest_mlff.reports.badge import badge_svg
    from pytest_mlff.reports.json_report import load_report
    from pytest_mlff.store import write_atomically

    content = badge_svg(load_report(path))
    if out is None:
        sys.stdout.write(content)
        return 0
    try:
        write_atomically(out, content.encode())
    except OSError as error:
        raise MlffError(f"{out}: cannot write the badge ({error.strerror or error})") from error
    print(f"badge written to {out}")
    return 0
