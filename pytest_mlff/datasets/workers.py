"""Running several trajectory generations side by side."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from queue import Empty
from typing import Any

from pytest_mlff.datasets.generate import Protocol, generate, molecule_named
from pytest_mlff.errors import MlffError

_THREADS = "OMP_NUM_THREADS"


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Workers inherit the environment; several threads each would fight for the cores."""
    before = os.environ.get(_THREADS)
    os.environ[_THREADS] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_THREADS]
        else:
            os.environ[_THREADS] = before


def _work(name: str, folder: Path, protocol: Protocol, queue: Any) -> Path:
    return generate(molecule_named(name), folder, protocol, lambda done, _: queue.put((name, done)))


def generate_all(
    protocols: Mapping[str, Protocol],
    folder: Path,
    jobs: int,
    progress: Callable[[str, int], None],
) -> tuple[Path, ...]:
    """Generate several molecules, at most ``jobs`` at a time.

    Parameters
    ----------
    protocols : mapping of str to Protocol
        Molecule to how its trajectory is made.
    folder : Path
        Where the files go.
    jobs : int
        Processes; with 1 everything runs in this one.
    progress : callable
        Called with (molecule, frames done).

    Returns
    -------
    tuple of Path
        The written files, in the order of ``protocols``.

    Raises
    ------
    MlffError
        If a worker process dies.
    """
    if jobs == 1:
        return tuple(
            generate(
                molecule_named(name),
                folder,
                protocol,
                lambda done, _, name=name: progress(name, done),  # type: ignore[misc]
            )
            for name, protocol in protocols.items()
        )
    # Spawned, not forked: the libraries behind the oracle hold threads and locks.
    context = multiprocessing.get_context("spawn")
    with (
        _one_thread_each(),
        context.Manager() as manager,
        ProcessPoolExecutor(min(jobs, len(protocols)), mp_context=context) as pool,
    ):
        queue = manager.Queue()
        futures = {
            name: pool.submit(_work, name, folder, protocol, queue)
            for name, protocol in protocols.items()
        }
        waiting = set(futures.values())
        while waiting:
            try:
                progress(*queue.get(timeout=0.2))
            except Empty:
                for done in [future for future in waiting if future.done()]:
                    waiting.discard(done)
                    try:
                        done.result()
                    except BrokenProcessPool as error:
                        raise MlffError(
                            "a worker process died (out of memory?); run the same command again, "
                            "with fewer jobs, to go on from the last checkpoint"
                        ) from error
        return tuple(future.result() for future in futures.values())
