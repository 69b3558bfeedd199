"""What the terminal says while a model computes long or is trained."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlff.training.progress import Teller

if TYPE_CHECKING:
    import pytest

# A line that takes the place of the last one may be written often, one in a log may not.
_ON_TERMINAL, _IN_LOG = 2.0, 60.0
_WORKER = "PYTEST_XDIST_WORKER"


@dataclass
class Waiting:
    """Which case, by the id of the running item, waits for its model."""

    case: str = ""

    def teller(self, config: pytest.Config) -> Callable[[str, float, int, int], None]:
        """What tells of a model that computes: its name, seconds, frames done and in all."""
        write = self.writer(config)

        def tell(model: str, seconds: float, done: int, total: int) -> None:
            far = f"{done} of {total} frames" if total else "no word yet"
            write(f"{model} has computed for {seconds:.0f} s ({far})")

        return tell

    def writer(self, config: pytest.Config) -> Callable[[str], None]:
        """What writes a line of the running case."""
        write = _writer(config)

        def tell(text: str) -> None:
            if self.case:
                write(f"mlff: {self.case}: {text}", False)

        return tell

    def training_teller(self, config: pytest.Config) -> Teller:
        """What says how far a training is: in one line on a terminal, a line a minute in a log."""
        write = _writer(config)
        terminal = config.pluginmanager.getplugin("terminalreporter")
        in_place = terminal is not None and terminal.isatty and _WORKER not in os.environ

        def tell(variant: str, what: str, passing: bool) -> None:
            write(f"mlff: training {variant}: {what}", in_place and passing)

        return Teller(tell, _ON_TERMINAL if in_place else _IN_LOG)


def _writer(config: pytest.Config) -> Callable[[str, bool], None]:
    """What writes a line past the capture of output, in place of the last one if so told.

    A worker of xdist writes past its controller, whose terminal that may be.
    """
    terminal = config.pluginmanager.getplugin("terminalreporter")
    capture = config.pluginmanager.getplugin("capturemanager")
    worker = os.environ.get(_WORKER)

    def write(line: str, in_place: bool) -> None:
        if capture is None or (worker is None and terminal is None):
            return
        with capture.global_and_fixture_disabled():
            if worker is not None:
                print(f"[{worker}] {line}", file=sys.stderr, flush=True)
            elif in_place:
                terminal.rewrite(line, erase=True)
            else:
                terminal.ensure_newline()
                terminal.write_line(line)

    return write
