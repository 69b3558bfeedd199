"""Which frames of a user's file are independent of each other, as the spec says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames


def replicated(
    frames: Frames,
    *,
    title: str,
    key: str | None,
    independent: bool | None,
    column: Callable[[str], NDArray[Any] | None],
) -> Frames:
    """Frames with the replica of each, where the spec says what tells it.

    Parameters
    ----------
    frames : Frames
    title : str
        Of the file, for messages.
    key : str or None
        What names the replica of each frame in the file.
    independent : bool or None
        Every frame is a draw of its own.
    column : callable
        The values of a key in the order of ``frames``; None where there are none.

    Raises
    ------
    MlffError
        If the file has no such key for every frame, or both are said.
    """
    if not independent and key is None:
        return frames
    if independent and key is not None:
        raise MlffError(f"{title}: `replica` and `independent` exclude each other: keep one")
    if key is None:
        index = np.arange(len(frames))
    else:
        values = column(key)
        if values is None or values.shape != (len(frames),) or values.dtype.kind not in "iuU":
            raise MlffError(
                f"{title}: has no key {key!r} with one whole number or name per frame (`replica`)"
            )
        index = np.unique(values, return_inverse=True)[1].astype(np.int64)
    # A model is not told which replica it sees, and steps of several are in no order.
    rest = {name: one for name, one in frames.per_frame.items() if name != key}
    return replace(frames, replica=index, time_index=None, per_frame=rest)
