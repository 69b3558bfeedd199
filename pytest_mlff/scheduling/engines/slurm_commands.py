"""The few Slurm commands that the engine and ``mlff jobs`` need, without accounting.

Many clusters keep no accounting database, so ``sacct`` is not asked: the queue knows jobs
for a while after their end (``MinJobAge``), and result files tell the rest.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pytest_mlff.errors import MlffError

# Slurm's job states (squeue(1), "JOB STATE CODES") after which a job does not run again by
# itself; a job that Slurm queues again goes from COMPLETING to PENDING without showing them.
FINAL = frozenset({
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY",
    "PREEMPTED", "TIMEOUT",
})  # fmt: skip
# Another attempt would end in the same way.
HOPELESS = {
    "OUT_OF_MEMORY": "raise memory_gb in the recipe's resources",
    "DEADLINE": "its deadline has passed",
}
_SECONDS = 60.0


class SlurmUnreachableError(MlffError):
    """Slurm does not answer, perhaps only for now."""


@dataclass(frozen=True)
class QueueEntry:
    """A job in Slurm's queue.

    Attributes
    ----------
    job_id : str
        ``12`` or ``12_3``.
    state : str
        Slurm's state, e.g. ``RUNNING``.
    reason : str
        Why it waits, e.g. ``Resources``.
    nodes : str
        Where it runs.
    comment : str
        The token it carries.
    """

    job_id: str
    state: str
    reason: str
    nodes: str
    comment: str


def require_slurm() -> None:
    """Refuse where jobs cannot be submitted.

    Raises
    ------
    MlffError
        If Slurm's commands are not on the path.
    """
    missing = [name for name in ("sbatch", "squeue", "scancel", "srun") if not shutil.which(name)]
    if missing:
        raise MlffError(
            f"Slurm's {', '.join(missing)} not found on PATH: run this on a login node, "
            "or use --mlff-engine=local"
        )


def queue() -> dict[str, QueueEntry]:
    """The caller's jobs, by id, ended ones included for as long as Slurm remembers them.

    Raises
    ------
    SlurmUnreachableError
        If the queue cannot be read now.
    """
    text = _run(["squeue", "--me", "-h", "-r", "-t", "all", "-o", "%i|%T|%r|%N|%k"])
    entries = (
        QueueEntry(*parts)
        for line in text.splitlines()
        if len(parts := line.strip().split("|", 4)) == 5
    )
    return {entry.job_id: entry for entry in entries}


def cancel(job_ids: Iterable[str]) -> None:
    """End jobs; those that have already ended are no error.

    Raises
    ------
    SlurmUnreachableError
        If Slurm does not answer.
    """
    chosen = list(job_ids)
    if chosen:
        _run(["scancel", "--quiet", *chosen])


@contextlib.contextmanager
def outside_job() -> Iterator[None]:
    """Hide the job that the caller runs in, or new jobs would take over its settings."""
    hidden = {}
    if "SLURM_JOB_ID" in os.environ:
        for name in list(os.environ):
            if name.startswith(("SLURM_", "SBATCH_", "SRUN_")) and name != "SLURM_CONF":
                hidden[name] = os.environ.pop(name)
    try:
        yield
    finally:
        os.environ.update(hidden)


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except FileNotFoundError:
        raise SlurmUnreachableError(f"Slurm's {command[0]} not found on PATH") from None
    except subprocess.TimeoutExpired:
        raise SlurmUnreachableError(f"{command[0]} gave no answer in {_SECONDS:.0f} s") from None
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise SlurmUnreachableError(f"{command[0]} failed: {words[-1]}")
    return done.stdout
