"""Runs of pytest that only show something."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

_OPTIONS = ("collectonly", "setupplan", "setuponly", "showfixtures", "show_fixtures_per_test",
            "cacheshow")  # fmt: skip


def only_shows(config: pytest.Config) -> bool:
    """Whether pytest was asked to show something and to run nothing."""
    return any(getattr(config.option, name, False) for name in _OPTIONS)
