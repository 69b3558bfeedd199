"""Handing calls to Slurm through submitit, and what wraps them on the node."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from pytest_mlff.errors import MlffError, needing
from pytest_mlff.scheduling.engines.slurm_commands import outside_job

if TYPE_CHECKING:
    from pytest_mlff.scheduling.engines.resources import Resources

# Slurm's default MaxArraySize is 1001, and the highest index is one less.
MAX_ARRAY = 1000
# A signal of Slurm reaches every process of a job; this is how long a child's death may be
# ahead of the signal that explains it.
_SIGNAL_SECONDS = 2.0
_LONGEST_NOTICE_SECONDS = 90
_SBATCH = "sbatch: error: "


@dataclass(frozen=True)
class Task:
    """A call that may be interrupted and begun again; the function resumes by its own files.

    Attributes
    ----------
    function : callable
        Picklable, and sure to go on from its last checkpoint when called again.
    args, kwargs
        Its arguments.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] | None = None

    def __call__(self) -> Any:
        """Run on the node; an error in a job that is being ended leaves no result."""
        ended: list[int] = []

        def note(signum: int, _frame: FrameType | None) -> None:
            # Slurm also sends SIGTERM ahead of its own requeue: going on is right until
            # SIGKILL comes.
            ended.append(signum)

        previous = signal.signal(signal.SIGTERM, note)
        try:
            return self.function(*self.args, **(self.kwargs or {}))
        except Exception:
            # A trainer's child process dies of the same signal and makes the training fail.
            # That is an interruption, not an error of the training. If the job is to be
            # queued again, the handler of that signal runs here and does not return.
            time.sleep(_SIGNAL_SECONDS)
            if ended:
                os._exit(128 + signal.SIGTERM)
            raise
        finally:
            signal.signal(signal.SIGTERM, previous)

    def checkpoint(self) -> Any:
        """What to run after a requeue: the same call (submitit's protocol)."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)


def require_submitit() -> None:
    """Refuse without the library.

    Raises
    ------
    MissingExtraError
        If submitit is not installed.
    """
    with needing("the engine slurm", "submitit", "slurm"):
        import submitit  # noqa: F401


def submit(
    tasks: Sequence[Task],
    folder: Path,
    token: str,
    resources: Resources,
    *,
    name: str,
    timeouts: int,
) -> list[str]:
    """Submit one job, or several as one array.

    Parameters
    ----------
    tasks : sequence of Task
        At most :data:`MAX_ARRAY`.
    folder : Path
        Where batch script, pickles and logs go; every node must see it.
    token : str
        Comment by which the jobs are found in the queue.
    resources : Resources
        Of each job.
    name : str
        Name of the job in the queue.
    timeouts : int
        How often a job may reach its time limit.

    Returns
    -------
    list of str
        Job ids in the order of ``tasks``: ``12``, or ``12_0``, ``12_1``, …

    Raises
    ------
    MlffError
        If Slurm takes none of them; one line with its reason.
    """
    import submitit

    executor = submitit.SlurmExecutor(folder=folder, max_num_timeout=timeouts)
    executor.update_parameters(**_parameters(resources, token, name))
    # submitit repeats on stderr what sbatch said; our one line says it.
    with contextlib.redirect_stderr(io.StringIO()), outside_job():
        try:
            if len(tasks) == 1:
                jobs = [executor.submit(tasks[0])]
            else:
                with executor.batch():
                    jobs = [executor.submit(task) for task in tasks]
        except submitit.core.utils.FailedJobError as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            said = [line.removeprefix(_SBATCH) for line in lines if line.startswith(_SBATCH)]
            reason = "; ".join(said) or (lines or ["sbatch gave no reason"])[-1]
            raise MlffError(f"Slurm did not take the job: {reason}") from None
    return [str(job.job_id) for job in jobs]


def _parameters(resources: Resources, token: str, name: str) -> dict[str, Any]:
    # Slurm looks at time limits every half minute, so a notice close to the limit of a
    # short job would come at its very start.
    notice = min(_LONGEST_NOTICE_SECONDS, resources.minutes * 60 // 4)
    parameters: dict[str, Any] = {
        "job_name": name,
        "comment": token,
        "time": resources.minutes,
        "nodes": 1,
        "ntasks_per_node": 1,
        "cpus_per_task": resources.cpus,
        "signal_delay_s": notice,
        "stderr_to_stdout": True,
        "additional_parameters": {"requeue": True, **resources.extra},
        "setup": [
            # Since Slurm 22.05 srun no longer inherits this from sbatch.
            f"export SRUN_CPUS_PER_TASK={resources.cpus}",
            f"export OMP_NUM_THREADS={resources.cpus} MKL_NUM_THREADS={resources.cpus}",
        ],
    }
    if resources.gpus:
        parameters["gpus_per_node"] = resources.gpus
    if resources.memory_gb is not None:
        parameters["mem"] = f"{max(1, round(resources.memory_gb * 1024))}MB"
    if resources.partition is not None:
        parameters["partition"] = resources.partition
    return parameters
