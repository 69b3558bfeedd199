"""Run ``nequip-train`` in a process of its own that does not outlive its parent.

A run that is killed
must not leave a trainer behind that goes on writing where the next run resumes.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import runpy
import signal
import sys

INTERRUPTED = 128 + signal.SIGTERM
"""Exit code of a training that was told to end before it was through."""

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
    """Take the parent's process id off the arguments and hand the rest to NequIP.

    Raises
    ------
    SystemExit
        If NequIP ends early. Lightning answers SIGTERM with a checkpoint as it is and exit
        code 0, which must not pass for a training that has come to its end.
    """
    die_with_parent(int(arguments[0]))
    sys.argv = ["nequip-train", *arguments[1:]]
    # NequIP has to know the weights of frames by name before it reads any.
    importlib.import_module("pytest_mlff.training.nequip_losses")
    try:
        runpy.run_module("nequip.scripts.train", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        raise SystemExit(ended.code or INTERRUPTED) from ended
