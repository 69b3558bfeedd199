"""GPU slots: at most so many workers on one GPU, across all runs of a user on a machine.

A slot is a file that a worker keeps locked for as long as it lives. The operating system
frees the lock with the last process that holds it, so a killed worker leaves nothing behind,
and a child of it that still computes on the GPU keeps the slot taken.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from pytest_mlff.scheduling.gpu.gpus import Gpu

_PAUSE = 0.2


@dataclass(frozen=True, eq=False)
class Slot:
    """A place on a GPU, held until the file is closed or the process ends.

    Attributes
    ----------
    gpu : Gpu
        Where it is.
    path : Path
        The locked file; the process id of the holder stands in it.
    held : binary file
        The same file, open.
    """

    gpu: Gpu
    path: Path
    held: IO[bytes]


def runtime_folder(environ: Mapping[str, str]) -> Path:
    """Folder of the slots, private to the user and the same for every run.

    Below ``XDG_RUNTIME_DIR`` where there is one, else below the folder for temporary files.

    Raises
    ------
    MlffError
        If it cannot be made, or belongs to someone else.
    """
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if runtime and Path(runtime).is_dir():
        folder = Path(runtime) / "pytest-mlff"
    else:
        user = os.getuid() if hasattr(os, "getuid") else environ.get("USERNAME", "user")
        folder = Path(tempfile.gettempdir()) / f"pytest-mlff-{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise MlffError(f"GPU slots: cannot make {folder} ({error.strerror or error})") from None
    # Anyone may make files in a common folder, and a link there could lead anywhere.
    ours = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    if not stat.S_ISDIR(found.st_mode) or not ours:
        raise MlffError(f"GPU slots: {folder} is not a folder of yours; remove it")
    return folder


def _try_lock(stream: IO[bytes]) -> bool:
    try:
        import fcntl
    except ImportError:
        raise MlffError("GPU slots need file locks, which this system has not") from None
    try:
        fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _places(gpus: Sequence[Gpu], per_gpu: int, folder: Path) -> Iterator[tuple[Gpu, Path]]:
    """Every GPU once before any of them twice."""
    for place in range(per_gpu):
        for gpu in gpus:
            safe = "".join(c if c.isalnum() or c in "-_" else "_" for c in gpu.identity)
            yield gpu, folder / f"{safe}.{place}.lock"


def take_slot(
    gpus: Sequence[Gpu],
    per_gpu: int,
    folder: Path,
    *,
    patience: float,
    say: Callable[[str], None],
) -> Slot:
    """Take the first free slot, waiting for one if need be.

    Parameters
    ----------
    gpus : sequence of Gpu
        At least one.
    per_gpu : int
        Slots on each.
    folder : Path
        From :func:`runtime_folder`.
    patience : float
        Seconds to wait.
    say : callable
        Told once, in one line, that there is something to wait for.

    Raises
    ------
    MlffError
        If no slot became free in time.
    """
    until = time.monotonic() + patience
    told = False
    while True:
        for gpu, path in _places(gpus, per_gpu, folder):
            slot = _take(gpu, path)
            if slot is not None:
                return slot
        holders = _holders(path for _, path in _places(gpus, per_gpu, folder))
        taken = f"all {len(gpus) * per_gpu} GPU slots are taken (by processes {holders})"
        if time.monotonic() >= until:
            raise MlffError(
                f"{taken}, and none became free within {patience:g} s; wait for the other run, or "
                "let workers share a GPU with --mlff-per-gpu"
            )
        if not told:
            told = True
            say(f"{taken}; waiting for up to {patience:g} s")
        time.sleep(_PAUSE)


def _take(gpu: Gpu, path: Path) -> Slot | None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except OSError as error:
        raise MlffError(f"GPU slots: cannot open {path} ({error.strerror or error})") from None
    stream = os.fdopen(descriptor, "r+b")
    try:
        if not _try_lock(stream):
            stream.close()
            return None
        stream.truncate()
        stream.write(f"{os.getpid()}\n".encode())
        stream.flush()
    except BaseException:
        stream.close()
        raise
    return Slot(gpu, path, stream)


def _holders(paths: Iterator[Path]) -> str:
    found = []
    for path in paths:
        with contextlib.suppress(OSError):
            found.append(path.read_text(encoding="ascii", errors="replace").strip() or "?")
    return ", ".join(found)
