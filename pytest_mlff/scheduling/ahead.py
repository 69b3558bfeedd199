"""Trainings ahead of the tests: on this machine or on a cluster, with a bar."""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import FIRST_COMPLETED, wait
from typing import TYPE_CHECKING

from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Executor, Future
    from typing import Never

    from tqdm import tqdm

    from pytest_mlff.options import Options
    from pytest_mlff.session import Session
    from pytest_mlff.training.runner import TrainingJob, TrainingResult
    from pytest_mlff.wanted import Wanted

__all__ = ["only_stored", "train_all", "train_for"]


def train_all(
    wanted: Sequence[Wanted],
    options: Options,
    *,
    jobs: int | None = None,
    executors: Callable[[str], Executor | None] | None = None,
) -> dict[str, str]:
    """Train what the store lacks, with a bar.

    Parameters
    ----------
    wanted : sequence of Wanted
        At least one.
    options : Options
        Engine and store.
    jobs : int, optional
        Local trainings at once; as many as there are cores for if not given.
    executors : callable, optional
        The hook ``pytest_mlff_executor``.

    Returns
    -------
    dict
        Digest of each training that failed, with the line that says why.

    Raises
    ------
    MlffError
        If there is no such engine.
    """
    from tqdm import tqdm

    from pytest_mlff.scheduling.engines import open_engine
    from pytest_mlff.scheduling.resources import Resources

    recipe = wanted[0].job.recipe
    resources = Resources.from_mapping(
        recipe.content.resources.model_dump(exclude_none=True), str(recipe.path)
    )
    budget = sum(one.job.recipe.content.budget for one in wanted)
    failed: dict[str, str] = {}
    with (
        open_engine(
            options.engine,
            store=options.store_dir,
            resources=resources,
            executors=executors,
            workers=_at_once(wanted, jobs),
        ) as engine,
        tqdm(total=budget, unit="s", desc="training", file=sys.stderr) as bar,
    ):
        for one, future in _finished(engine, wanted, bar):
            more = f" (and {len(one.variants) - 1} more)" if len(one.variants) > 1 else ""
            name = one.variants[0] + more
            try:
                result = future.result()
            except MlffError as error:
                failed[one.job.digest] = str(error)
                bar.write(f"FAILED {name}: {error}")
                continue
            steps = "" if result.steps is None else f", {result.steps} steps"
            bar.write(f"ok     {name}: {result.seconds:.0f} s{steps}")
    return failed


def _at_once(wanted: Sequence[Wanted], jobs: int | None) -> int:
    if jobs is None:
        needed = max(one.job.recipe.content.resources.cpus for one in wanted)
        jobs = max(1, (os.cpu_count() or 1) // needed)
    return min(jobs, len(wanted))


def _finished(
    engine: Executor, wanted: Sequence[Wanted], bar: tqdm[Never]
) -> Iterator[tuple[Wanted, Future[TrainingResult]]]:
    """Futures as they finish; meanwhile the bar follows the time that trainings have run."""
    from pytest_mlff.scheduling.engines import map_jobs
    from pytest_mlff.training.runner import run_job

    submitted = map_jobs(engine, run_job, [one.job for one in wanted])
    futures = dict(zip(submitted, wanted, strict=True))
    begun: dict[Future[TrainingResult], float] = {}
    passed = 0.0
    while futures:
        done, _ = wait(futures, timeout=1.0, return_when=FIRST_COMPLETED)
        now = time.monotonic()
        for future, one in list(futures.items()):
            if future.running() or future in done:
                begun.setdefault(future, now)
            if future in done:
                passed += one.job.recipe.content.budget
                begun.pop(future, None)
                yield futures.pop(future), future
        running = sum(
            min(now - start, futures[future].job.recipe.content.budget)
            for future, start in begun.items()
        )
        bar.n = int(passed + running)
        bar.refresh()


def train_for(
    session: Session,
    nodeids: Iterable[str],
    executors: Callable[[str], Executor | None] | None = None,
) -> None:
    """Have the run's engine train what some collected cases need, unless it is the local one.

    On the local engine a training runs where its first case runs.

    Parameters
    ----------
    session : Session
        The run.
    nodeids : iterable of str
        Collected items.
    executors : callable, optional
        The hook ``pytest_mlff_executor``.

    Raises
    ------
    MlffError
        If there is no such engine, or it cannot take jobs.
    """
    from pytest_mlff.training.runner import stored_result
    from pytest_mlff.wanted import wanted_trainings

    if session.options.engine == "local":
        return
    models = session.evaluation.models
    cases = (session.by_nodeid.get(nodeid) for nodeid in nodeids)
    places = {
        (one.source, one.planned.path, one.case.variant.id): one
        for one in cases
        if one is not None and one.source is not None
    }
    wanted, _ = wanted_trainings(
        models,
        (
            (one.source, one.planned, one.case.variant)
            for one in places.values()
            if one.source is not None
        ),
    )
    missing = [one for one in wanted if stored_result(one.job) is None]
    if missing:
        failed = train_all(missing, session.options, executors=executors)
        models.failed.update({digest: MlffError(line) for digest, line in failed.items()})


def only_stored(engine: str) -> Callable[[TrainingJob], TrainingResult]:
    """What takes the place of training in processes that leave it to an engine."""

    def take(job: TrainingJob) -> TrainingResult:
        from pytest_mlff.training.runner import stored_result

        result = stored_result(job)
        if result is None:
            raise MlffError(
                f"{job.variant}: engine {engine} has not trained it (`mlff jobs` lists its jobs)"
            )
        return result

    return take
