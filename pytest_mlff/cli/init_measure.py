"""Measuring a model for ``mlff init``: runs of pytest that leave nothing in the repository."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from pytest_mlff.reports.model import CaseRecord, Report


@dataclass(frozen=True)
class Measured:
    """What a run of a spec gave: a report, or one line on why the model could not be evaluated."""

    report: Report | None
    problem: str = ""

    @property
    def cases(self) -> list[CaseRecord]:
        """Records; none without a report."""
        return [] if self.report is None else self.report.cases


def measure(
    folder: Path, model: str, spec: Path, scratch: Path, arguments: Sequence[str] = ()
) -> Measured:
    """Run a spec on a model as the workflow would, from the repository's folder.

    Parameters
    ----------
    folder : Path
        The model repository; pytest is started in it and writes nothing there.
    model : str
        As ``--mlff-model`` takes it.
    spec : Path
        The spec.
    scratch : Path
        Folder for the store, reports and caches.
    arguments : sequence of str
        Further arguments for pytest.
    """
    from pytest_mlff.reports.json_report import load_report

    target = scratch / "report.json"
    target.unlink(missing_ok=True)
    # Not the settings of a run on GitHub, nor of the shell's own pytest runs.
    left_out = ("PYTEST_ADDOPTS", "GITHUB_ACTIONS")
    environment = {key: value for key, value in os.environ.items() if key not in left_out}
    environment |= {
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(scratch / "hypothesis"),
    }
    command = [
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "addopts=",
        "--mlff-only", f"--mlff-model={model}", f"--mlff-suite={spec}",
        f"--mlff-store={scratch / 'store'}", f"--mlff-report={target}", *arguments,
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise MlffError(f"cannot start pytest ({error.strerror or error})") from error
    if done.returncode in (0, 1) and target.is_file():
        report = load_report(target)
        if any(case.value is not None for case in report.cases):
            return Measured(report)
        return Measured(None, _first(case.reason for case in report.cases))
    said = [*done.stderr.splitlines(), *done.stdout.splitlines()]
    return Measured(None, _first(said) or f"pytest ended with {done.returncode}")


def _first(lines: Iterable[str]) -> str:
    """The first line that says something, and what pytest puts before it taken away."""
    told = [line.strip().removeprefix("ERROR: ") for line in lines]
    return next((line for line in told if line), "")
