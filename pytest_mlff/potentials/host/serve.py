"""The model's side: a loop that loads one model and answers what the judge asks of it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_mlff.errors import MissingExtraError, MlffError, NotSupportedError
from pytest_mlff.potentials.adapters import ModelOpensCodeWarning
from pytest_mlff.potentials.batching import BatchPlan, evaluate
from pytest_mlff.potentials.failures import (
    FrameError,
    ModelFailure,
    UnsupportedFrameError,
    is_out_of_memory,
    one_line,
    poison_of,
)
from pytest_mlff.potentials.host.load import LoadRequest, load, unpack_adapters
from pytest_mlff.potentials.host.opened import Opened, libraries
from pytest_mlff.potentials.host.probes import answers_of_threads, memory_after
from pytest_mlff.potentials.host.wire import Channel, batches_of, frames_of, of_predictions
from pytest_mlff.store import digest_of

if TYPE_CHECKING:
    from pytest_mlff.potentials.protocol import Potential

_WORD_EVERY: Final = 0.2
"""Seconds between two words on how far a pass is."""
_PR_SET_PDEATHSIG: Final = 1


def main(descriptor: int, memory: int) -> None:
    """Serve the judge at the other end of a socket until it closes it.

    Parameters
    ----------
    descriptor : int
        File descriptor of the socket.
    memory : int
        Bytes of private memory that this process may take; 0 for no limit.
    """
    if memory:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    sock = socket.socket(fileno=descriptor)
    _end_with_the_judge(descriptor)
    with contextlib.suppress(EOFError, OSError):
        host = _Host(Channel(sock))
        while True:
            host.answer()
    # Without the clean-up of libraries that may hang in it.
    os._exit(0)


def _end_with_the_judge(descriptor: int) -> None:
    """Leave no model computing for nobody, whatever it is in."""
    with contextlib.suppress(OSError):
        # When memory runs out, the model is to go and not the judge.
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        poll = select.poll()
        poll.register(descriptor, select.POLLHUP)
        while not poll.poll():
            pass
        # The judge may read an answer and then leave: the loop ends by itself if it can.
        time.sleep(0.2)
        os.killpg(0, signal.SIGKILL)

    if os.getpgid(0) == os.getpid():
        threading.Thread(target=watch, name="mlff-judge", daemon=True).start()


class _Host:
    """One model and the channel to its judge."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.opened = Opened()
        self.folder = Path.cwd()
        self.potential: Potential | None = None
        self.identity: str | None = None
        self.source = ""
        self.surroundings: dict[str, Any] = {}
        self.remembered: tuple[str, ...] = ()

    def answer(self) -> None:
        """Wait for a request, do it, reply."""
        header, arrays = self.channel.receive()
        try:
            reply, found = getattr(self, f"do_{header['do']}")(header, arrays)
        except BaseException as error:  # nothing that a model raises ends this process
            reply, found = {"error": _told(error)}, {}
        self.channel.send(reply, found)

    @property
    def model(self) -> Potential:
        """The loaded model."""
        assert self.potential is not None
        return self.potential

    def do_load(self, header: Mapping[str, Any], _arrays: object) -> tuple[Any, Any]:
        """Load the model and say who it is."""
        request = LoadRequest(**header["request"])
        self.folder = Path(request.folder)
        self.source = request.source.rpartition("/")[2]
        if request.surroundings is not None:
            about = {"python": sys.version, "libraries": libraries()}
            self.surroundings = {**about, "variables": dict(request.surroundings)}
        if header["path"] is not None:
            sys.path[:] = header["path"]
        # What it imports later lies where what it imported first did.
        file = request.source.rpartition(":")[0]
        sys.path.insert(
            0, str((self.folder / file).parent) if file[-3:] == ".py" else str(self.folder)
        )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if header["refuse_code"]:
                warnings.simplefilter("error", ModelOpensCodeWarning)
            self.potential = load(request, unpack_adapters(header["adapters"]))
        info = self.potential.info
        self.identity = info.digest
        self.remembered = self._files()
        reply = {
            "info": {**asdict(info), "versions": dict(info.versions), "digest": self._digest()},
            "one_by_one": bool(getattr(self.potential, "one_by_one", False)),
            "warnings": [
                [issubclass(one.category, ModelOpensCodeWarning), str(one.message)]
                for one in caught
            ],
        }
        return reply, {}

    def do_digest(self, header: Mapping[str, Any], _arrays: object) -> tuple[Any, Any]:
        """Digest with files that the model read later in earlier runs."""
        self.remembered = tuple(dict.fromkeys((*self.remembered, *header["files"])))
        return {"digest": self._digest()}, {}

    def do_opened(self, header: Mapping[str, Any], _arrays: object) -> tuple[Any, Any]:
        """Those of some files that the model has read, in this process or an earlier one."""
        return {"opened": self.opened.among(header["files"], self.remembered)}, {}

    def _files(self) -> tuple[str, ...]:
        # A checkpoint's own digest says what was read of it; a factory's data are all there is.
        return self.opened.files(read=self.identity is None)

    def _digest(self) -> str:
        """What the model is: its file, and all that it has imported beyond it."""
        files = dict(self.opened.digest(self.remembered, self.folder))
        around = self.surroundings
        if self.identity is not None:
            key = {"model": self.identity, "files": files, **around}
            return digest_of(key) if files or around else self.identity
        key = {"source": self.source, "files": files, "libraries": libraries(), **around}
        return digest_of(key)

    def do_surroundings(self, _header: object, _arrays: object) -> tuple[Any, Any]:
        """What this interpreter holds, without a model."""
        return {"python": sys.version, "at": sys.executable, "libraries": libraries()}, {}

    def do_predict(self, _header: object, arrays: Any) -> tuple[Any, Any]:
        """Some batches, each by itself."""
        batches, found = batches_of(arrays), []
        progress = self._progress()
        for done, frames in enumerate(batches):
            progress(done, len(batches))
            found.append(self.model.predict(frames))
        return {}, of_predictions(found)

    def do_evaluate(self, header: Mapping[str, Any], arrays: Any) -> tuple[Any, Any]:
        """A whole pass in batches; tells of what the model imported or read meanwhile."""
        batch = header["batch"] if header["atoms"] is None else BatchPlan(header["atoms"])
        frames = frames_of(arrays)
        store = _JudgesSizes(self.channel) if header["store"] else None
        found = evaluate(self.model, frames, batch=batch, progress=self._progress(), store=store)
        known = set(self.remembered)
        late = [one for one in self._files() if one not in known]
        self.remembered += tuple(late)
        told = {"late": late, "digest": self._digest()} if late else {}
        return told, of_predictions([found])

    def _progress(self) -> Callable[[int, int], None]:
        """What tells the judge now and then how far a call is."""
        last = time.monotonic()

        def tell(done: int, total: int) -> None:
            nonlocal last
            if time.monotonic() - last > _WORD_EVERY:
                last = time.monotonic()
                self.channel.send({"done": done, "total": total})

        return tell

    def do_threads(self, header: Mapping[str, Any], arrays: Any) -> tuple[Any, Any]:
        """One batch for each thread."""
        found = answers_of_threads(self.model, batches_of(arrays), header["repeats"])
        return {}, of_predictions([one for answers in found for one in answers])

    def do_memory(self, header: Mapping[str, Any], arrays: Any) -> tuple[Any, Any]:
        """Memory after some calls."""
        return {"used": memory_after(self.model, frames_of(arrays), header["calls"])}, {}


class _JudgesSizes:
    """Batch sizes that the judge remembers; see :class:`Sizes`."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def recall(self, key: dict[str, Any]) -> Mapping[str, Any] | None:
        """What is known under a key."""
        self._channel.send({"recall": key})
        value: Mapping[str, Any] | None = self._channel.receive()[0]["value"]
        return value

    def keep(self, key: dict[str, Any], value: Mapping[str, Any]) -> None:
        """Keep something under a key."""
        self._channel.send({"keep": key, "value": value})


_KINDS: Final = (
    (UnsupportedFrameError, "unsupported-frame"),
    (FrameError, "frame"),
    (MissingExtraError, "extra"),
    (NotSupportedError, "unsupported"),
    (ModelFailure, "failure"),
    (MlffError, "mlff"),
)


def _told(error: BaseException) -> dict[str, Any]:
    """An exception in plain words; the judge makes its like of them."""
    told: dict[str, Any] = {"type": type(error).__name__, "text": str(error)}
    poison = poison_of(error)
    if poison is not None:
        return {**told, "kind": "poisoned", "reason": poison}
    if isinstance(error, FrameError):
        told |= {"model": error.model, "index": error.index, "what": error.what}
    if isinstance(error, MissingExtraError):
        told |= {"module": error.module, "extra": error.extra}
    kind = next((kind for known, kind in _KINDS if isinstance(error, known)), None)
    if kind is None and is_out_of_memory(error):
        kind = "memory"
    elif kind is None and isinstance(error, Exception):
        kind = "other"
    elif kind is None:
        return {**told, "kind": "failure", "text": f"raised {one_line(error)}"}
    return {**told, "kind": kind}
