"""A model's process that one process starts and another takes over, while it loads."""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_mlff.potentials.process.launch import HostProcess

if TYPE_CHECKING:
    from pytest_mlff.potentials.process.asked import Asked

_PATIENCE: Final = 5.0
_LONGEST: Final = 256


class Offer:
    """A process that already loads a model, for the first that asks at an address.

    It ends if nobody takes it before this is closed, and with this process in any case.

    Parameters
    ----------
    asked : Asked
        What it is to load, and in what.

    Attributes
    ----------
    address : str
        Where :func:`take` finds it: a socket in a folder of this user's own.
    since : float
        When it was started, on the monotonic clock.

    Raises
    ------
    OSError
        If the process cannot be started or the address not be made.
    """

    def __init__(self, asked: Asked) -> None:
        self.since = time.monotonic()
        folder = tempfile.TemporaryDirectory(prefix="mlff-")
        self.address = str(Path(folder.name) / "host")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.address)
        self._listener.listen(1)
        # Here and not in the thread: a process ends with the thread that has started it.
        host = asked.start()
        host.channel.send(asked.header)
        threading.Thread(
            target=self._wait, args=(host, asked.digest, folder), name="mlff-offer", daemon=True
        ).start()

    def _wait(
        self, host: HostProcess, digest: str, folder: tempfile.TemporaryDirectory[str]
    ) -> None:
        try:
            with self._listener, folder:
                taker, _ = self._listener.accept()
            with taker:
                host.hand_to(taker, digest)
        except OSError:
            host.end()

    def close(self) -> None:
        """End it if nobody has taken it."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)


def take(address: str, asked: Asked) -> HostProcess | None:
    """Take over the process that is offered at an address; it has been sent what is asked.

    Returns
    -------
    HostProcess or None
        None if it is not to be had or was asked something else; then it ends.
    """
    with contextlib.suppress(OSError, ValueError), socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(_PATIENCE)
        asking.connect(address)
        said, descriptors, _, _ = socket.recv_fds(asking, _LONGEST, 3)
        digest, _, pid = said.decode("ascii").partition(" ")
        host = HostProcess.handed(int(pid), descriptors)
        if digest == asked.digest:
            return host
        host.end()
    return None
