"""Trainings ahead of the tests: on this machine or on a cluster, with a bar."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from typing import TYPE_CHECKING, Any, Never

from pytest_mlff.errors import MlffError
from pytest_mlff.products import JSON, Entry, find, forget, keep
from pytest_mlff.scheduling.shows import only_shows

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    import pytest
    from tqdm import tqdm

    from pytest_mlff.run.options import Options
    from pytest_mlff.run.session import Session
    from pytest_mlff.run.trainings import Wanted
    from pytest_mlff.training.job import TrainingJob, TrainingResult

# Its unit is a training, so that a rate would say little.
_BAR = "{desc}: {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}{postfix}]"
_LINES_EVERY = 60.0
# File systems shared by many machines show new files late.
_SETTLE_SECONDS = 60.0


def train_all(
    wanted: Sequence[Wanted],
    options: Options,
    *,
    jobs: int | None = None,
    executors: Callable[[str], Executor | None] | None = None,
    settle: float = _SETTLE_SECONDS,
) -> dict[str, str]:
    """Train what the store lacks, with a bar.

    Recipes that need different resources get an engine each; one from the hook takes all.

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
    settle : float
        Seconds for which a finished training may be missing from the store.

    Returns
    -------
    dict
        Digest of each training that failed, with the line that says why.

    Raises
    ------
    MlffError
        If there is no such engine, or it does not take the trainings.
    """
    from tqdm import tqdm

    from pytest_mlff.training.progress import remember_pace

    failed: dict[str, str] = {}
    finished: list[Wanted] = []
    with tqdm(total=len(wanted), desc="training", bar_format=_BAR, disable=None) as bar:

        def fails(one: Wanted, line: str) -> None:
            failed[one.job.digest] = line
            tell(f"FAILED {_name(one)}: {line}")

        def tell(line: str) -> None:
            place = f"[{len(failed) + len(finished)}/{len(wanted)}]"
            bar.write(f"{place} {line}", file=sys.stderr)

        for wave in _waves(wanted):
            ready = []
            for one in wave:
                fault = next((p for p in one.job.parents.values() if p.digest in failed), None)
                if fault is None:
                    ready.append(one)
                else:
                    bar.update()
                    fails(one, f"{one.job.title}: stage {fault.name} failed")
            with contextlib.ExitStack() as engines:
                futures = _submitted(engines, ready, options, jobs, executors)
                with _left_in_order(futures, options, bar):
                    for one, future in _finished(futures, bar):
                        line = _problem(future, one, options.engine)
                        if line is None:
                            finished.append(one)
                            remember_pace(one.job, future.result())
                            tell(f"ok {_name(one)}: {_spent(future)}")
                        else:
                            fails(one, line)
    failed.update(_unseen(finished, options, settle))
    return failed


def _waves(wanted: Sequence[Wanted]) -> Iterator[list[Wanted]]:
    """Trainings in portions: stages after those that they follow from.

    An engine is handed a portion when the one before it has ended, so that no job waits in the
    place of another.
    """
    left = {one.job.digest: one for one in wanted}
    while left:
        wave = [
            one
            for one in left.values()
            if not any(parent.digest in left for parent in one.job.parents.values())
        ]
        for one in wave:
            del left[one.job.digest]
        yield wave


def _name(one: Wanted) -> str:
    stage = f", stage {one.job.name}" if one.job.name else ""
    more = f" (and {len(one.variants) - 1} more)" if len(one.variants) > 1 else ""
    return one.variants[0] + stage + more


def _problem(future: Future[TrainingResult], one: Wanted, engine: str) -> str | None:
    from pytest_mlff.potentials.failures import one_line

    try:
        future.result()
    except MlffError as error:
        return str(error)
    except Exception as error:  # whatever an engine of somebody else's has to say
        return f"{one.variants[0]}: engine {engine}: {one_line(error)}"
    return None


def _spent(future: Future[TrainingResult]) -> str:
    result = future.result()
    steps = "" if result.steps is None else f", {result.steps} steps"
    return f"{result.seconds:.0f} s{steps}"


def _submitted(
    engines: contextlib.ExitStack,
    wanted: Sequence[Wanted],
    options: Options,
    jobs: int | None,
    executors: Callable[[str], Executor | None] | None,
) -> dict[Future[TrainingResult], Wanted]:
    """Open what engines are needed, and hand each its trainings."""
    from pytest_mlff.potentials.failures import one_line
    from pytest_mlff.scheduling.engines.registry import map_jobs, open_engine
    from pytest_mlff.scheduling.engines.resources import Resources
    from pytest_mlff.training.runner import run_job

    own = executors(options.engine) if executors is not None else None
    groups: dict[str, list[Wanted]] = {}
    for one in wanted:
        asked = "" if own is not None else json.dumps(_asked(one), sort_keys=True)
        groups.setdefault(asked, []).append(one)
    futures: dict[Future[TrainingResult], Wanted] = {}
    for group in groups.values():
        try:
            resources = Resources(**_asked(group[0]))
        except MlffError as error:
            raise MlffError(f"{group[0].job.recipe.path}: {error}") from None
        engine: Any = open_engine(
            options.engine,
            store=options.store_dir,
            resources=resources,
            own=own,
            workers=_at_once(group, jobs),
        )
        if hasattr(engine, "__enter__"):
            engines.enter_context(engine)
        try:
            submitted = map_jobs(engine, run_job, [one.job for one in group])
        except MlffError:
            raise
        except Exception as error:
            raise MlffError(
                f"engine {options.engine} did not take a training: {one_line(error)}"
            ) from error
        futures.update(zip(submitted, group, strict=True))
    return futures


def _asked(one: Wanted) -> Mapping[str, Any]:
    return one.job.recipe.content.resources.model_dump(exclude_none=True)


def _at_once(wanted: Sequence[Wanted], jobs: int | None) -> int:
    if jobs is None:
        needed = max(one.job.recipe.content.resources.cpus for one in wanted)
        jobs = max(1, (os.cpu_count() or 1) // needed)
    return min(jobs, len(wanted))


@contextlib.contextmanager
def _left_in_order(
    futures: Mapping[Future[TrainingResult], Wanted], options: Options, bar: tqdm[Never]
) -> Iterator[None]:
    """When the wait is broken off, begin nothing new here, and say what goes on elsewhere."""
    try:
        yield
    except BaseException as error:
        ids = [getattr(future, "job_id", None) for future in futures if not future.done()]
        for future in futures:
            # What has a job's id outlives this process, and cancelling it would end the job.
            if not hasattr(future, "job_id"):
                future.cancel()
        there = [one for one in ids if one is not None]
        if there and isinstance(error, KeyboardInterrupt):
            what = "1 job goes on" if len(there) == 1 else f"{len(there)} jobs go on"
            bar.write(
                f"engine {options.engine}: {what}, and the next run with this store waits for "
                f"what it needs (`mlff jobs --mlff-store={options.store_dir}` lists and cancels)",
                file=sys.stderr,
            )
        raise


def _finished(
    futures: Mapping[Future[TrainingResult], Wanted], bar: tqdm[Never]
) -> Iterator[tuple[Wanted, Future[TrainingResult]]]:
    """Futures as they finish; meanwhile the bar follows their steps, or a log has them by lines."""
    from pytest_mlff.training.progress import Watched, foresight

    left = dict(futures)
    running: dict[Future[TrainingResult], Watched] = {}
    told, before = time.monotonic(), bar.n  # of earlier portions
    while left:
        done, _ = wait(left, timeout=1.0, return_when=FIRST_COMPLETED)
        for future, one in list(left.items()):
            if future not in running and (future.running() or future in done):
                running[future] = Watched(one.job)
                if early := foresight(one.job):
                    bar.write(f"{_name(one)}: {early}", file=sys.stderr)
            if future in done:
                del running[future]
                yield left.pop(future), future
        far = {left[future]: watched.look() for future, watched in running.items()}
        bar.n = before + len(futures) - len(left) + sum(at.share for at in far.values() if at)
        said = [f"{_name(one)}: {at}" for one, at in far.items() if at]
        more = f"{len(running)} running, {len(left) - len(running)} waiting"
        bar.set_postfix_str("; ".join((*said, more)))
        if bar.disable and time.monotonic() - told >= _LINES_EVERY:
            told = time.monotonic()
            for line in said:
                print(line, file=sys.stderr)


def _unseen(finished: Sequence[Wanted], options: Options, settle: float) -> dict[str, str]:
    """What an engine has trained and the store does not show."""
    from pytest_mlff.training.runner import stored_result

    end = time.monotonic() + settle
    left = list(finished)
    while left := [one for one in left if stored_result(one.job) is None]:
        if time.monotonic() >= end:
            break
        time.sleep(min(1.0, settle))
    return {
        one.job.digest: f"{one.variants[0]}: engine {options.engine} has trained it, but not into "
        f"{options.store_dir}; the store has to lie where the engine's machines see it"
        for one in left
    }


def will_run(session: pytest.Session) -> bool:
    """Whether what pytest has collected is going to be run, rather than shown or broken off."""
    breaks = session.testsfailed > 0 and not session.config.option.continue_on_collection_errors
    return not only_shows(session.config) and not breaks


def train_for(
    session: Session,
    nodeids: Iterable[str],
    executors: Callable[[str], Executor | None] | None = None,
) -> None:
    """Have the run's engine train what some collected cases need, unless it is the local one.

    On the local engine a training runs where its first case runs. Why one failed is left in
    the store, where the workers of the run find it.

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
    from pytest_mlff.run.needs import TRAINING, needs_of
    from pytest_mlff.run.trainings import wanted_trainings
    from pytest_mlff.scheduling.xdist.groups import finder
    from pytest_mlff.training.runner import stored_result

    options, store = session.options, session.evaluation.store
    if options.engine == "local":
        return
    cases = map(finder(session), nodeids)
    places = {
        (one.source, one.planned.path, variant.id): (one.source, one.planned, variant)
        for one in cases
        if one is not None
        and one.source is not None
        and any(need.kind == TRAINING for need in needs_of(one))
        for variant in one.variants
    }
    # Cases of unsound data say so themselves, and no training is spent on them.
    wanted = wanted_trainings(session.evaluation, places.values()).wanted
    missing = [one for one in wanted if stored_result(one.job) is None]
    if not missing:
        return
    for one in missing:
        forget(store, _failure(one.job))
    # At a terminal pytest has left its cursor behind the number of items or workers.
    start = "\n" if sys.stderr.isatty() else ""
    print(
        f"{start}engine {options.engine}: {len(wanted)} trainings, "
        f"{len(wanted) - len(missing)} in the store, {len(missing)} to do",
        file=sys.stderr,
    )
    failed = train_all(missing, options, executors=executors)
    for one in missing:
        if one.job.digest in failed:
            keep(store, _failure(one.job), {"line": failed[one.job.digest]})


def _failure(job: TrainingJob) -> Entry[Mapping[str, Any]]:
    """Why an engine's training failed, for the processes that run its cases."""
    return Entry("failures", job.key, JSON)


def only_stored(engine: str) -> Callable[[TrainingJob], TrainingResult]:
    """What takes the place of training in processes that leave it to an engine.

    Parameters
    ----------
    engine : str
        Its name, for the message.

    Returns
    -------
    callable
        From a job to its result; raises `MlffError` where the store holds none, with the
        reason of the failure if the engine left one.
    """

    def take(job: TrainingJob) -> TrainingResult:
        from pytest_mlff.store import Store
        from pytest_mlff.training.runner import stored_result

        result = stored_result(job)
        if result is not None:
            return result
        left = find(Store(job.store_root), _failure(job))
        if left is not None:
            raise MlffError(str(left["line"]))
        hint = " (`mlff jobs` lists its jobs)" if engine == "slurm" else ""
        raise MlffError(f"{job.variant}: engine {engine} has not trained it{hint}")

    return take
