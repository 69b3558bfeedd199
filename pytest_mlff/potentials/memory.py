"""How much memory there is, and how much was used at most."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

# Names of glibc's malloc.h, and the largest threshold it documents.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_MMAP_THRESHOLD = 32 * 2**20
_KEPT_AT_MOST = 2**30


def keep_freed_memory() -> bool:
    """Let this process reuse freed memory instead of returning it to the system.

    glibc maps every array of some 100 KiB afresh and unmaps it when it is freed; the
    system then clears its pages anew for each batch, which for batches of some thousand
    atoms costs more than the arithmetic. Up to 1 GiB is kept instead. It changes no
    result, and does nothing where the C library is another.

    Returns
    -------
    bool
        Whether the C library took the setting.
    """
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018 - absent in other C libraries
        mallopt = library.mallopt
    except (OSError, AttributeError):
        return False
    return bool(
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
        and mallopt(_M_TRIM_THRESHOLD, _KEPT_AT_MOST)
    )


def _main_memory() -> int | None:
    found: list[int] = []
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        line = next(one for one in lines if one.startswith("MemAvailable:"))
        found.append(int(line.split()[1]) * 1024)
    # A container may be allowed less than the machine has.
    with contextlib.suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text())
        found.append(limit - int((group / "memory.current").read_text()))
    if not found:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            found.append(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return max(0, min(found)) if found else None


def available_memory(device: str) -> int | None:
    """Bytes that a model may still use on a device; None where the system does not say."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    return _main_memory()


def peak_memory(device: str) -> int | None:
    """Bytes used at most so far by this process; None where the system does not say."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.max_memory_reserved(device))
    try:
        import resource
    except ImportError:  # Windows
        return None
    # Kilobytes, but bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
