"""Run ``nequip-train`` in a process of its own that does not outlive its parent.

Called as ``python -m pytest_mlff.training.child PARENT ARGUMENTS…``. A run that is killed
must not leave a trainer behind that goes on writing where the next run resumes.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import runpy
import signal
import sys

__all__ = ["die_with_parent", "main"]

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Have the kernel end this process when its parent ends, where the kernel can (Linux).

    Raises
    ------
    SystemExit
        If the parent has gone already.
    """
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(1)


def main(arguments: list[str]) -> None:
    """Take the parent's process id off the arguments and hand the rest to NequIP."""
    die_with_parent(int(arguments[0]))
    sys.argv = ["nequip-train", *arguments[1:]]
    runpy.run_module("nequip.scripts.train", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
