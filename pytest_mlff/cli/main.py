"""The ``mlff`` command."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from pytest_mlff import __version__
from pytest_mlff.errors import MlffError

USAGE_ERROR = 4
_ROOMS = (
    "info",
    "specs",
    "data",
    "train",
    "laws",
    "similarity",
    "init",
    "jobs",
    "report",
    "baseline",
    "compare",
    "history",
    "badge",
    "judge",
    "comment",
)


def build_parser() -> argparse.ArgumentParser:
    """Parser with all subcommands; each sets ``run``, from arguments to exit code."""
    parser = argparse.ArgumentParser(
        prog="mlff", description="Benchmarks of machine-learned force fields: data, specs, laws."
    )
    parser.add_argument("--version", action="version", version=f"pytest-mlff {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for room in _ROOMS:
        importlib.import_module(f"pytest_mlff.cli.{room}").register(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; bad input gives one line on standard error and exit code 4."""
    options = build_parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except MlffError as error:
        print(f"mlff: {error}", file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt:
        print("mlff: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as in `mlff specs list | head`
        sys.stderr.close()
        return 0


if __name__ == "__main__":
    raise SystemExit(main())
