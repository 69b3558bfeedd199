"""Messages between the judge and a model's process: a JSON header and raw arrays.

A message is two lengths, a header of JSON and the arrays named in it, one after the other,
each padded to eight bytes. Nothing in it can name code, so neither side runs what the other
wrote; a pickle would.
"""

from __future__ import annotations

import json
import math
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.potentials.protocol import Prediction

if TYPE_CHECKING:
    import socket

    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]

_LENGTHS: Final = struct.Struct("<QQ")
_LONGEST_HEADER: Final = 2**26
_PLAIN: Final = "biufcUS"  # kinds of numpy dtypes whose bytes are their values
_PIECE: Final = 2**16  # most bytes that are taken at once
_LABELS: Final = frozenset({"energy", "forces", "stress", "time_index"})
_FIELDS: Final = tuple(one.name for one in fields(Frames))


class GarbledError(Exception):
    """What came is no message."""


class Channel:
    """One end of a stream socket.

    Parameters
    ----------
    sock : socket
        Connected to the other end.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._come = bytearray()

    def send(self, header: Mapping[str, Any], arrays: Arrays | None = None) -> None:
        """Send a message.

        Raises
        ------
        OSError
            If the other end is gone.
        """
        described, parts, size = [], [], 0
        for name, array in (arrays or {}).items():
            if array.dtype.kind not in _PLAIN:
                raise TypeError(f"{name}: arrays of {array.dtype} cannot be sent")
            data = array.tobytes()
            pad = -len(data) % 8
            described.append([name, array.dtype.str, array.shape])
            parts += [data, bytes(pad)]
            size += len(data) + pad
        text = json.dumps({**header, "arrays": described}).encode()
        text += b" " * (-len(text) % 8)
        self.sock.sendall(b"".join([_LENGTHS.pack(len(text), size), text, *parts]))

    def receive(self, until: float | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Wait for a message.

        Parameters
        ----------
        until : float, optional
            On the monotonic clock, when a message has to have come whole.

        Returns
        -------
        dict, dict
            Header, and arrays by name.

        Raises
        ------
        EOFError
            If the other end is gone.
        TimeoutError
            If it has not by then; nothing is lost by asking again.
        GarbledError
            If the bytes are none of ours.
        """
        while (end := self._end()) is None or len(self._come) < end:
            if until is not None:
                left = until - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                self.sock.settimeout(left)
            # A small message comes whole, in one piece.
            piece = self.sock.recv(_PIECE)
            if not piece:
                raise EOFError
            self._come += piece
        content, self._come = self._come, self._come[end:]
        return _unpacked(content)

    def _end(self) -> int | None:
        """Where the message ends that is coming; None before that is known."""
        if len(self._come) < _LENGTHS.size:
            return None
        length, size = _LENGTHS.unpack_from(self._come)
        if length > _LONGEST_HEADER:
            raise GarbledError(f"a header of {length} bytes")
        return _LENGTHS.size + int(length) + int(size)


def _unpacked(content: bytearray) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and arrays of a message; the arrays share its memory."""
    place = _LENGTHS.size + _LENGTHS.unpack_from(content)[0]
    try:
        header = json.loads(content[_LENGTHS.size : place].decode())
        arrays = {}
        for name, code, shape in header.pop("arrays"):
            dtype = np.dtype(code)
            if dtype.kind not in _PLAIN:
                raise GarbledError(f"an array of {dtype}")
            count = math.prod(shape)
            arrays[name] = np.frombuffer(content, dtype, count, place).reshape(shape)
            place += count * dtype.itemsize
            place += -place % 8
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise GarbledError(str(error)) from error
    return header, arrays


def of_frames(frames: Frames, labels: bool = False) -> dict[str, NDArray[Any]]:
    """What a model may see of frames, as arrays; labels stay behind, unless asked for."""
    arrays: dict[str, NDArray[Any]] = {}
    for name in _FIELDS:
        value = getattr(frames, name)
        if value is None or (name in _LABELS and not labels):
            continue
        if isinstance(value, np.ndarray):
            arrays[name] = value
        else:  # columns: charge, spin, tags …
            arrays |= {f"{name}/{key}": column for key, column in value.items()}
    return arrays


def of_batches(batches: Sequence[Frames]) -> dict[str, NDArray[Any]]:
    """Several batches, each as :func:`of_frames`."""
    return {
        f"{index}/{name}": array
        for index, frames in enumerate(batches)
        for name, array in of_frames(frames).items()
    }


def batches_of(arrays: Arrays) -> list[Frames]:
    """The batches of a message, in order."""
    return [frames_of(one) for one in _numbered(arrays)]


def _numbered(arrays: Arrays) -> list[dict[str, NDArray[Any]]]:
    found: dict[int, dict[str, NDArray[Any]]] = {}
    for name, array in arrays.items():
        index, _, what = name.partition("/")
        found.setdefault(int(index), {})[what] = array
    return [found[index] for index in range(len(found))]


def frames_of(arrays: Arrays) -> Frames:
    """The frames of a message."""
    found: dict[str, Any] = {}
    for name, array in arrays.items():
        field, slash, key = name.partition("/")
        if slash:
            found.setdefault(field, {})[key] = array
        else:
            found[name] = array
    return Frames(**found)


def of_predictions(predictions: Sequence[Prediction]) -> dict[str, NDArray[Any]]:
    """Predictions as arrays."""
    return {
        f"{index}/{name}": array
        for index, one in enumerate(predictions)
        for name in ("energy", "forces", "stress")
        if (array := getattr(one, name)) is not None
    }


def predictions_of(arrays: Arrays) -> list[Prediction]:
    """Predictions of a message, in order.

    Raises
    ------
    GarbledError
        If energies or forces of one are missing.
    """
    try:
        return [Prediction(**one) for one in _numbered(arrays)]
    except (ValueError, TypeError, KeyError) as error:
        raise GarbledError(f"no prediction: {error}") from error
