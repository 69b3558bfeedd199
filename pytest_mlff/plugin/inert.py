"""A log in which GitHub obeys nothing but us: models and specs print what they like."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


class InertLog:
    """Closes the log to workflow commands and opens it again; outside of GitHub, nothing."""

    def __init__(self) -> None:
        self._token = ""

    def close(self, config: pytest.Config) -> None:
        """Have the runner obey nothing until `open`; the token is told to nobody."""
        if os.environ.get("GITHUB_ACTIONS") == "true":
            self._token = secrets.token_hex(16)
            _write(config, [f"::stop-commands::{self._token}"])

    def open(self, config: pytest.Config, commands: Iterable[str]) -> None:
        """End what `close` began, once nothing else will be printed, and give our commands."""
        if self._token:
            _write(config, [f"::{self._token}::", *commands])
            self._token = ""


def _write(config: pytest.Config, lines: Iterable[str]) -> None:
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None:
        terminal.ensure_newline()
        for line in lines:
            terminal.write_line(line)
