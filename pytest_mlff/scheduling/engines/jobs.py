"""Records of cluster jobs in the store, by which a later controller finds them.

``jobs/<key>.json`` is written before the job is submitted and names the token that the
job carries as its comment, so that a controller killed at any moment leaves a trace:
either the record holds the job's id, or the queue holds the token.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import functools
import hashlib
import json
import pickle
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_mlff.errors import MlffError
from pytest_mlff.store import DamagedEntryError, Store, pack, unpack, write_atomically

KIND = "jobs"
# A file system shared by many machines may show half of a file for a moment.
_UNREADABLE = (OSError, EOFError, pickle.UnpicklingError)


def job_key(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Name of a call: equal for equal calls, in any process.

    A single argument with a ``digest`` attribute speaks for itself. Otherwise plain data
    (numbers, text, paths, sequences, mappings, dataclasses, enums) are named by value and
    anything else by its pickle.

    Returns
    -------
    str
        SHA-256 in hexadecimal.

    Raises
    ------
    MlffError
        If an argument can neither be named nor pickled.
    """
    parts = [_named(function), [_plain(arg) for arg in args], _plain(dict(kwargs))]
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _named(function: Callable[..., Any]) -> Any:
    if isinstance(function, functools.partial):
        return [_named(function.func), _plain(function.args), _plain(function.keywords)]
    name = getattr(function, "__qualname__", None)
    if name is None:
        return _plain(function)
    if "<" in name:
        # Two lambdas have one name, and would be taken for one job.
        raise MlffError(f"a job must be a function of a module, {name} has no name of its own")
    return f"{function.__module__}:{name}"


def _plain(value: Any) -> Any:
    # Each kind is tagged, or the tuple (1,) and the list [1] would be one call.
    digest = None if isinstance(value, type) else getattr(value, "digest", None)
    if isinstance(digest, str):
        plain: Any = ["digest", type(value).__qualname__, digest]
    elif value is None or isinstance(value, bool | int | str):
        plain = [type(value).__name__, value]
    elif isinstance(value, float):
        plain = ["float", value.hex()]
    elif isinstance(value, Path):
        plain = ["path", str(value)]
    elif isinstance(value, enum.Enum):
        plain = ["enum", type(value).__qualname__, value.name]
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        entries = [[f.name, _plain(getattr(value, f.name))] for f in dataclasses.fields(value)]
        plain = ["dataclass", type(value).__qualname__, entries]
    elif isinstance(value, list | tuple):
        plain = [type(value).__name__, [_plain(item) for item in value]]
    elif isinstance(value, Mapping):
        pairs = [[_plain(key), _plain(item)] for key, item in value.items()]
        plain = ["mapping", sorted(pairs, key=json.dumps)]
    elif isinstance(value, set | frozenset):
        plain = ["set", sorted((_plain(item) for item in value), key=json.dumps)]
    else:
        try:
            plain = ["pickle", hashlib.sha256(pickle.dumps(value, protocol=5)).hexdigest()]
        except Exception as error:
            raise MlffError(f"a job's argument cannot be pickled: {value!r} ({error})") from error
    return plain


@dataclass(frozen=True)
class JobRecord:
    """One job as its controller wrote it down.

    Attributes
    ----------
    key : str
        Name of the call, see :func:`job_key`.
    token : str
        The job's comment on the cluster and the name of its folder.
    index : int or None
        Place in its job array; None for a job of its own.
    job_id : str or None
        ``12`` or ``12_3``; None while it is being submitted.
    name : str
        What people call it.
    submitted : str
        When, as ISO 8601 in UTC.
    ended : tuple of str
        Earlier submissions and how they ended, e.g. ``12 CANCELLED``.
    cancelled : bool
        Cancelled through this package, and so not to be submitted again.
    collected : bool
        A controller has taken its result or its error; the call may be submitted anew.
    """

    key: str
    token: str
    index: int | None
    job_id: str | None
    name: str
    submitted: str
    ended: tuple[str, ...] = ()
    cancelled: bool = False
    collected: bool = False

    @property
    def open(self) -> bool:
        """Whether somebody may still want what comes of it."""
        return not (self.cancelled or self.collected)


@dataclass(frozen=True)
class JobOutcome:
    """What a job left behind.

    Attributes
    ----------
    value : Any
        What the function returned.
    error : str or None
        The traceback of what it raised.
    """

    value: Any = None
    error: str | None = None


@dataclass(frozen=True)
class JobRecords:
    """The records of one store.

    Attributes
    ----------
    root : Path
        The store's folder.
    """

    root: Path

    def lock(self) -> AbstractContextManager[None]:
        """Hold while records are read, decided on and written; freed when its holder dies."""
        return Store(self.root).lock(KIND, {"lock": "submit"})

    def folder(self, token: str) -> Path:
        """Folder of a submission: batch script, pickles, logs."""
        return (self.root / KIND / token).absolute()

    def read(self, key: str) -> JobRecord | None:
        """The record of a call; None if there is none or it is unreadable."""
        return self._load(self.root / KIND / f"{key}.json")

    def all(self) -> list[JobRecord]:
        """All records, oldest first."""
        found = (self._load(path) for path in (self.root / KIND).glob("*.json"))
        return sorted(
            (record for record in found if record is not None),
            key=lambda record: (record.submitted, record.job_id or "", record.key),
        )

    def write(self, record: JobRecord) -> None:
        """Write a record, whole or not at all.

        Raises
        ------
        MlffError
            If the store cannot be written.
        """
        text = json.dumps(dataclasses.asdict(record), indent=1, sort_keys=True)
        content = pack(KIND, {"call": record.key}, ".json", text.encode())
        try:
            ignore = self.root / ".gitignore"
            if not ignore.exists():
                write_atomically(ignore, b"*\n")
            write_atomically(self.root / KIND / f"{record.key}.json", content)
        except OSError as error:
            raise MlffError(
                f"store {self.root}: cannot write ({error.strerror or error}); "
                "choose another folder with --mlff-store=DIR"
            ) from error

    def remove(self, key: str) -> None:
        """Forget a call."""
        (self.root / KIND / f"{key}.json").unlink(missing_ok=True)

    def mark(self, record: JobRecord, *, cancelled: bool = False, collected: bool = False) -> None:
        """Set marks of a record, unless another submission has taken its place."""
        with self.lock():
            current = self.read(record.key)
            if current is not None and current.token == record.token:
                self.write(
                    dataclasses.replace(
                        current,
                        cancelled=cancelled or current.cancelled,
                        collected=collected or current.collected,
                    )
                )

    def log(self, record: JobRecord) -> Path:
        """Where the job's output goes; the file is there once the job has started."""
        return self.folder(record.token) / f"{record.job_id}_0_log.out"

    def outcome_kind(self, record: JobRecord) -> str | None:
        """``done`` or ``failed`` once the job has left something, without loading results."""
        try:
            with self._outcome_file(record).open("rb") as stream:
                start = stream.read(64)
        except OSError:
            return None
        # submitit pickles ("success", value) or ("error", traceback).
        places = {"done": start.find(b"success"), "failed": start.find(b"error")}
        found = {kind: place for kind, place in places.items() if place >= 0}
        return min(found, key=lambda kind: found[kind]) if found else None

    def outcome(self, record: JobRecord) -> JobOutcome | None:
        """What the job left behind; None if there is nothing (yet)."""
        if record.job_id is None:
            return None
        try:
            content = self._outcome_file(record).read_bytes()
        except OSError:
            return None
        with contextlib.suppress(*_UNREADABLE):
            try:
                kind, value = pickle.loads(content)
            except _UNREADABLE:
                raise
            except Exception as error:  # a pickle with a wrong byte may raise anything
                return JobOutcome(error=f"MlffError: its result cannot be read: {last_line(error)}")
            return JobOutcome(value=value) if kind == "success" else JobOutcome(error=str(value))
        return None

    def _outcome_file(self, record: JobRecord) -> Path:
        return self.folder(record.token) / f"{record.job_id}_0_result.pkl"

    def _load(self, path: Path) -> JobRecord | None:
        try:
            content = json.loads(unpack(KIND, {"call": path.stem}, ".json", path.read_bytes()))
            return JobRecord(**{**content, "ended": tuple(content["ended"])})
        except (DamagedEntryError, OSError, ValueError, TypeError, KeyError):
            return None


def last_line(error: BaseException | str) -> str:
    """The last line of a traceback, or an exception, as people read it."""
    if isinstance(error, BaseException):
        text = str(error).strip() or type(error).__name__
        return text.splitlines()[-1]
    lines = [line for line in error.strip().splitlines() if line.strip()]
    if not lines:
        return "it gave no reason"
    # The first line after the last frame: messages may have several lines.
    frames = [number for number, line in enumerate(lines) if line.startswith("  File ")]
    last = next(
        (line for line in lines[(frames[-1] + 1 if frames else 0) :] if not line.startswith(" ")),
        lines[-1],
    )
    kind, separator, message = last.partition(": ")
    if not separator or " " in kind:
        return last
    name = kind.rpartition(".")[2]
    # The user is to fix this one, so its class is no news.
    return message if name == "MlffError" else f"{name}: {message}"
