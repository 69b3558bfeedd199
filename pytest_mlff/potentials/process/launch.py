"""A process for one model: started, watched, and ended with all that it started."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, Self

from pytest_mlff.potentials.host.wire import Channel

_PACKAGE: Final = Path(__file__).resolve().parents[2]
# The package is made importable by itself: nothing that lies beside it is, so that nothing
# shadows what the interpreter has. Of ``datasets`` and ``training`` only single modules are needed,
# not what offers them together.
_BOOT: Final = """
import importlib.util, sys, types
package = sys.argv[1]
made = importlib.util.spec_from_file_location(
    "pytest_mlff", package + "/__init__.py", submodule_search_locations=[package])
module = sys.modules["pytest_mlff"] = importlib.util.module_from_spec(made)
made.loader.exec_module(module)
for name in ("datasets", "training"):
    room = sys.modules["pytest_mlff." + name] = types.ModuleType("pytest_mlff." + name)
    room.__path__ = [package + "/" + name]
"""
_SERVE: Final = "from pytest_mlff.potentials.host.serve import main\nmain(*map(int, sys.argv[2:]))"
_LOG_LIMIT: Final = 2**20
_LAST_LINES: Final = 5
_LONGEST_LINE: Final = 160


class _Process(Protocol):
    """What is asked of a process, as of ``subprocess.Popen``."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...


class _Stepchild:
    """A child of another process, which says through a pipe how it ended."""

    def __init__(self, pid: int, said: int) -> None:
        self.pid = pid
        self._said = os.fdopen(said, "rb", buffering=0)
        self._code: int | None = None

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0.0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        if self._code is None:
            poll = select.poll()
            poll.register(self._said, select.POLLIN)
            if not poll.poll(None if timeout is None else timeout * 1000):
                raise subprocess.TimeoutExpired([], timeout or 0.0)
            # Nothing is said if the other has died; its children have died with it.
            self._code = int(self._said.read() or -signal.SIGKILL)
        return self._code


class HostProcess:
    """A running interpreter that serves one model.

    Parameters
    ----------
    python : str, optional
        The interpreter; this one if not given.
    environment : mapping of str to str
        Variables beyond those of this process.
    memory : int, optional
        Bytes of private memory that it may take.
    """

    def __init__(
        self,
        python: str | None = None,
        environment: Mapping[str, str] | None = None,
        memory: int | None = None,
    ) -> None:
        ours, theirs = socket.socketpair()
        kept = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed with the process
        flags = os.O_APPEND | os.O_WRONLY
        log = os.open(f"/proc/self/fd/{kept.fileno()}", flags) if _HAS_PROC else None
        output = kept.fileno() if log is None else log
        with theirs:
            process = subprocess.Popen(
                command_of(_SERVE, str(theirs.fileno()), str(memory or 0), python=python),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                env=environment_of(environment or {}, foreign=python is not None),
            )
        if log is not None:
            os.close(log)
        self._keep(process, ours, kept)

    def _keep(self, process: _Process, ours: socket.socket, log: Any) -> None:
        self.channel, self._process, self._log = Channel(ours), process, log
        self._end = weakref.finalize(self, _end, process, ours, log)

    @classmethod
    def handed(cls, pid: int, descriptors: Sequence[int]) -> Self:
        """A process that another has started and handed to this one; see :meth:`hand_to`.

        Raises
        ------
        ValueError
            If it did not come whole.
        """
        ours, log, said = descriptors
        host = cls.__new__(cls)
        host._keep(
            _Stepchild(pid, said), socket.socket(fileno=ours), os.fdopen(log, "rb+", buffering=0)
        )
        return host

    def hand_to(self, taker: socket.socket, words: str) -> None:
        """Hand it to the process at the other end of a Unix socket; wait, and say how it ends.

        Raises
        ------
        OSError
            If it cannot be handed over.
        """
        said, write = os.pipe()
        with os.fdopen(write, "wb", buffering=0) as ended:
            with os.fdopen(said, "rb") as saying:
                found = [one.fileno() for one in (self.channel.sock, self._log, saying)]
                socket.send_fds(taker, [f"{words} {self.pid}".encode("ascii")], found)
            self._end.detach()
            self.channel.sock.close()
            self._log.close()
            ended.write(str(self._process.wait()).encode("ascii"))

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it has neither ended nor been ended."""
        return self._end.alive and self._process.poll() is None

    def how_it_ended(self) -> str:
        """In words; the process must be at its end."""
        try:
            code = self._process.wait(timeout=2.0)
        except subprocess.TimeoutExpired:
            return "closed its connection"
        if code >= 0:
            return f"ended with exit code {code}"
        with contextlib.suppress(ValueError):
            name = signal.Signals(-code).name
            hint = " (out of memory, or killed from outside)" if name == "SIGKILL" else ""
            return f"was ended by {name}{hint}"
        return f"was ended by signal {-code}"

    def last_lines(self) -> str:
        """What the model printed last, as one line without control characters."""
        with contextlib.suppress(OSError, ValueError):
            size = os.fstat(self._log.fileno()).st_size
            tail = os.pread(self._log.fileno(), 4096, max(0, size - 4096))
            lines = [
                "".join(c if c.isprintable() else "·" for c in line)[-_LONGEST_LINE:]
                for line in tail.decode("utf-8", "replace").split("\n")
                if line.strip()
            ]
            return " | ".join(lines[-_LAST_LINES:])
        return ""

    def forget_old_output(self) -> None:
        """Keep the file of what the model prints from growing without end."""
        with contextlib.suppress(OSError, ValueError):
            if os.fstat(self._log.fileno()).st_size > _LOG_LIMIT:
                os.ftruncate(self._log.fileno(), 0)

    def end(self) -> None:
        """End it and all processes that it has started, at once."""
        self._end()


_HAS_PROC: Final = Path("/proc/self/fd").is_dir()


def command_of(script: str, *arguments: str, python: str | None = None) -> list[str]:
    """Command that runs a script with this package in another interpreter.

    ``sys`` is imported, and the arguments begin at ``sys.argv[2]``.
    """
    return [python or sys.executable, "-c", _BOOT + script, str(_PACKAGE), *arguments]


def environment_of(added: Mapping[str, str], *, foreign: bool) -> dict[str, str]:
    """Variables of such a process.

    Parameters
    ----------
    added : mapping of str to str
        Beyond those of this one, or instead of them.
    foreign : bool
        Whether the interpreter is another.
    """
    found = dict(os.environ)
    if foreign:
        # They are about this interpreter's libraries.
        for name in ("PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH", "VIRTUAL_ENV"):
            found.pop(name, None)
    # OpenMP's threads spin while they wait for each other. Where something else wants one
    # of the cores, a small model then takes 20 times as long; waiting passively costs an
    # idle machine nothing that could be measured.
    found.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    return {**found, **added}


def _end(process: _Process, sock: socket.socket, log: Any) -> None:
    sock.close()
    # Its group may outlive it: what the model started belongs to it.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=5.0)
    log.close()
