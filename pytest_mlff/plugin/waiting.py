"""What the terminal says while a model computes long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

__all__ = ["Waiting"]


@dataclass
class Waiting:
    """Which case waits for its model.

    Attributes
    ----------
    case : str
        Id of the running item.
    """

    case: str = ""

    def teller(self, config: pytest.Config) -> Callable[[str, float, int, int], None]:
        """What writes a line past the capture of output: model, seconds, frames done and in all."""

        def tell(model: str, seconds: float, done: int, total: int) -> None:
            terminal = config.pluginmanager.getplugin("terminalreporter")
            capture = config.pluginmanager.getplugin("capturemanager")
            if terminal is None or capture is None or not self.case:
                return
            far = f"{done} of {total} frames" if total else "no word yet"
            with capture.global_and_fixture_disabled():
                terminal.ensure_newline()
                terminal.write_line(
                    f"mlff: {self.case}: {model} has computed for {seconds:.0f} s ({far})"
                )

        return tell
