"""Submission with a record, written so that no moment of dying loses or doubles a job."""

from __future__ import annotations

import dataclasses
import datetime
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlff.scheduling.engines import slurm_commands
from pytest_mlff.scheduling.engines.jobs import JobRecord, JobRecords
from pytest_mlff.scheduling.engines.slurm_submission import MAX_ARRAY, submit

if TYPE_CHECKING:
    from pytest_mlff.scheduling.engines.resources import Resources
    from pytest_mlff.scheduling.engines.slurm_calls import Call


@dataclass(frozen=True)
class RecordedSubmission:
    """Submits calls and writes down which job is whose.

    All methods are called with :meth:`JobRecords.lock` held.

    Attributes
    ----------
    records : JobRecords
        Where that is written.
    resources : Resources
        Of each job.
    timeouts : int
        How often a job may reach its time limit.
    """

    records: JobRecords
    resources: Resources
    timeouts: int

    def attach(self, calls: Sequence[Call]) -> list[Call]:
        """Give calls the jobs that already run them; returns the calls without one.

        Raises
        ------
        MlffError
            If a controller died while submitting one, and the queue cannot be asked.
        """
        queued: dict[str, str] | None = None
        fresh = []
        for call in calls:
            record = self.records.read(call.key)
            if record is not None and record.open and record.job_id is None:
                # Its controller died while submitting: the queue knows how far it got.
                queued = _ids_by_token() if queued is None else queued
                job_id = queued.get(_place(record.token, record.index))
                record = None if job_id is None else dataclasses.replace(record, job_id=job_id)
                if record is not None:
                    self.records.write(record)
            if record is not None and record.open:
                call.found = record
                call.tell()
            else:
                fresh.append(call)
        return fresh

    def submit(self, calls: Sequence[Call]) -> None:
        """Submit calls: one as a job, several as job arrays.

        Raises
        ------
        MlffError
            If Slurm does not take them. Calls whose array it had taken before then are in
            order; the others, and their records, are left as they were.
        """
        for first in range(0, len(calls), MAX_ARRAY):
            self._submit_array(calls[first : first + MAX_ARRAY])

    def _submit_array(self, calls: Sequence[Call]) -> None:
        token = f"mlff-{uuid.uuid4().hex[:12]}"
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        before = [self.records.read(call.key) for call in calls]
        planned = [
            JobRecord(
                key=call.key,
                token=token,
                index=index if len(calls) > 1 else None,
                job_id=None,
                name=call.name,
                submitted=now,
                ended=() if call.found is None else call.found.ended,
            )
            for index, call in enumerate(calls)
        ]
        try:
            for record in planned:
                self.records.write(record)
            ids = submit(
                [call.task for call in calls],
                self.records.folder(token),
                token,
                self.resources,
                name="mlff" if len(calls) > 1 else f"mlff-{calls[0].key[:8]}",
                timeouts=self.timeouts,
            )
        except BaseException:
            for call, old in zip(calls, before, strict=True):
                if old is None:
                    self.records.remove(call.key)
                else:
                    self.records.write(old)
            raise
        for call, record, job_id in zip(calls, planned, ids, strict=True):
            call.found = dataclasses.replace(record, job_id=job_id)
            call.ended_since = None
            self.records.write(call.found)
            call.tell()


def _place(token: str, index: int | None) -> str:
    return token if index is None else f"{token}/{index}"


def _ids_by_token() -> dict[str, str]:
    """Job ids by token, and for members of an array by token and index."""
    found = {}
    for entry in slurm_commands.queue().values():
        _job, separator, index = entry.job_id.partition("_")
        found[_place(entry.comment, int(index) if separator else None)] = entry.job_id
    return found
