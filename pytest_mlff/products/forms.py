"""Forms of a product in the store: JSON, named arrays, or a folder of files."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from pytest_mlff.store import file_digest

T = TypeVar("T")
S = TypeVar("S")


@dataclass(frozen=True)
class Form(Generic[T]):
    """How values of one type are written and read.

    Attributes
    ----------
    suffix : str
        Of the entry's file.
    pack : callable
        From a value and the product's folder to bytes.
    unpack : callable
        The way back. It raises `ValueError`, `TypeError`, `KeyError`, `OSError` or `EOFError`
        for bytes that make no sense.
    """

    suffix: str
    pack: Callable[[T, Path], bytes]
    unpack: Callable[[bytes, Path], T]

    def of(self, plain: Callable[[S], T], back: Callable[[T], S]) -> Form[S]:
        """The same form for values of another type.

        Parameters
        ----------
        plain : callable
            From a value to what this form writes.
        back : callable
            The way back.
        """
        return Form(
            self.suffix,
            lambda value, folder: self.pack(plain(value), folder),
            lambda content, folder: back(self.unpack(content, folder)),
        )


@dataclass(frozen=True)
class Files:
    """Files in a product's folder, with a note about them.

    Attributes
    ----------
    note : mapping
        JSON-able.
    names : tuple of str
        Files that the product stands for, relative to its folder; whatever else lies there
        is nobody's.
    """

    note: Mapping[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] = ()


def _pack_json(value: Mapping[str, Any], _folder: Path) -> bytes:
    return json.dumps(dict(value), indent=1, sort_keys=True).encode()


def _unpack_json(content: bytes, _folder: Path) -> Mapping[str, Any]:
    value = json.loads(content)
    if not isinstance(value, dict):
        raise TypeError("not a mapping")
    return value


def _pack_arrays(arrays: Mapping[str, Any], _folder: Path) -> bytes:
    import numpy as np

    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **{name: np.asarray(a) for name, a in arrays.items()})
    return stream.getvalue()


def _unpack_arrays(content: bytes, _folder: Path) -> Mapping[str, Any]:
    import zipfile

    import numpy as np

    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except zipfile.BadZipFile as error:
        raise ValueError(str(error)) from error


def _pack_files(files: Files, folder: Path) -> bytes:
    digests = {name: file_digest(folder / name) for name in files.names}
    return _pack_json({"note": dict(files.note), "files": digests}, folder)


def _unpack_files(content: bytes, folder: Path) -> Files:
    value = _unpack_json(content, folder)
    for name, digest in value["files"].items():
        if file_digest(folder / name) != digest:
            raise ValueError(f"{name} is damaged")
    return Files(value["note"], tuple(value["files"]))


JSON: Form[Mapping[str, Any]] = Form(".json", _pack_json, _unpack_json)
"""A mapping of plain values."""

ARRAYS: Form[Mapping[str, Any]] = Form(".npz", _pack_arrays, _unpack_arrays)
"""Named arrays."""

FOLDER: Form[Files] = Form(".json", _pack_files, _unpack_files)
"""Files in the product's folder; the entry holds a digest of each.

What makes it writes there bit by bit, and finds there what an earlier attempt has left."""
