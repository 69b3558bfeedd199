"""What laws ask of a model that is best done in the model's own process."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlff.potentials.failures import is_poisoned

if TYPE_CHECKING:
    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.potentials.protocol import Potential, Prediction


def predict_each(potential: Potential, batches: Sequence[Frames]) -> list[Prediction]:
    """Evaluate each of some batches by itself; one message to a model that is apart."""
    remote = getattr(potential, "predict_each", None)
    if remote is not None:
        found: list[Prediction] = remote(batches)
        return found
    return [potential.predict(frames) for frames in batches]


def answers_of_threads(
    potential: Potential, frames: Sequence[Frames], repeats: int
) -> list[list[Prediction]]:
    """Evaluate each of ``frames`` in a thread of its own, all at once.

    Returns
    -------
    list of list of Prediction
        ``repeats`` answers for each of ``frames``.

    Raises
    ------
    Exception
        What a thread raised first; the loss of a GPU before anything else.
    """
    remote = getattr(potential, "answers_of_threads", None)
    if remote is not None:
        found: list[list[Prediction]] = remote(frames, repeats)
        return found
    answers: list[list[Prediction]] = [[] for _ in frames]
    failures: list[BaseException] = []
    start = threading.Barrier(len(frames))

    def work(index: int) -> None:
        start.wait()
        try:
            for _ in range(repeats):
                answers[index].append(potential.predict(frames[index]))
        except BaseException as error:  # a thread would end without a word
            failures.append(error)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(frames))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise next((one for one in failures if is_poisoned(one)), failures[0])
    return answers


def memory_after(potential: Potential, frames: Frames, calls: int) -> tuple[float, float, float]:
    """Evaluate ``frames`` some times, then look at the memory of the model's process.

    Returns
    -------
    float, float, float
        Resident bytes (0 where the system does not tell), device bytes, Python memory blocks.
    """
    remote = getattr(potential, "memory_after", None)
    if remote is not None:
        found: tuple[float, float, float] = remote(frames, calls)
        return found
    for _ in range(calls):
        potential.predict(frames)
    return _used()


def _used() -> tuple[float, float, float]:
    gc.collect()
    with contextlib.suppress(AttributeError, OSError):
        # Else what was freed before takes in what leaks now, and nothing is seen to grow.
        ctypes.CDLL(None).malloc_trim(0)
    blocks = float(sys.getallocatedblocks())
    device = 0.0
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        device = float(torch.cuda.memory_allocated())
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0.0, device, blocks
    import resource

    return float(pages * resource.getpagesize()), device, blocks
