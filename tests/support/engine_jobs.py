"""Functions that engines run in other processes, which can import them from here."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from pytest_mlff.errors import MissingExtraError


def double(number: int) -> int:
    return 2 * number


def fail(text: str) -> None:
    raise ValueError(text)


def fail_for_an_extra(_: int) -> None:
    raise MissingExtraError("this", "nothing", "none")


def die_once(folder: str) -> str:
    mark = Path(folder) / "died"
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "went on"


def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def environment(name: str) -> str | None:
    return os.environ.get(name)


def sleep(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    time.sleep(60)


# Opening.
