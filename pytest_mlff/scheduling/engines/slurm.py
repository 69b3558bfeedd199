"""Trainings as Slurm jobs: an executor whose jobs outlive the process that submitted them."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from pytest_mlff.errors import MlffError
from pytest_mlff.scheduling.engines import slurm_commands
from pytest_mlff.scheduling.engines.jobs import JobRecord, JobRecords, job_key, last_line
from pytest_mlff.scheduling.engines.resources import Resources
from pytest_mlff.scheduling.engines.slurm_calls import Call, Finished, SlurmFuture
from pytest_mlff.scheduling.engines.slurm_recorded import RecordedSubmission
from pytest_mlff.scheduling.engines.slurm_submission import Task, require_submitit


@dataclass(frozen=True)
class _Limits:
    poll: float
    settle: float
    patience: float
    resubmissions: int


class SlurmEngine(Executor):
    """An executor on a Slurm cluster.

    Equal calls (see :func:`pytest_mlff.scheduling.engines.jobs.job_key`) are one job, also for a
    controller started later: it attaches to the jobs of one that was killed. A job that
    ended without a result (``scancel``, a dead node) is submitted again and goes on from the
    function's last checkpoint; a job that raised an error is not.

    Parameters
    ----------
    store : Path
        The store, on a file system that the nodes see, too.
    resources : Resources or None
        Of each job.
    poll : float
        Seconds between two looks at the queue.
    settle : float
        Seconds for which a job has to be seen ended without a result before that is
        believed: shared file systems show new files late.
    patience : float
        Seconds for which Slurm may be out of reach.
    resubmissions : int
        How often a job that ended without a result is submitted again.
    timeouts : int
        How often a job may reach its time limit and be queued again.

    Raises
    ------
    MissingExtraError
        If submitit is not installed.
    MlffError
        If Slurm's commands are not there.
    """

    def __init__(
        self,
        store: Path,
        resources: Resources | None = None,
        *,
        poll: float = 5.0,
        settle: float = 10.0,
        patience: float = 600.0,
        resubmissions: int = 3,
        timeouts: int = 100,
    ) -> None:
        require_submitit()
        slurm_commands.require_slurm()
        self._records = JobRecords(store)
        self._desk = RecordedSubmission(self._records, resources or Resources(), timeouts)
        self._limits = _Limits(poll, settle, patience, resubmissions)
        self._calls: dict[str, Call] = {}
        self._batch: list[Call] | None = None
        # Taken before the lock of the records, never after.
        self._change = threading.Condition(threading.RLock())
        self._thread: threading.Thread | None = None
        self._closed = False
        self._unreachable_since: float | None = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> SlurmFuture:
        """Submit a call, or attach to the job that already runs it.

        Raises
        ------
        MlffError
            If Slurm does not take the job (within :meth:`batch`: when that ends).
        """
        key = job_key(fn, args, kwargs)
        name = next((n for n in map(_name, args) if n), key[:12])
        future = SlurmFuture(key, self._release)
        call = Call(key, Task(fn, args, kwargs or None), name, [future])
        with self._change:
            if self._closed:
                raise RuntimeError("cannot submit to an engine that has been shut down")
            if self._batch is not None:
                self._batch.append(call)
                return future
        self._enter([call])
        return future

    @contextlib.contextmanager
    def batch(self) -> Iterator[None]:
        """Submit what is given within this context as one job array, at its end."""
        with self._change:
            if self._batch is not None:
                raise RuntimeError("batches cannot be nested")
            self._batch = []
        try:
            yield
        except BaseException:
            with self._change:
                calls, self._batch = self._batch, None
            for future in [future for call in calls for future in call.futures]:
                future.cancel()
            raise
        with self._change:
            calls, self._batch = self._batch, None
        self._enter([call for call in calls if not all(f.cancelled() for f in call.futures)])

    def map(
        self,
        fn: Callable[..., Any],
        *iterables: Any,
        timeout: float | None = None,
        chunksize: int = 1,
    ) -> Iterator[Any]:
        """As ``Executor.map``, as one job array."""
        with self.batch():
            return super().map(fn, *iterables, timeout=timeout, chunksize=chunksize)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls.

        Parameters
        ----------
        wait : bool
            Wait for all jobs; otherwise they go on without this process and a later
            controller finds them.
        cancel_futures : bool
            End all jobs.
        """
        with self._change:
            self._closed = True
            futures = [future for call in self._calls.values() for future in call.futures]
            thread = self._thread
        if cancel_futures:
            for future in futures:
                future.cancel()
        with self._change:
            if not wait:
                self._calls.clear()
            self._change.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join(None if wait else self._limits.poll)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool | None:
        # After Ctrl-C nobody wants to wait for hours; the next run finds the jobs.
        self.shutdown(wait=exc_type is None)
        return None

    def _enter(self, calls: Sequence[Call]) -> None:
        """Attach to running jobs, submit the rest, and have all watched."""
        problem: MlffError | None = None
        with self._change:
            new: dict[str, Call] = {}
            for call in calls:
                known = self._calls.get(call.key) or new.setdefault(call.key, call)
                if known is not call:
                    known.futures += call.futures
                    if known.found is not None:
                        known.tell()
            with self._records.lock():
                try:
                    self._desk.submit(self._desk.attach(list(new.values())))
                except MlffError as error:
                    problem = error
            self._calls |= {key: call for key, call in new.items() if call.found is not None}
            if self._calls and self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="mlff-slurm", daemon=True)
                self._thread.start()
            self._change.notify_all()
        if problem is not None:
            for call in new.values():
                for future in call.futures if call.found is None else ():
                    future.set_exception(problem)
            raise problem

    def _release(self, future: SlurmFuture) -> None:
        """Forget a future; its job is ended when nobody else waits for it."""
        with self._change:
            call = self._calls.get(future.key)
            if call is None or future not in call.futures:
                return
            call.futures.remove(future)
            if call.futures:
                return
            del self._calls[future.key]
            self._records.mark(call.record, cancelled=True)
        if call.record.job_id is not None:
            slurm_commands.cancel([call.record.job_id])

    def _watch(self) -> None:
        while True:
            finished = Finished()
            with self._change:
                if not self._calls:
                    self._thread = None
                    return
                try:
                    self._look(finished)
                except Exception as error:  # a watcher that dies silently would be a hang
                    for call in self._calls.values():
                        finished.error(call, f"engine slurm: {last_line(error)}")
                for call, _value, _error in finished.entries:
                    self._calls.pop(call.key, None)
            finished.hand_over(self._records)
            with self._change:
                if self._calls:
                    self._change.wait(self._limits.poll)

    def _look(self, finished: Finished) -> None:
        waiting = self._collect(list(self._calls.values()), finished)
        if not waiting:
            return
        try:
            queue = slurm_commands.queue()
        except slurm_commands.SlurmUnreachableError as error:
            if self._out_of_patience():
                for call in waiting:
                    finished.error(call, f"{error} (for {self._limits.patience:.0f} s)")
            return
        ended: dict[str, str] = {}
        for call in waiting:
            entry = queue.get(call.record.job_id or "")
            state = "GONE" if entry is None else entry.state
            for future in call.futures:
                future.on_node = state == "RUNNING"
            if state != "GONE" and state not in slurm_commands.FINAL:
                call.ended_since = None
            elif call.ended_since is None:
                call.ended_since = time.monotonic()
            elif time.monotonic() - call.ended_since >= self._limits.settle:
                ended[call.key] = state
        left = self._collect([call for call in waiting if call.key in ended], finished)
        if self._resubmit([(call, ended[call.key]) for call in left], finished):
            self._unreachable_since = None

    def _out_of_patience(self) -> bool:
        now = time.monotonic()
        self._unreachable_since = self._unreachable_since or now
        return now - self._unreachable_since > self._limits.patience

    def _collect(self, calls: Sequence[Call], finished: Finished) -> list[Call]:
        """Take what results there are; returns the calls without."""
        waiting = []
        for call in calls:
            outcome = self._records.outcome(call.record)
            if outcome is None:
                waiting.append(call)
            elif outcome.error is None:
                finished.value(call, outcome.value)
            else:
                finished.error(call, self._failure(call, f"failed: {last_line(outcome.error)}"))
        return waiting

    def _resubmit(self, ended: Sequence[tuple[Call, str]], finished: Finished) -> bool:
        """Submit again what may be; False if Slurm took none of it for now."""
        if not ended:
            return True
        again: list[Call] = []
        with self._records.lock():
            for call, state in ended:
                record = self._records.read(call.key) or call.record
                ends = _with_end(record, state)
                if record.token != call.record.token and record.open and record.job_id is not None:
                    # Another controller has been quicker.
                    call.found, call.ended_since = record, None
                    call.tell()
                elif record.cancelled:
                    finished.error(call, self._failure(call, "was cancelled by mlff jobs cancel"))
                elif state in slurm_commands.HOPELESS:
                    advice = slurm_commands.HOPELESS[state]
                    finished.error(call, self._failure(call, f"ended as {state}: {advice}"))
                elif len(ends) > self._limits.resubmissions:
                    text = f"ended {len(ends)} times without a result, last as {state}"
                    finished.error(call, self._failure(call, text))
                else:
                    call.found = dataclasses.replace(call.record, ended=ends)
                    again.append(call)
            # Should the queue be wrong, two jobs must not write one checkpoint.
            with contextlib.suppress(slurm_commands.SlurmUnreachableError):
                slurm_commands.cancel(
                    call.record.job_id or ""
                    for call in again
                    if call.record.ended[-1].endswith("GONE")
                )
            try:
                self._desk.submit(again)
            except MlffError as error:
                # Slurm may be busy or away for a while: the next look tries again.
                if self._out_of_patience():
                    for call in again:
                        if call.ended_since is not None:
                            finished.error(call, self._failure(call, f"cannot go on: {error}"))
                return False
        return True

    def _failure(self, call: Call, what: str) -> str:
        record = call.record
        log = self._records.log(record)
        where = f"log {log}" if log.exists() else f"no log was written in {log.parent}"
        label = "" if call.name == call.key[:12] else f" {call.name}"
        return f"Slurm job {record.job_id} ({call.key[:12]}{label}) {what}; {where}"


def _with_end(record: JobRecord, state: str) -> tuple[str, ...]:
    end = f"{record.job_id} {state}"
    return record.ended if end in record.ended else (*record.ended, end)


def _name(argument: Any) -> str | None:
    for attribute in ("title", "name"):
        if isinstance(name := getattr(argument, attribute, None), str):
            return name
    return None
