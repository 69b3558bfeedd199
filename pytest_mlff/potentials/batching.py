"""Evaluation in batches, and how large a batch should be.

Batches are measured in atoms, so that frames of very different size fit. The best size
depends on model and machine; it is found by timing a few sizes in turn. The frames that are
timed are the very ones that :func:`evaluate` was given, so that nothing is computed twice.
"""

from __future__ import annotations

import contextlib
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_mlff.errors import MlffError
from pytest_mlff.potentials.failures import FrameError, is_out_of_memory, raise_if_poisoned
from pytest_mlff.potentials.memory import available_memory, keep_freed_memory, peak_memory
from pytest_mlff.potentials.protocol import Prediction
from pytest_mlff.potentials.sizes import Sizes, StoredSizes
from pytest_mlff.store import Store

if TYPE_CHECKING:
    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.potentials.protocol import Potential

# Frames per batch that are tried, at the mean frame size.
LADDER: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
# Fewer atoms than that never fill a processor, so the ladder starts here …
SMALLEST_TRIED: Final = 64
# … and more than that only cost memory, on a GPU later than on a CPU.
LARGEST_TRIED: Final = {"cpu": 2**13, "cuda": 2**16}
# One timing lasts at least so long, seconds.
SHORTEST_TIMING: Final = 0.015
# The ladder ends after two steps in turn that gain less than this.
WORTH_CLIMBING: Final = 0.98
ROUNDS: Final = 2
# A batch may take half of the memory that is left.
MEMORY_SHARE: Final = 0.5


@dataclass(frozen=True)
class BatchPlan:
    """Most atoms in one batch; a larger frame makes a batch of its own."""

    max_atoms: int

    def __post_init__(self) -> None:
        if self.max_atoms < 1:
            raise ValueError(f"max_atoms is {self.max_atoms}, must be at least 1")


def joined(parts: Sequence[Prediction]) -> Prediction:
    """Predictions of consecutive frames as one; a missing stress becomes NaN beside others."""
    if len(parts) == 1:
        return parts[0]
    stress = None
    if any(part.stress is not None for part in parts):
        stress = np.concatenate(
            [
                np.full((len(part.energy), 3, 3), np.nan) if part.stress is None else part.stress
                for part in parts
            ]
        )
    return Prediction(
        np.concatenate([np.zeros(0), *(part.energy for part in parts)]),
        np.concatenate([np.zeros((0, 3)), *(part.forces for part in parts)]),
        stress,
    )


@dataclass
class _Pass:
    """One way through the frames, batch by batch; batches shrink when memory runs out."""

    potential: Potential
    frames: Frames
    progress: Callable[[int, int], None] | None = None
    done: int = 0
    limit: int = sys.maxsize
    parts: list[Prediction] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        return self.done >= len(self.frames)

    def step(self, max_atoms: int, max_frames: int = sys.maxsize) -> int:
        """Evaluate the next batch; returns its number of atoms."""
        offsets = self.frames.offsets
        while True:
            start, most = self.done, min(max_atoms, self.limit)
            stop = int(np.searchsorted(offsets, offsets[start] + most, side="right")) - 1
            stop = min(max(stop, start + 1), start + max_frames, len(self.frames))
            batch = self.frames.select(slice(start, stop))
            try:
                part = self.potential.predict(batch).check(batch, self.potential.info.name)
            except FrameError as error:
                raise error.moved(start) from error
            except Exception as error:
                if not is_out_of_memory(error):
                    raise_if_poisoned(error, self.potential.info.name)
                    raise
                n_atoms = len(batch.numbers)
                if len(batch) == 1:
                    raise MlffError(
                        f"{self.potential.info.name}: frame {start} ({n_atoms} atoms) alone "
                        f"does not fit into the memory of {self.potential.info.device}"
                    ) from error
                self.limit = max(1, n_atoms // 2)
                _free_memory(self.potential.info.device)
                continue
            break
        self.done = stop
        self.parts.append(part)
        if self.progress is not None:
            self.progress(self.done, len(self.frames))
        return len(batch.numbers)


def _free_memory(device: str) -> None:
    if device.startswith("cuda"):
        import torch

        torch.cuda.empty_cache()


@dataclass
class _Probe:
    """Times batches of several sizes in turn and settles on one."""

    walk: _Pass
    timings: dict[int, list[float]] = field(default_factory=dict)
    settled: bool = False

    def candidates(self) -> Iterator[int]:
        """Atoms per batch, ascending."""
        mean = float(self.walk.frames.counts.mean())
        sizes = [math.ceil(frames * mean) for frames in LADDER]
        on_gpu = self.walk.potential.info.device.startswith("cuda")
        largest = LARGEST_TRIED["cuda" if on_gpu else "cpu"]
        wanted = [n for n in sizes if SMALLEST_TRIED <= n <= largest]
        yield from wanted or sizes[:1]

    def best(self) -> int:
        """The fastest so far by median time per atom."""
        if not self.timings:
            return next(self.candidates())
        return min(self.timings, key=lambda size: statistics.median(self.timings[size]))

    def time(self, size: int) -> float | None:
        """Seconds per atom at a batch size; None if the frames ended before it was filled."""
        atoms, seconds = 0, 0.0
        while seconds < SHORTEST_TIMING:
            if self.walk.finished:
                return None
            limit = self.walk.limit
            started = time.perf_counter()
            batch = self.walk.step(size)
            seconds += time.perf_counter() - started
            atoms += batch
            # The last frames may not fill a batch, which then says nothing about its size.
            if 2 * batch < min(size, limit) or self.walk.limit < size:
                return None
        self.timings.setdefault(size, []).append(seconds / atoms)
        return seconds / atoms

    def run(self) -> None:
        """Climb the ladder, then time the best few again, interleaved."""
        device = self.walk.potential.info.device
        sizes = list(self.candidates())
        for _ in range(2):  # the first batches compile and allocate
            if self.walk.finished:
                return
            self.walk.step(sizes[0])
        before = peak_memory(device)
        fruitless = 0
        for size in sizes:
            so_far = min(map(min, self._all()), default=math.inf)
            seconds = self.time(size)
            if seconds is None:
                if self.walk.limit < size:  # memory ran out: this is the end of the ladder
                    break
                return
            fruitless = fruitless + 1 if seconds > WORTH_CLIMBING * so_far else 0
            if fruitless == 2 or not _twice_fits(device, before):
                break
        fastest = min(map(min, self._all()), default=math.inf)
        finalists = [n for n, times in self.timings.items() if min(times) < 1.1 * fastest]
        for turn in range(ROUNDS if len(finalists) > 1 else 0):
            for size in finalists if turn % 2 else reversed(finalists):
                if self.time(size) is None:
                    return
        self.settled = bool(self.timings)

    def _all(self) -> list[list[float]]:
        return list(self.timings.values())


def _twice_fits(device: str, before: int | None) -> bool:
    """Whether a batch of twice the size would fit: memory grows with the atoms in it."""
    peak, available = peak_memory(device), available_memory(device)
    if before is None or peak is None or available is None:
        return True
    return 2 * (peak - before) < MEMORY_SHARE * (available + peak - before)


@cache
def _processor() -> str:
    import platform

    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _key(potential: Potential, frames: Frames) -> dict[str, Any] | None:
    """What the best size depends on; None if the model has no identity to remember it by."""
    info = potential.info
    if info.digest is None:
        return None
    if info.device.startswith("cuda"):
        import torch

        processor, threads = torch.cuda.get_device_name(info.device), 0
    else:
        processor = _processor()
        torch_module = sys.modules.get("torch")
        threads = 1 if torch_module is None else int(torch_module.get_num_threads())
    return {
        "model": info.digest,
        "device": info.device,
        "dtype": info.dtype,
        "processor": processor,
        "threads": threads,
        "versions": dict(info.versions),
        "log2_atoms_per_frame": round(math.log2(float(frames.counts.mean()))),
        "periodic": bool(frames.pbc.any()),
    }


def _sizes(store: Store | Sizes) -> Sizes:
    return StoredSizes(store) if isinstance(store, Store) else store


def _remembered(store: Store | Sizes | None, key: dict[str, Any] | None) -> int | None:
    entry = None if store is None or key is None else _sizes(store).recall(key)
    size = None if entry is None else entry.get("max_atoms")
    return size if isinstance(size, int) and size > 0 else None


def _remember(store: Store | Sizes | None, key: dict[str, Any] | None, probe: _Probe) -> None:
    # Sizes that were found on too few frames are not worth keeping.
    if store is not None and key is not None and probe.settled:
        seconds = {str(n): statistics.median(times) for n, times in probe.timings.items()}
        value = {"max_atoms": probe.best(), "seconds_per_atom": seconds}
        _sizes(store).keep(key, value)


def _one_by_one(potential: Potential) -> bool:
    return bool(getattr(potential, "one_by_one", False))


def _prepare(potential: Potential) -> None:
    if potential.info.device == "cpu" and not _one_by_one(potential):
        keep_freed_memory()


def evaluate(
    potential: Potential,
    frames: Frames,
    *,
    batch: BatchPlan | int | None = None,
    progress: Callable[[int, int], None] | None = None,
    store: Store | Sizes | None = None,
) -> Prediction:
    """Evaluate frames in batches.

    Parameters
    ----------
    potential : Potential
        The model.
    frames : Frames
        Any number, of any sizes; labels are not handed to the model.
    batch : BatchPlan, int or None
        Atoms per batch, frames per batch, or None to find out while evaluating.
    progress : callable, optional
        Called after each batch with the frames done and the frames in all.
    store : Store, optional
        Where batch sizes are kept and looked up if ``batch`` is None.

    Returns
    -------
    Prediction
        For all frames in their order. It depends on the batch size only through rounding.

    Raises
    ------
    NotSupportedError
        If the model cannot serve the frames.
    MlffError
        If the model fails on a frame (the line names it), or one frame does not fit into
        memory. Where a batch of several does not, it is halved.
    """
    if isinstance(batch, int) and batch < 1:
        raise ValueError(f"batch is {batch}, must be at least 1")
    # A model in a process of its own is handed the whole pass: batches are its side's business.
    remote = getattr(potential, "evaluate", None)
    if remote is not None and len(frames):
        found: Prediction = remote(
            frames.without_labels(), batch=batch, progress=progress, store=store
        )
        return found
    walk = _Pass(potential, frames.without_labels(), progress)
    if len(frames) == 0:
        return joined([])
    _prepare(potential)
    size, max_frames = sys.maxsize // 2, sys.maxsize
    if isinstance(batch, BatchPlan):
        size = batch.max_atoms
    elif batch is not None:
        max_frames = batch
    elif _one_by_one(potential):
        max_frames = 1
    else:
        key = _key(potential, frames)
        remembered = _remembered(store, key)
        if remembered is None:
            probe = _Probe(walk)
            probe.run()
            _remember(store, key, probe)
            remembered = probe.best()
        size = remembered
    while not walk.finished:
        walk.step(size, max_frames)
    return joined(walk.parts)
