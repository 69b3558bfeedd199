"""Ctrl-C while a run is being brought to its end."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def reports_first() -> Iterator[None]:
    """Let reports be written to their end: the first Ctrl-C in here only says so.

    The second is what it was before. In threads other than the main one, where no signal
    ever arrives, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.getsignal(signal.SIGINT)

    def once(_signum: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, previous)
        # pytest may hold what is written to sys.stderr until it is too late to read it.
        told = "\nmlff: reports are being written; a second Ctrl-C ends the run without them"
        print(told, file=sys.__stderr__, flush=True)

    signal.signal(signal.SIGINT, once)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
