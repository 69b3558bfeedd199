"""The store: a content-addressed folder of what is expensive to compute.

An entry is addressed by its kind and the digest of its key, any JSON-able mapping
that names everything the content depends on. Writes are atomic (a reader sees the
whole entry or none), arrays carry a checksum, and an unreadable entry counts as
absent, so it is computed again rather than trusted.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Store", "can_write", "digest_of", "write_atomically"]


def digest_of(key: Mapping[str, Any]) -> str:
    """SHA-256 of a JSON-able mapping, independent of the order of its keys."""
    text = json.dumps(key, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def can_write(folder: Path) -> bool:
    """Whether files can be made in ``folder``, which is made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def write_atomically(path: Path, content: bytes | Iterable[bytes]) -> None:
    """Write a file so that a reader, or a full disk, leaves the old content or the new.

    Parameters
    ----------
    path : Path
    content : bytes or iterable of bytes
        Pieces are written one after the other, so that not all need be in memory.

    Raises
    ------
    OSError
        If the file cannot be written; an old file is then untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.writelines([content] if isinstance(content, bytes) else content)
            stream.flush()
            os.fsync(stream.fileno())
        # mkstemp makes files private; entries should follow the user's umask.
        umask = os.umask(0)
        os.umask(umask)
        Path(scratch).chmod(0o666 & ~umask)
        os.replace(scratch, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(scratch)
        raise


@dataclass(frozen=True)
class Store:
    """A store below one folder, safe to share between processes.

    Attributes
    ----------
    root : Path
        The folder; it is made on the first write.
    """

    root: Path

    def path(self, kind: str, key: Mapping[str, Any], suffix: str) -> Path:
        """Where the entry lies."""
        digest = digest_of(key)
        return self.root / kind / digest[:2] / f"{digest}{suffix}"

    def get_json(self, kind: str, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """Read a JSON entry; None if it is absent or unreadable."""
        try:
            content = json.loads(self.path(kind, key, ".json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return content["value"] if isinstance(content, dict) and "value" in content else None

    def put_json(self, kind: str, key: Mapping[str, Any], value: Mapping[str, Any]) -> None:
        """Write a JSON entry; its key is kept beside the value, for people who look inside."""
        text = json.dumps({"key": dict(key), "value": dict(value)}, indent=1, sort_keys=True)
        self._write(self.path(kind, key, ".json"), text.encode())

    def get_arrays(self, kind: str, key: Mapping[str, Any]) -> dict[str, NDArray[Any]] | None:
        """Read an entry of named arrays; None if it is absent, truncated or altered."""
        import numpy as np

        try:
            content = self.path(kind, key, ".npz").read_bytes()
        except OSError:
            return None
        checksum, payload = content[:32], content[32:]
        if hashlib.sha256(payload).digest() != checksum:
            return None
        with np.load(io.BytesIO(payload), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}

    def put_arrays(
        self, kind: str, key: Mapping[str, Any], arrays: Mapping[str, NDArray[np.generic]]
    ) -> None:
        """Write an entry of named arrays, checksum first."""
        import numpy as np

        stream = io.BytesIO()
        np.savez(stream, allow_pickle=False, **{name: np.asarray(a) for name, a in arrays.items()})
        payload = stream.getvalue()
        self._write(self.path(kind, key, ".npz"), hashlib.sha256(payload).digest() + payload)

    def _write(self, path: Path, content: bytes) -> None:
        try:
            ignore = self.root / ".gitignore"
            if not ignore.exists():
                # The store lies in a repository more often than not.
                write_atomically(ignore, b"*\n")
            write_atomically(path, content)
        except OSError as error:
            raise MlffError(
                f"store {self.root}: cannot write ({error.strerror or error}); "
                "choose another folder with --mlff-store=DIR"
            ) from error

    @contextlib.contextmanager
    def lock(self, kind: str, key: Mapping[str, Any]) -> Iterator[None]:
        """Hold the entry's lock, so that processes compute it once and the others wait.

        The operating system frees the lock when its holder dies, however it dies.
        """
        path = self.path(kind, key, ".lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            stream = path.open("a+b")
        except OSError as error:
            raise MlffError(
                f"store {self.root}: cannot write ({error.strerror or error}); "
                "choose another folder with --mlff-store=DIR"
            ) from error
        with stream:
            _lock(stream.fileno())
            yield


def _lock(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:  # Windows: work may be done twice, but writes stay atomic.
        return
    fcntl.flock(descriptor, fcntl.LOCK_EX)
