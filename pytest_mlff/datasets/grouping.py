"""Groups of frames by a label that each carries, such as ``config_type``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_mlff.datasets.extras import names_of, rows_of
from pytest_mlff.errors import MlffError, did_you_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.splits import IndexSet

SYSTEM: Final = "system"
"""Groups by the system that a frame is of: a molecule, a crystal, or a file."""
UNLABELLED: Final = "(none)"
"""Group of the frames that do not carry the label."""

_MOST: Final = 50
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._+()-]+")


def groups_of(found: IndexSet, key: str) -> NDArray[np.str_]:
    """Group of each frame of a set, shape (n_frames,).

    Parameters
    ----------
    found : IndexSet
    key : str
        A label of each frame (``atoms.info`` in ASE), or ``system``. Text, whole numbers and
        true/false name groups; other characters than letters, digits and ``. _ + -`` become
        ``_``.

    Raises
    ------
    MlffError
        If no frame carries the label, its values are no names, or there are more than 50.
    """
    frames = found.frames
    if key == SYSTEM:
        values = [name for name, one in found.indices.items() for _ in range(len(one))]
    else:
        values = [_name(one, key) for one in rows_of(frames.per_frame, key, len(frames))]
    named = dict.fromkeys(values)
    if set(named) <= {UNLABELLED}:
        known = names_of(frames.per_frame)
        raise MlffError(
            f"no test frame carries {key!r}{did_you_mean(key, known)} (they carry "
            f"{', '.join(known) or 'no labels'}; `{SYSTEM}` always goes)"
        )
    if len(named) > _MOST:
        raise MlffError(f"{key!r} has {len(named)} values; groups need a label of at most {_MOST}")
    safe = {one: _UNSAFE.sub("_", one) or "_" for one in named}
    if len(set(safe.values())) < len(safe):
        raise MlffError(f"values of {key!r} differ by special characters alone")
    return np.array([safe[one] for one in values], dtype=np.str_)


def _name(value: object, key: str) -> str:
    if value is None:
        return UNLABELLED
    if value == UNLABELLED:
        raise MlffError(
            f"a frame's {key!r} is {UNLABELLED!r}, the name of the group of frames without one: "
            "rename it"
        )
    if isinstance(value, str | bool | int):
        return str(value)
    raise MlffError(
        f"{key!r} holds {type(value).__name__} values; groups are named by text or whole numbers"
    )
