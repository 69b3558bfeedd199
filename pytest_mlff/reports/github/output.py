"""Handing a run's outcome to GitHub, at the end of the run."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pytest_mlff.reports.comparison import comparison_of
from pytest_mlff.reports.github.annotations import annotation_lines, locator
from pytest_mlff.reports.github.escape import command
from pytest_mlff.reports.github.summary import SUMMARY_LIMIT, step_summary

if TYPE_CHECKING:
    from pytest_mlff.reports.model import Report
    from pytest_mlff.specs.schema import Spec


class HasSpec(Protocol):
    """An entry of a run's plan."""

    @property
    def spec(self) -> Spec:
        """Its spec."""
        ...


def github_output(report: Report, plan: Iterable[HasSpec], environ: Mapping[str, str]) -> list[str]:
    """Append the summary to ``$GITHUB_STEP_SUMMARY`` and return the workflow commands to print.

    Nothing is done unless ``$GITHUB_ACTIONS`` is ``true``. A summary that cannot be written is one
    of the commands, a warning: it is no reason to change a verdict. ``plan`` holds the specs of
    the run, for the lines that annotations point to.
    """
    if environ.get("GITHUB_ACTIONS") != "true":
        return []
    locate = locator((one.spec for one in plan), environ.get("GITHUB_WORKSPACE"))
    lines = annotation_lines(report, locate)
    compared = comparison_of(report)
    if compared is not None and compared.blind:
        lines.append(command("warning", compared.sentence, title="mlff"))
    target = environ.get("GITHUB_STEP_SUMMARY")
    if target:
        try:
            _append(Path(target), report)
        except OSError as error:
            why = error.strerror or str(error)
            lines.append(command("warning", f"cannot write the summary ({why})", title="mlff"))
    return lines


def _append(path: Path, report: Report) -> None:
    """Add the summary to what the step has written already, which counts towards the limit."""
    with path.open("ab") as stream:
        before = stream.seek(0, os.SEEK_END)
        text = step_summary(report, SUMMARY_LIMIT - before - 1)
        try:
            stream.write(f"\n{text}".encode() if before and text else text.encode())
            stream.flush()
        except OSError:
            # Half a table is worse than none.
            with contextlib.suppress(OSError):
                os.truncate(path, before)
            raise
