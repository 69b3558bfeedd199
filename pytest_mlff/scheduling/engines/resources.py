"""What one training needs of a machine, as a recipe states it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_mlff.errors import MlffError

# sbatch options that the engine itself sets, and what to say instead of them.
_OWN = {
    "array": None,
    "comment": None,
    "cpus-per-task": "cpus",
    "error": None,
    "gpus-per-node": "gpus",
    "job-name": None,
    "mem": "memory_gb",
    "nodes": None,
    "ntasks-per-node": None,
    "open-mode": None,
    "output": None,
    "partition": "partition",
    "requeue": None,
    "no-requeue": None,
    "signal": None,
    "time": "minutes",
}


@dataclass(frozen=True)
class Resources:
    """Resources of one job.

    Attributes
    ----------
    cpus : int
        Cores, at least 1; also the number of threads a job may use.
    gpus : int
        GPUs.
    memory_gb : float or None
        Memory in GB; None for the cluster's default.
    minutes : int
        Time limit in minutes. A job that reaches it is queued again and goes on from its
        last checkpoint, so this bounds one sitting and not the training.
    partition : str or None
        Partition of the cluster; None for its default.
    extra : Mapping
        Further options of ``sbatch`` by their long names, e.g. ``{"account": "chem"}``;
        true for an option without a value.

    Raises
    ------
    MlffError
        If a value is out of range or an extra option is one that the engine sets.
    """

    cpus: int = 1
    gpus: int = 0
    memory_gb: float | None = None
    minutes: int = 60
    partition: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, least in (("cpus", 1), ("gpus", 0), ("minutes", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise MlffError(
                    f"resources: {name} is {value!r}, a whole number of at least {least} is needed"
                )
        memory = self.memory_gb
        if memory is not None and (
            isinstance(memory, bool) or not isinstance(memory, int | float) or not 0 < memory < 1e6
        ):
            raise MlffError(f"resources: memory_gb is {memory!r}, a number above 0 is needed")
        if self.partition is not None and not (isinstance(self.partition, str) and self.partition):
            raise MlffError(f"resources: partition is {self.partition!r}, a name is needed")
        if not isinstance(self.extra, Mapping):
            raise MlffError(f"resources: extra is {self.extra!r}, options of sbatch are needed")
        for name, value in self.extra.items():
            _check_extra(name, value)


def _check_extra(name: object, value: object) -> None:
    if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        raise MlffError(
            f"resources: extra: {name!r} is no long option of sbatch (e.g. 'account', 'qos')"
        )
    if name in _OWN:
        instead = f"say {_OWN[name]!r} instead" if _OWN[name] else "the engine sets it itself"
        raise MlffError(f"resources: extra: {name!r} is not allowed, {instead}")
    # A line break would start a new line of the batch script.
    if value is not True and (
        isinstance(value, bool)
        or not isinstance(value, str | int | float)
        or any(sign in str(value) for sign in "\r\n")
    ):
        raise MlffError(
            f"resources: extra: {name} is {value!r}, a word, a number or true is needed"
        )
