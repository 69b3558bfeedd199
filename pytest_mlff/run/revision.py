"""Which state of the model repository a run tested."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pytest_mlff.reports.model import GitRecord


def git_record(folder: Path) -> GitRecord | None:
    """Commit, branch and uncommitted changes of a folder; None where git knows nothing of it."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    # Files that git does not track are left out: a run itself writes some.
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    branch = _git(folder, "symbolic-ref", "--quiet", "--short", "HEAD")
    return GitRecord(commit=commit, branch=branch, dirty=None if changes is None else bool(changes))


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
