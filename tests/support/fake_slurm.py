"""A queue of Slurm that a test writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlff.errors import MlffError
from pytest_mlff.scheduling.engines.jobs import JobRecords
from pytest_mlff.scheduling.engines.slurm import SlurmEngine
from pytest_mlff.scheduling.engines.slurm_commands import QueueEntry, SlurmUnreachableError

if TYPE_CHECKING:
    from pytest_mlff.scheduling.engines.slurm_submission import Task


@dataclass
class FakeSlurm:
    """The queue and the desk of a cluster; jobs do what the test says."""

    store: Path
    states: dict[str, str] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)
    submitted: list[list[Task]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    away: bool = False
    refuses: str | None = None

    def submit(self, tasks: Any, folder: Path, token: str, *args: Any, **kwargs: Any) -> list[str]:
        if self.refuses:
            raise MlffError(self.refuses)
        self.submitted.append(list(tasks))
        number = 100 + len(self.submitted)
        ids = [f"{number}_{i}" for i in range(len(tasks))] if len(tasks) > 1 else [str(number)]
        folder.mkdir(parents=True)
        for job_id in ids:
            self.states[job_id] = "PENDING"
            self.comments[job_id] = token
        return ids

    def queue(self) -> dict[str, QueueEntry]:
        if self.away:
            raise SlurmUnreachableError("squeue failed: Unable to contact slurm controller")
        return {
            job_id: QueueEntry(job_id, state, "None", "n1", self.comments.get(job_id, ""))
            for job_id, state in self.states.items()
        }

    def cancel(self, job_ids: Any) -> None:
        self.cancelled += list(job_ids)

    def finish(self, job_id: str, kind: str, value: object) -> None:
        import pickle

        folder = JobRecords(self.store).folder(self.comments[job_id])
        scratch = folder / "scratch"
        scratch.write_bytes(pickle.dumps((kind, value)))
        scratch.replace(folder / f"{job_id}_0_result.pkl")


def engine_on(store: Path, **changes: float) -> SlurmEngine:
    return SlurmEngine(store, **{"poll": 0.02, "settle": 0.04, **changes})  # type: ignore[arg-type]
