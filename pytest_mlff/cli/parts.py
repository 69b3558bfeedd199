"""What several subcommands share: options, and tables."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def positive(text: str) -> int:
    """A whole number of an option, at least 1."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def data_folder(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where published datasets lie."""
    parser.add_argument(
        "--data", "--mlff-data", dest="data", type=Path, metavar="DIR",
        help="where published datasets lie (default: the user's cache folder)",
    )  # fmt: skip


def print_json(content: Any) -> None:
    """Print a value as JSON that people can read."""
    print(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False))


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print columns side by side, each as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
