"""Cores this process may use, and how many threads a worker gets of them."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_OF_SELF = Path("/proc/self/cgroup")
WORKERS = "PYTEST_XDIST_WORKER_COUNT"
_THREADS = "OMP_NUM_THREADS"


def _read(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return []


def _quota(folder: Path) -> float | None:
    """CPU time per second that a group may take, by cgroup version 2 or 1."""
    words = _read(folder / "cpu.max")
    if not words:
        words = _read(folder / "cpu.cfs_quota_us") + _read(folder / "cpu.cfs_period_us")
    try:
        quota, period = (float(word) for word in words)
    except ValueError:  # "max", or no such files
        return None
    return quota / period if quota > 0 and period > 0 else None


def cgroup_cores(root: Path = _CGROUP, of_self: Path = _OF_SELF) -> float | None:
    """Cores that the CPU quota of this process's control groups amounts to.

    The smallest quota on the way from the group to the root holds (Linux kernel
    documentation, *Control Group v2*, ``cpu.max``; *CFS Bandwidth Control* for version 1).

    Returns
    -------
    float or None
        None without a quota.
    """
    found = []
    for line in _read(of_self):
        _, _, rest = line.partition(":")
        controllers, _, inside = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        for base in (root / controllers, root) if controllers else (root, root / "unified"):
            # In a container the path may be the host's, and the mount point the group itself.
            folder = base / inside.lstrip("/")
            found += [_quota(one) for one in (folder, *folder.parents) if one.is_relative_to(root)]
    return min((one for one in found if one is not None), default=None)


def available_cores() -> int:
    """Cores that this process may use: of the machine, its affinity mask and its quota."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        cores = os.cpu_count() or 1
    quota = cgroup_cores()
    return max(1, cores if quota is None else min(cores, math.ceil(quota)))


def model_threads(environ: Mapping[str, str]) -> int:
    """Threads that a model takes: ``OMP_NUM_THREADS``, or one."""
    try:
        return max(1, int(environ.get(_THREADS, "1").partition(",")[0]))
    except ValueError:
        return 1


def threads_per_worker(environ: Mapping[str, str], cores: int | None = None) -> int | None:
    """Threads for a model in this xdist worker: cores / workers.

    Parameters
    ----------
    environ : mapping of str to str
        Environment of the worker.
    cores : int, optional
        Cores in all; found out otherwise.

    Returns
    -------
    int or None
        None outside of xdist, or where the user has set ``OMP_NUM_THREADS``.
    """
    workers = environ.get(WORKERS, "")
    if not workers.isdigit() or int(workers) < 1 or _THREADS in environ:
        return None
    return max(1, (available_cores() if cores is None else cores) // int(workers))
