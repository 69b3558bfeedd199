"""A potential whose model lives in a process of its own."""

from __future__ import annotations

import contextlib
import math
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from pytest_mlff.errors import MissingExtraError, MlffError, NotSupportedError
from pytest_mlff.potentials.adapters import ModelOpensCodeWarning
from pytest_mlff.potentials.batching import BatchPlan
from pytest_mlff.potentials.failures import (
    FrameError,
    ModelFailure,
    UnsupportedFrameError,
)
from pytest_mlff.potentials.host.wire import GarbledError, of_batches, of_frames, predictions_of
from pytest_mlff.potentials.process.asked import Limits, asked_of
from pytest_mlff.potentials.process.handover import take
from pytest_mlff.potentials.protocol import PotentialInfo, Prediction
from pytest_mlff.potentials.sizes import StoredSizes
from pytest_mlff.products import JSON, Entry, find, keep

if TYPE_CHECKING:
    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.potentials.adapters import Adapter
    from pytest_mlff.potentials.host.load import LoadRequest
    from pytest_mlff.potentials.host.wire import Channel
    from pytest_mlff.potentials.process.launch import HostProcess
    from pytest_mlff.store import Store

_CODE_KIND: Final = "model-code"
_MOST_FAILURES: Final = 5
"""How often a process is started anew after a failure before its model is given up."""
_LOOK_UP_EVERY: Final = 5.0
"""Seconds of waiting after which somebody is told."""


class Waiting:
    """Patience with one call on so many frames or batches."""

    def __init__(
        self,
        name: str,
        limit: float | None,
        notice: Callable[[str, float, int, int], None] | None,
        count: int = 0,
    ) -> None:
        self.done = self.total = 0
        self._name, self._limit, self._notice, self._count = name, limit, notice, count
        self._begun = self._last = self._told = time.monotonic()

    def heard(self, done: int) -> bool:
        """So many frames are done; whether they are more than before, which alone is a word."""
        counts = self.done < done <= self._count
        if counts:
            self.done, self.total, self._last = done, self._count, time.monotonic()
        return counts

    def message(self, channel: Channel) -> tuple[dict[str, Any], dict[str, Any]]:
        """The next message; whoever waits is told now and then what for.

        Raises
        ------
        TimeoutError
            If none comes whole within the limit.
        """
        while True:
            now = time.monotonic()
            left = math.inf if self._limit is None else self._last + self._limit - now
            if left <= 0:
                raise TimeoutError
            if self._notice is not None and now - self._told >= _LOOK_UP_EVERY:
                self._told = now
                self._notice(self._name, now - self._begun, self.done, self.total)
            with contextlib.suppress(TimeoutError):
                return channel.receive(now + min(left, _LOOK_UP_EVERY))


class ProcessPotential:
    """A model in a process of its own; see :class:`~pytest_mlff.potentials.protocol.Potential`.

    The process is started and the model loaded when this is made. Should it end or hang, the
    call that it was in fails, and the next one starts it anew.

    Parameters
    ----------
    request : LoadRequest
        Which model.
    adapters : sequence of Adapter
        Beyond the builtin ones.
    limits : Limits
        Time, memory, interpreter.
    store : Store, optional
        Where it is kept which files a model reads only when it computes.
    notice : callable, optional
        Called while a call runs long, with the model's name, the seconds so far, and the
        frames done and in all (0 where it is not known).
    offered : str, optional
        Address of a process that may be loading this model already.

    Raises
    ------
    MlffError
        If the source is not in order.
    ModelFailure
        If the model ends the process, hangs or skips instead of loading.
    """

    def __init__(
        self,
        request: LoadRequest,
        adapters: Sequence[Adapter] = (),
        limits: Limits | None = None,
        store: Store | None = None,
        notice: Callable[[str, float, int, int], None] | None = None,
        *,
        offered: str | None = None,
    ) -> None:
        self._request, self._adapters = request, adapters
        self._limits, self._store, self._notice = limits or Limits(), store, notice
        self._offered = offered
        self._lock = threading.RLock()
        self._host: HostProcess | None = None
        self._failures: list[str] = []
        self._name = request.name or request.source
        self._base: str | None = None
        self._info: PotentialInfo | None = None
        self.one_by_one = False
        with self._lock:
            self._start()

    @property
    def info(self) -> PotentialInfo:
        """Identity of the model; the digest holds that of the code that it is known to import."""
        assert self._info is not None
        return self._info

    @property
    def pid(self) -> int | None:
        """Process id of the model; None while it has none."""
        return None if self._host is None else self._host.pid

    def close(self) -> None:
        """End the process."""
        if self._host is not None:
            self._host.end()
            self._host = None

    def predict(self, frames: Frames) -> Prediction:
        """Evaluate all of ``frames`` as one batch.

        Raises
        ------
        ModelFailure
            If the process ends or says nothing for too long.
        MlffError
            What the model's adapter raised there.
        """
        return self.predict_each([frames])[0]

    def predict_each(self, batches: Sequence[Frames]) -> list[Prediction]:
        """Evaluate each of some batches by itself; raises as :meth:`predict`."""
        _, found = self._call({"do": "predict"}, of_batches(batches), len(batches))
        return self._predictions(found, len(batches))

    def evaluate(
        self,
        frames: Frames,
        *,
        batch: BatchPlan | int | None = None,
        progress: Callable[[int, int], None] | None = None,
        store: Store | None = None,
    ) -> Prediction:
        """Evaluate frames in batches that the model's side chooses; see :func:`evaluate`."""
        plan = {"atoms": None, "batch": batch, "store": store is not None}
        if isinstance(batch, BatchPlan):
            plan |= {"atoms": batch.max_atoms, "batch": None}
        reply, found = self._call(
            {"do": "evaluate", **plan}, of_frames(frames), len(frames), progress, store
        )
        self._remember_late(reply)
        return self._predictions(found, 1)[0]

    def answers_of_threads(self, frames: Sequence[Frames], repeats: int) -> list[list[Prediction]]:
        """See :func:`pytest_mlff.potentials.host.probes.answers_of_threads`."""
        _, found = self._call({"do": "threads", "repeats": repeats}, of_batches(frames))
        flat = self._predictions(found, repeats * len(frames))
        return [flat[start : start + repeats] for start in range(0, len(flat), repeats)]

    def memory_after(self, frames: Frames, calls: int) -> tuple[float, float, float]:
        """See :func:`pytest_mlff.potentials.host.probes.memory_after`."""
        reply, _ = self._call({"do": "memory", "calls": calls}, of_frames(frames))
        resident, device, objects = (float(one) for one in reply["used"])
        return resident, device, objects

    def opened(self, files: Sequence[str]) -> list[str]:
        """Those of some files that the model's own code has read."""
        reply, _ = self._call({"do": "opened", "files": list(files)}, {})
        return [str(one) for one in reply["opened"]]

    # --- the process --------------------------------------------------------------------

    def _start(self) -> HostProcess:
        """Start the process and load the model in it."""
        if len(self._failures) > _MOST_FAILURES:
            raise ModelFailure(
                f"{self._name}: given up after {len(self._failures)} failures, "
                f"the last: {self._failures[-1]}"
            )
        asked = asked_of(self._request, self._adapters, self._limits)
        taken = None if self._offered is None else take(self._offered, asked)
        self._offered = None
        host = self._host = taken or asked.start()
        try:
            reply, _ = self._exchange(host, None if taken else asked.header)
        except MlffError:
            host.end()
            self._host = None
            raise
        for opens_code, text in reply["warnings"]:
            category = ModelOpensCodeWarning if opens_code else UserWarning
            if self._info is None:  # not once more when it is started anew
                warnings.warn(text, category, stacklevel=3)
        info = reply["info"]
        species = info["species"]
        info = PotentialInfo(**{**info, "species": None if species is None else tuple(species)})
        self._base = info.digest
        info = self._with_late(host, info)
        if self._info is not None and self._info.digest != info.digest:
            host.end()
            self._host = None
            raise ModelFailure(f"{self._name}: the model was changed while the run went on")
        self._info, self._name, self.one_by_one = info, info.name, bool(reply["one_by_one"])
        return host

    def _with_late(self, host: HostProcess, info: PotentialInfo) -> PotentialInfo:
        """The digest with files that the model was seen to read after it was loaded."""
        known = self._known_late()
        if not known:
            return info
        reply, _ = self._exchange(host, {"do": "digest", "files": known})
        return replace(info, digest=str(reply["digest"]))

    def _remember_late(self, reply: Mapping[str, Any]) -> None:
        late = [str(one) for one in reply.get("late") or []]
        if not late:
            return
        self._info = replace(self.info, digest=str(reply["digest"]))
        if self._store is not None:
            files = sorted({*self._known_late(), *late})
            keep(self._store, self._late_entry, {"files": files})

    @property
    def _late_entry(self) -> Entry[Mapping[str, Any]]:
        return Entry(_CODE_KIND, {"model": self._base}, JSON)

    def _known_late(self) -> list[str]:
        """Files that the model was seen to read after it was loaded, in this run or another."""
        known = None if self._store is None else find(self._store, self._late_entry)
        return list(known["files"]) if known else []

    # --- calls --------------------------------------------------------------------------

    def _call(
        self,
        header: Mapping[str, Any],
        arrays: Mapping[str, Any],
        count: int = 0,
        progress: Callable[[int, int], None] | None = None,
        store: Store | None = None,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        with self._lock:
            host = self._host if self._host is not None and self._host.alive else self._start()
            return self._exchange(host, header, arrays, count=count, progress=progress, store=store)

    def _exchange(
        self,
        host: HostProcess,
        header: Mapping[str, Any] | None,
        arrays: Mapping[str, Any] | None = None,
        *,
        count: int = 0,
        progress: Callable[[int, int], None] | None = None,
        store: Store | None = None,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Send a request if there is one yet to be sent, and wait for its reply.

        What the model's side asks meanwhile is served.
        """
        limit = self._limits.timeout
        try:
            host.channel.sock.settimeout(limit)
            if header is not None:
                host.channel.send(header, arrays)
            waiting = Waiting(self._name, limit, self._notice, count)
            while True:
                reply, found = waiting.message(host.channel)
                if "total" in reply:
                    if waiting.heard(int(reply["done"])) and progress is not None:
                        progress(waiting.done, waiting.total)
                elif "recall" in reply and store is not None:
                    known = StoredSizes(store).recall(reply["recall"])
                    host.channel.send({"value": None if known is None else dict(known)})
                elif "keep" in reply and store is not None:
                    StoredSizes(store).keep(reply["keep"], reply["value"])
                else:
                    break
        except (EOFError, ConnectionError):
            raise self._failed(host, f"the model's process {host.how_it_ended()}") from None
        except TimeoutError:
            what = f"no word from the model for {limit:g} s (--mlff-timeout), so it was ended"
            raise self._failed(host, what) from None
        except GarbledError as error:
            raise self._failed(host, f"the model's process sent no message ({error})") from None
        except BaseException:
            # An answer that comes later would be taken for that of the next call.
            self.close()
            raise
        host.forget_old_output()
        if "error" in reply:
            raise self._raised(host, reply["error"])
        return reply, found

    def _failed(self, host: HostProcess, what: str) -> ModelFailure:
        said = host.last_lines()
        host.end()
        self._host = None
        self._failures.append(what)
        return ModelFailure(f"{self._name}: {what}" + (f"; its last lines: {said}" if said else ""))

    def _predictions(self, arrays: Mapping[str, Any], wanted: int) -> list[Prediction]:
        try:
            found = predictions_of(arrays)
        except GarbledError as error:
            raise MlffError(f"{self._name}: {error}") from error
        if len(found) != wanted:
            raise MlffError(f"{self._name}: {len(found)} predictions instead of {wanted}")
        return found

    def _raised(self, host: HostProcess, told: Mapping[str, Any]) -> Exception:
        """The exception that the model's side told of."""
        kind, text = told["kind"], str(told["text"])
        if kind == "poisoned":
            # Whatever that process asked of the GPU from now on would fail; a new one starts clean.
            what = f"the model's process lost its GPU ({told['reason']}), so it was ended"
            return self._failed(host, what)
        if kind in ("frame", "unsupported-frame"):
            of_frame = FrameError if kind == "frame" else UnsupportedFrameError
            return of_frame(str(told["model"]), int(told["index"]), str(told["what"]))
        known = {"unsupported": NotSupportedError, "mlff": MlffError, "memory": MemoryError}
        error: Exception
        if kind in known:
            error = known[kind](text)
        elif kind == "failure":
            said = "" if text.startswith("model source") else f"{self._name}: "
            error = ModelFailure(f"{said}{text}")
        elif kind == "extra":
            error = MissingExtraError("", str(told["module"]), str(told["extra"]))
            error.args = (text,)
        elif told["type"] == ModelOpensCodeWarning.__name__:
            error = ModelOpensCodeWarning(text)
        else:
            # Under its own name, which is what an error message quotes.
            error = type(str(told["type"]), (Exception,), {})(text)
        return error
