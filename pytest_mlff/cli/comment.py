"""``mlff comment``: a report below its pull request."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from pytest_mlff.errors import MlffError


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``comment``."""
    parser = subparsers.add_parser(
        "comment", help="for workflows: write a report below its pull request, one comment each"
    )
    parser.add_argument("report", type=Path, metavar="FILE", help="JSON report")
    parser.add_argument("--number", type=int, required=True, metavar="N", help="the pull request")
    parser.set_defaults(run=lambda arguments: comment(arguments.report, arguments.number))


def comment(path: Path, number: int) -> int:
    """Write the comment, with ``GITHUB_TOKEN`` and ``GITHUB_REPOSITORY`` of the environment.

    Raises
    ------
    MlffError
        If one of them is missing, there is no report, or GitHub refuses.
    """
    from pytest_mlff.reports.github.comment import comment_on
    from pytest_mlff.reports.json_report import load_report

    missing = [one for one in ("GITHUB_TOKEN", "GITHUB_REPOSITORY") if not os.environ.get(one)]
    if missing:
        raise MlffError(f"mlff comment needs {' and '.join(missing)} in the environment")
    api = os.environ.get("GITHUB_API_URL", "https://api.github.com")
    report = load_report(path)
    token, repository = os.environ["GITHUB_TOKEN"], os.environ["GITHUB_REPOSITORY"]
    print(comment_on(report, api, repository, number, token))
    return 0
