"""The store: a content-addressed folder of what is expensive to compute.

An entry is addressed by its kind and the digest of its key, any JSON-able mapping
that names everything the content depends on. Its first line holds kind, key and the
checksum of what follows, so that a damaged entry, or one of another key in its place,
is noticed. Writes are atomic: a reader sees the whole entry or none.

A store that cannot be written costs speed, not the measurement: one warning is given.
What is worth keeping and how it is read is for `pytest_mlff.products`.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class StoreWarning(UserWarning):
    """Something in the store had to be computed again, or cannot be kept."""


class DamagedEntryError(Exception):
    """A stored entry is not what was written there; the message says in what way."""


def digest_of(key: Mapping[str, Any]) -> str:
    """SHA-256 of a JSON-able mapping, independent of the order of its keys."""
    text = json.dumps(key, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


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
        If the file cannot be written, or is a device or pipe; what was there is then untouched.
    """
    if path.exists() and not path.is_file():
        # The exchange below would put a plain file in the place of /dev/null.
        raise OSError(errno.EINVAL, "no regular file", str(path))
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


_VALUE, _END = b'"value": ', b"}\n"


def pack(kind: str, key: Mapping[str, Any], suffix: str, content: bytes) -> bytes:
    """An entry as it is written: a line that says whose it is, then its content.

    Parameters
    ----------
    kind : str
    key : mapping
        JSON-able.
    suffix : str
        Of its file. ``.json`` is JSON as a whole, for people and tools that look inside.
    content : bytes
    """
    checksum = hashlib.sha256(content).hexdigest()
    header = {"kind": kind, "key": dict(key), "sha256": checksum}
    line = json.dumps(header, sort_keys=True).encode()
    if suffix == ".json":
        return line.removesuffix(b"}") + b",\n" + _VALUE + content + _END
    return line + b"\n" + content


def unpack(kind: str, key: Mapping[str, Any], suffix: str, written: bytes) -> bytes:
    """The content of an entry.

    Raises
    ------
    DamagedEntryError
        If it is not what `pack` made of this kind and key.
    """
    # The first line follows from the content and the key, so that there is nothing to parse.
    content = written.partition(b"\n")[2]
    if suffix == ".json":
        content = content.removeprefix(_VALUE).removesuffix(_END)
    if pack(kind, key, suffix, content) != written:
        raise DamagedEntryError("is damaged, or is another entry")
    return content


@dataclass(frozen=True)
class Store:
    """A store below one folder, made on the first write and safe to share between processes."""

    root: Path
    _told: set[str] = field(default_factory=set, init=False, repr=False, compare=False)

    def path(self, kind: str, key: Mapping[str, Any], suffix: str) -> Path:
        """Where the entry lies."""
        digest = digest_of(key)
        return self.root / kind / digest[:2] / f"{digest}{suffix}"

    def read(self, kind: str, key: Mapping[str, Any], suffix: str) -> bytes | None:
        """The content of an entry; None if there is none.

        Raises
        ------
        DamagedEntryError
            If something else lies there.
        """
        try:
            written = self.path(kind, key, suffix).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise DamagedEntryError(f"cannot be read ({error.strerror or error})") from error
        return unpack(kind, key, suffix, written)

    def write(self, kind: str, key: Mapping[str, Any], suffix: str, content: bytes) -> bool:
        """Write an entry; False, with one warning in all, where the store cannot be written."""
        try:
            ignore = self.root / ".gitignore"
            if not ignore.exists():
                # The store lies in a repository more often than not.
                write_atomically(ignore, b"*\n")
            write_atomically(self.path(kind, key, suffix), pack(kind, key, suffix, content))
        except OSError as error:
            self._cannot_write(error)
            return False
        return True

    def tell(self, line: str, about: str | None = None) -> None:
        """Give a warning, one for each thing that it is about (the line itself if not given)."""
        about = about or line
        if about in self._told:
            return
        self._told.add(about)
        line = f"store {self.root}: {line}"
        try:
            warnings.warn(line, StoreWarning, stacklevel=2)
        except StoreWarning:  # where warnings are errors: the measurement is none the worse
            print(f"mlff: warning: {line}", file=sys.stderr)

    def _cannot_write(self, error: OSError) -> None:
        line = f"cannot be written ({error.strerror or error}), so nothing is kept"
        self.tell(f"{line}: --mlff-store=DIR names another", about="writing")

    @contextlib.contextmanager
    def lock(self, kind: str, key: Mapping[str, Any]) -> Iterator[None]:
        """Hold the entry's lock, so that processes compute it once and the others wait.

        The operating system frees the lock when its holder dies, however it dies. Where there
        can be no lock, work may be done twice, but writes stay atomic.
        """
        path = self.path(kind, key, ".lock")
        with contextlib.ExitStack() as held:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                _lock(held.enter_context(path.open("a+b")).fileno())
            except OSError as error:
                self._cannot_write(error)
            yield


def _lock(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        return
    fcntl.flock(descriptor, fcntl.LOCK_EX)
