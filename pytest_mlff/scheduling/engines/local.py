"""Trainings as processes of this machine, each its own, so that one's death harms no other."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import queue
import signal
import threading
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    from pytest_mlff.scheduling.engines.resources import Resources

_ATTEMPTS = 2


class LocalEngine(Executor):
    """An executor that runs every call in a new process.

    Each process sees its share of cores and GPUs from its start, ahead of any import of
    torch. A process that is killed is begun once more, and goes on from its function's last
    checkpoint; it dies with this process, however that ends.

    Parameters
    ----------
    workers : int or None
        Processes at a time; None for as many as ``resources`` fit into this machine's
        visible cores and GPUs, or 1 without resources.
    resources : Resources or None
        Of each call; None for the whole machine.

    Raises
    ------
    MlffError
        If the machine has less than one call needs.
    """

    def __init__(self, workers: int | None = None, resources: Resources | None = None) -> None:
        shares = _shares(resources, workers)
        self._shares: queue.SimpleQueue[Mapping[str, str]] = queue.SimpleQueue()
        for share in shares:
            self._shares.put(share)
        self.workers = len(shares)
        self._threads = ThreadPoolExecutor(self.workers, thread_name_prefix="mlff-local")
        self._guard = threading.Lock()
        self._processes: set[SpawnProcess] = set()
        self._stopped = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit a call; function, arguments and result must be picklable.

        Raises
        ------
        MlffError
            If the call cannot be pickled.
        """
        try:
            payload = pickle.dumps((fn, args, kwargs))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise MlffError(f"engine local: the call cannot be pickled: {error}") from error
        return self._threads.submit(self._attempts, payload)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; ``cancel_futures`` also ends those that have begun."""
        if cancel_futures:
            with self._guard:
                self._stopped = True
                running = list(self._processes)
            for process in running:
                process.terminate()
        self._threads.shutdown(wait=wait, cancel_futures=cancel_futures)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool | None:
        self.shutdown(wait=True, cancel_futures=exc_type is not None)
        return None

    def _attempts(self, payload: bytes) -> Any:
        share = self._shares.get()
        try:
            for attempt in range(_ATTEMPTS):
                code, answer = self._attempt(payload, share)
                if answer is not None:
                    kind, content = pickle.loads(answer)
                    if kind == "result":
                        return content
                    raise content
                if self._stopped or attempt == _ATTEMPTS - 1:
                    raise MlffError(f"engine local: a process {_how(code)} before it had a result")
        finally:
            self._shares.put(share)
        raise AssertionError("unreachable")

    def _attempt(self, payload: bytes, share: Mapping[str, str]) -> tuple[int | None, bytes | None]:
        # fork would copy locks of torch's threads in whatever state they are.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, dict(share), payload))
        with self._guard:
            if self._stopped:
                raise MlffError("engine local: ended before this call had begun")
            process.start()
            self._processes.add(process)
        theirs.close()
        answer: bytes | None = None
        try:
            with contextlib.suppress(EOFError, OSError):
                answer = ours.recv_bytes()
            process.join()
        finally:
            ours.close()
            with self._guard:
                self._processes.discard(process)
        return process.exitcode, answer


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            name = signal.Signals(-code).name
            hint = ", as happens when memory runs out" if name == "SIGKILL" else ""
            return f"was ended by {name}{hint}"
    return f"ended with code {code}"


def _work(answers: Connection, share: dict[str, str], payload: bytes) -> None:
    os.environ.update(share)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        function, args, kwargs = pickle.loads(payload)
        answer = pickle.dumps(("result", function(*args, **kwargs)))
    except KeyboardInterrupt:
        return
    except Exception as error:
        error.add_note(traceback.format_exc())
        answer = pickle.dumps(("error", _sendable(error)))
    answers.send_bytes(answer)


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _sendable(error: Exception) -> Exception:
    # Exceptions with an __init__ of their own often cannot be unpickled.
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        if isinstance(error, MlffError):
            return MlffError(str(error))
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _shares(resources: Resources | None, workers: int | None) -> list[dict[str, str]]:
    """Environment of each worker: its threads, and its GPUs out of the visible ones."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = cores or 1
    if workers is not None and workers < 1:
        raise MlffError(f"engine local: {workers} workers, at least 1 is needed")
    if resources is None:
        threads = max(1, cores // (workers or 1))
        return [{"OMP_NUM_THREADS": str(threads)} for _ in range(workers or 1)]
    count = workers or max(1, cores // resources.cpus)
    shares = [{"OMP_NUM_THREADS": str(resources.cpus)} for _ in range(count)]
    if not resources.gpus:
        return shares
    visible = _visible_gpus()
    fits = len(visible) // resources.gpus
    if fits == 0:
        raise MlffError(
            f"engine local: a job needs {resources.gpus} GPUs, {len(visible)} are visible"
        )
    shares = shares[:fits]
    for number, share in enumerate(shares):
        chosen = visible[number * resources.gpus : (number + 1) * resources.gpus]
        share["CUDA_VISIBLE_DEVICES"] = ",".join(chosen)
    return shares


def _visible_gpus() -> list[str]:
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [word.strip() for word in named.split(",") if word.strip()]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]
