"""The CODEOWNERS lines of ``mlff init``: who reviews a change of what judges the model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from pytest_mlff.cli.init_files import Planned
from pytest_mlff.errors import MlffError

# GitHub takes the first of them; the pattern that matches last counts.
_PLACES: Final = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
_PATTERNS: Final = (
    "/.github/", "/specs/", "/baselines/", "conftest.py", "/pytest.ini", "/.pytest.ini",
    "/pytest.toml", "/.pytest.toml", "/pyproject.toml", "/tox.ini", "/setup.cfg", "CODEOWNERS",
)  # fmt: skip
_OWNER: Final = re.compile(r"@[\w.-]+(/[\w.-]+)?|[^@\s]+@[\w.-]+")


def owners_file(folder: Path, owners: str) -> Planned:
    """The file with what it lacks added at its end.

    Parameters
    ----------
    folder : Path
        The model repository.
    owners : str
        GitHub names, teams (``@org/team``) or addresses, with spaces between.

    Raises
    ------
    MlffError
        If an owner is none, or the file cannot be read.
    """
    words = owners.split()
    wrong = [word for word in words if not _OWNER.fullmatch(word)]
    if wrong or not words:
        raise MlffError(f"--owners {' '.join(wrong)!r}: write @USER, @ORG/TEAM or an address")
    name = next((one for one in _PLACES if (folder / one).exists()), _PLACES[0])
    before = (Planned(folder, name, b"").before or b"").decode(errors="surrogateescape")
    lines = [f"{pattern} {' '.join(words)}" for pattern in _PATTERNS]
    missing = [line for line in lines if line not in before.splitlines()]
    gap = "" if not before or before.endswith("\n") else "\n"
    added = "".join(f"{line}\n" for line in ["# What judges the model (mlff init).", *missing])
    text = before + gap + added if missing else before
    return Planned(folder, name, text.encode(errors="surrogateescape"))
