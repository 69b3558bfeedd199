"""What structures carry beside atoms and cell, as named columns: charge, spin, tags …

ASE keeps such things in ``atoms.info`` (one value a structure) and ``atoms.arrays`` (one
value an atom). Where every structure has a value of one type and shape, they become one
array; the rest of a structure is kept as JSON text in the column :data:`REST`, so that an
absent value stays absent and a whole number stays whole.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["REST", "Columns", "columns_of", "extras_of", "names_of", "rows_of"]

REST: Final = "_rest"
"""Column of JSON texts: what fits into no array."""
_KINDS: Final = "biufU"

if TYPE_CHECKING:
    Columns = Mapping[str, NDArray[Any]]
else:
    Columns = dict


def columns_of(
    info: Sequence[Mapping[str, Any]], arrays: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """Columns per frame (n_frames, …) and per atom (n_total, …) of ``info`` and ``arrays``."""
    per_frame = {key: np.stack(values) for key in _common(info) if (values := _alike(info, key, 0))}
    per_atom = {
        key: np.concatenate(values) for key in _common(arrays) if (values := _alike(arrays, key, 1))
    }
    rest = [
        {
            name: {key: _plain(value) for key, value in one.items() if key not in done}
            for name, one, done in (("info", mine, per_frame), ("arrays", of_atoms, per_atom))
        }
        for mine, of_atoms in zip(info, arrays, strict=True)
    ]
    if any(one["info"] or one["arrays"] for one in rest):
        per_frame[REST] = np.array([json.dumps(one, sort_keys=True) for one in rest])
    return per_frame, per_atom


def extras_of(
    per_frame: Columns, per_atom: Columns, index: int, start: int, stop: int
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """``info`` and ``arrays`` of one frame, whose atoms stand from ``start`` to ``stop``."""
    info = {key: _value(column[index]) for key, column in per_frame.items() if key != REST}
    arrays = {key: np.array(column[start:stop]) for key, column in per_atom.items()}
    if REST in per_frame:
        rest = json.loads(str(per_frame[REST][index]))
        info.update({key: _restored(value) for key, value in rest["info"].items()})
        arrays.update({key: _restored(value) for key, value in rest["arrays"].items()})
    return info, arrays


def rows_of(per_frame: Columns, key: str, n_frames: int) -> list[Any]:
    """One entry of ``info`` over all frames; None where a frame has none."""
    if key in per_frame and key != REST:
        return [_value(one) for one in per_frame[key]]
    if REST not in per_frame:
        return [None] * n_frames
    return [json.loads(str(text))["info"].get(key) for text in per_frame[REST]]


def names_of(per_frame: Columns) -> list[str]:
    """Every key of ``info`` that some frame has, alphabetically."""
    rest = (json.loads(str(text))["info"] for text in per_frame.get(REST, ()))
    return sorted({*per_frame, *(key for one in rest for key in one)} - {REST})


def _common(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Keys that every row has."""
    return [key for key in (rows[0] if rows else {}) if all(key in row for row in rows)]


def _alike(rows: Sequence[Mapping[str, Any]], key: str, first: int) -> list[NDArray[Any]]:
    """Values of a key as arrays, if they have one type and one shape; else none."""
    values = [row[key] for row in rows]
    if any(isinstance(value, dict | list | tuple) or value is None for value in values):
        return []
    found = [_of_one_kind(np.asarray(value)) for value in values]
    kinds = {(one.dtype.kind, one.shape[first:], one.ndim) for one in found}
    return found if len(kinds) == 1 and next(iter(kinds))[0] in _KINDS else []


def _of_one_kind(array: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers as int64 and texts as such, since readers of formats differ in both."""
    if array.dtype.kind in "iu":
        return array.astype(np.int64)
    if array.dtype.kind == "O" and all(isinstance(one, str) for one in array.flat):
        return array.astype(np.str_)
    return array


def _value(value: Any) -> Any:
    """A scalar as Python has it, since models ask for ``isinstance(charge, int)``; or an array."""
    return value.item() if np.ndim(value) == 0 else np.array(value)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind == "O":
        value = value.astype(str)
    if isinstance(value, np.ndarray):
        return {"array": value.tolist(), "dtype": value.dtype.str}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {"dict": {str(key): _plain(one) for key, one in value.items()}}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)


def _restored(value: Any) -> Any:
    if isinstance(value, dict) and "array" in value:
        return np.array(value["array"], dtype=value["dtype"])
    if isinstance(value, dict):
        return {key: _restored(one) for key, one in value["dict"].items()}
    if isinstance(value, list):
        return [_restored(one) for one in value]
    return value
