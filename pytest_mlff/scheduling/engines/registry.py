"""Engines: where trainings run. Any executor in the manner of ``concurrent.futures`` will do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_mlff.errors import MlffError
from pytest_mlff.scheduling.engines.resources import Resources

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

__all__ = ["ENGINES", "Resources", "map_jobs", "open_engine"]

ENGINES = ("local", "slurm")
JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")


def open_engine(
    name: str,
    *,
    store: Path,
    resources: Resources | None = None,
    own: Executor | None = None,
    workers: int | None = None,
) -> Executor:
    """Open an engine by name; use it as a context.

    Parameters
    ----------
    name : str
        ``local``, ``slurm``, or one that the hook ``pytest_mlff_executor`` knows.
    store : Path
        The store; on a cluster, on a file system that its nodes see.
    resources : Resources or None
        Of each job.
    own : Executor or None
        What the hook says. It goes first, so that a site may have its own ``slurm``.
    workers : int or None
        Local jobs at a time; None for as many as the resources allow.

    Returns
    -------
    Executor
        ``submit`` returns futures; leaving the context waits for them.

    Raises
    ------
    MlffError
        If there is no such engine, or the hook returned something that is no executor.
    MissingExtraError
        If the engine's library is not installed.
    """
    if own is not None:
        if not callable(getattr(own, "submit", None)):
            raise MlffError(
                f"engine {name}: pytest_mlff_executor returned {type(own).__name__}, "
                "which has no submit()"
            )
        return own
    if name == "local":
        from pytest_mlff.scheduling.engines.local import LocalEngine

        return LocalEngine(workers, resources)
    if name == "slurm":
        from pytest_mlff.scheduling.engines.slurm import SlurmEngine

        return SlurmEngine(store, resources)
    raise MlffError(
        f"engine {name!r} is none of {', '.join(ENGINES)}, "
        "and no plugin's pytest_mlff_executor knows it"
    )


def map_jobs(
    engine: Executor, function: Callable[[JobT], ResultT], jobs: Iterable[JobT]
) -> list[Future[ResultT]]:
    """Submit one call per job, as a job array where the engine has such.

    Returns
    -------
    list of Future
        In the order of ``jobs``.

    Raises
    ------
    MlffError
        If the engine does not take them.
    """
    batch = getattr(engine, "batch", None)
    if batch is None:
        return [engine.submit(function, job) for job in jobs]
    with batch():
        futures: list[Future[Any]] = [engine.submit(function, job) for job in jobs]
    return futures
