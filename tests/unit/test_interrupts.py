"""Ctrl-C while reports are written."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import pytest

from pytest_mlff.plugin.interrupts import reports_first

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _hears_ctrl_c() -> Iterator[None]:
    """What a shell starts in the background ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def ctrl_c() -> None:
    # At once and in this thread: two signals that wait for it would count as one.
    signal.raise_signal(signal.SIGINT)


def test_the_first_is_held_and_told(capfd: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with reports_first():
        ctrl_c()
        written = True
    assert written
    assert signal.getsignal(signal.SIGINT) is before
    assert capfd.readouterr().err.count("reports are being written") == 1


def test_the_second_is_not() -> None:
    before = signal.getsignal(signal.SIGINT)

    def twice() -> None:
        with reports_first():
            ctrl_c()
            ctrl_c()

    with pytest.raises(KeyboardInterrupt):
        twice()
    assert signal.getsignal(signal.SIGINT) is before


def test_an_error_in_between_leaves_the_signal_as_it_was() -> None:
    before = signal.getsignal(signal.SIGINT)

    def fill() -> None:
        with reports_first():
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fill()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_thread_leaves_signals_alone() -> None:
    found = []

    def work() -> None:
        with reports_first():
            found.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [before]
