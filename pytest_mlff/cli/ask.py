"""Asking before something is written."""

from __future__ import annotations

import sys

from pytest_mlff.errors import MlffError


def agreed(question: str, nobody: str) -> bool:
    """Ask at the terminal; anything but ``y`` or ``yes`` is no.

    Parameters
    ----------
    question : str
        What is asked.
    nobody : str
        The line for a run without a terminal.

    Raises
    ------
    MlffError
        If nobody can be asked.
    """
    if not sys.stdin.isatty():
        raise MlffError(nobody)
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False
