"""Asking before something is written."""

from __future__ import annotations

import sys

from pytest_mlff.errors import MlffError


def agreed(question: str, nobody: str) -> bool:
    """Ask at the terminal; anything but ``y`` or ``yes`` is no.

    Raises
    ------
    MlffError
        If there is no terminal to ask at; ``nobody`` is its line.
    """
    if not sys.stdin.isatty():
        raise MlffError(nobody)
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False
