"""Calls that somebody waits for, and the futures of those who wait."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from pytest_mlff.scheduling.engines.jobs import JobRecord, JobRecords
    from pytest_mlff.scheduling.engines.slurm_submission import Task


class SlurmFuture(Future[Any]):
    """Future of a cluster job.

    Parameters
    ----------
    key : str
        Name of the call, see :func:`pytest_mlff.scheduling.engines.jobs.job_key`.
    release : callable
        Tells the engine that this future waits no more.
    """

    def __init__(self, key: str, release: Callable[[SlurmFuture], None]) -> None:
        super().__init__()
        self._release = release
        self.key = key
        self.job_id: str | None = None
        self.on_node = False

    def running(self) -> bool:
        """Whether the job runs on a node, as of the last look at the queue."""
        return self.on_node and not self.done()

    def cancel(self) -> bool:
        """End the job, waiting or running; False if it has already finished."""
        if not self.cancelled():
            if not super().cancel():
                return False
            self._release(self)
            self.set_running_or_notify_cancel()
        return True


@dataclass
class Call:
    """A call that somebody waits for.

    Attributes
    ----------
    key : str
        Its name, see :func:`pytest_mlff.scheduling.engines.jobs.job_key`.
    task : Task
        What to run.
    name : str
        What people call it.
    futures : list of SlurmFuture
        Who waits.
    found : JobRecord or None
        Its job's record; None before it is submitted.
    ended_since : float or None
        Since when (monotonic seconds) its job has been seen ended without a result.
    """

    key: str
    task: Task
    name: str
    futures: list[SlurmFuture]
    found: JobRecord | None = None
    ended_since: float | None = None

    @property
    def record(self) -> JobRecord:
        """The record of a call that has been submitted."""
        assert self.found is not None
        return self.found

    def tell(self) -> None:
        """Let the futures know which job they wait for."""
        for future in self.futures:
            future.job_id = self.record.job_id


@dataclass
class Finished:
    """Results on their way to futures.

    They are handed over outside of any lock, since futures call back whom they like.

    Attributes
    ----------
    entries : list of tuple
        Call, value, error (None for a value).
    """

    entries: list[tuple[Call, Any, MlffError | None]] = field(default_factory=list)

    def value(self, call: Call, value: Any) -> None:
        """Note a result."""
        self.entries.append((call, value, None))

    def error(self, call: Call, text: str) -> None:
        """Note why there will be none."""
        self.entries.append((call, None, MlffError(text)))

    def hand_over(self, records: JobRecords) -> None:
        """Mark the records as collected and resolve the futures."""
        for call, value, error in self.entries:
            # A full disk must not keep a result from its future.
            with contextlib.suppress(MlffError):
                records.mark(call.record, collected=True)
            for future in call.futures:
                with contextlib.suppress(InvalidStateError):
                    if error is None:
                        future.set_result(value)
                    else:
                        future.set_exception(error)
