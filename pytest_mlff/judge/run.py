"""pytest under the rules of one folder, on the model of another, with its log kept inert."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import TYPE_CHECKING

from pytest_mlff.judge.settings import ini_file
from pytest_mlff.judge.verdict import outcome_of
from pytest_mlff.specs import find_specs, load_spec

if TYPE_CHECKING:
    from pytest_mlff.judge.verdict import RunOutcome
    from pytest_mlff.reports.model import Report

# What a runner obeys: none of it is for the code under test.
_RUNNER = ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_SUMMARY")


@dataclass(frozen=True)
class Run:
    """A run of pytest.

    Attributes
    ----------
    rules : Path
        Folder whose specs, baselines, pytest settings and conftest files judge.
    models, suites : tuple of str
        As ``--mlff-model`` and ``--mlff-suite`` take them; models start from the working
        folder, specs from the rules.
    baseline : str
        A file below the rules or an absolute path; empty for none.
    report : Path
        Where the JSON report goes.
    arguments : tuple of str
        Further arguments for pytest.
    own_tests : bool
        Run the repository's own tests, too.
    """

    rules: Path
    models: tuple[str, ...]
    suites: tuple[str, ...]
    baseline: str
    report: Path
    arguments: tuple[str, ...] = ()
    own_tests: bool = False

    def suite(self, name: str) -> str:
        """A suite; a file by its absolute path, so that no other folder's is taken."""
        return str(self.rules / name) if name.lower().endswith((".yaml", ".yml")) else name

    def command(self, empty_ini: Path) -> list[str]:
        """Pytest's command line; nothing of the working folder is settings or code of it."""
        rules = self.rules
        words = [
            # Not the working folder, nor what lies above the rules, is searched for anything.
            sys.executable, "-P", "-m", "pytest", *([] if self.own_tests else [str(rules)]),
            "-c", str(ini_file(rules) or empty_ini),
            f"--rootdir={rules}", f"--confcutdir={rules}",
        ]  # fmt: skip
        words += [f"--mlff-model={model}" for model in self.models]
        words += [f"--mlff-suite={self.suite(name)}" for name in self.suites]
        if self.baseline:
            # Where the rules have none yet, any baseline is stricter than none.
            stored = rules / self.baseline
            words.append(f"--mlff-baseline={stored if stored.exists() else self.baseline}")
        if not self.own_tests:
            words.append("--mlff-only")
        return [*words, f"--mlff-report={self.report}", *self.arguments]


@contextmanager
def inert() -> Iterator[None]:
    """Have GitHub obey nothing that is printed meanwhile; the token is told to nobody."""
    token = secrets.token_hex(16)
    print(f"::stop-commands::{token}", flush=True)
    try:
        yield
    finally:
        # What was printed last may lack its line's end.
        print(f"\n::{token}::", flush=True)


def run_pytest(run: Run, *, decided: bool = True) -> RunOutcome:
    """Run pytest and look at what it left; with ``decided``, a pass has to be one of every case."""
    # An old one must not be taken for this run's.
    run.report.unlink(missing_ok=True)
    environment = {key: value for key, value in os.environ.items() if key not in _RUNNER}
    # We say what there is to say, once nothing of the model speaks any more.
    environment["GITHUB_ACTIONS"] = "false"
    started = datetime.now(UTC)
    with TemporaryDirectory(prefix="mlff-judge-") as folder:
        empty = Path(folder) / "pytest.ini"
        empty.write_text("[pytest]\n", encoding="utf-8")
        with inert():
            status = subprocess.run(run.command(empty), env=environment, check=False).returncode
    return outcome_of(run.report, status, started=started, models=run.models, decided=decided)


def said_on_github(run: Run, report: Report, environ: Mapping[str, str]) -> Sequence[str]:
    """Write the summary of a run, and return its annotations, at lines of the rules' specs."""
    from pytest_mlff.reports.github import github_output

    names = [run.suite(name) for name in run.suites]
    plan = [SimpleNamespace(spec=load_spec(path)) for path in find_specs(names, run.rules)]
    return github_output(report, plan, {**environ, "GITHUB_WORKSPACE": str(run.rules)})
