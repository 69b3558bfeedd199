"""An open file of named arrays, npz or a group of HDF5, whose faults are one-line errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class NamedArrays:
    """An open file of named arrays; ``where`` begins messages."""

    def __init__(self, where: str, keys: Sequence[str]) -> None:
        self.where = where
        self.keys = tuple(keys)

    def _decoded(self, key: str) -> NDArray[Any]:
        """One array; raises ValueError where it cannot be read."""
        raise NotImplementedError

    def array(self, key: str) -> NDArray[Any]:
        """One array, text as such; raises :class:`MlffError` where it cannot be read."""
        try:
            array = self._decoded(key)
            return np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array
        except ValueError as error:
            raise MlffError(f"{self.where}: {error}") from error

    def shape_of(self, key: str) -> tuple[tuple[int, ...], str]:
        """Shape and NumPy's letter of an array; nothing of one that cannot be read."""
        try:
            array = self.array(key)
        except MlffError:
            return (), ""
        return array.shape, array.dtype.kind

    def numeric(self, key: str, kinds: str = "fiu") -> NDArray[Any]:
        """An array of numbers; ``kinds`` are NumPy's letters of what is taken for one."""
        array = self.array(key)
        if array.dtype.kind not in kinds:
            raise MlffError(f"{self.where}: {key!r} holds {array.dtype}, not numbers")
        return array

    def whole(self, key: str) -> NDArray[np.int64]:
        """An array of whole numbers, also where they are stored with a point."""
        array = self.numeric(key)
        if array.dtype.kind == "f" and not (array == np.rint(array)).all():
            raise MlffError(f"{self.where}: {key!r} holds {array.dtype}, not whole numbers")
        return array.astype(np.int64)

    def text(self, key: str) -> str | None:
        """A scalar string (str or bytes), or None."""
        if key not in self.keys:
            return None
        shape, kind = self.shape_of(key)
        if kind not in ("S", "U") or int(np.prod(shape)) != 1:
            return None
        return str(self.array(key).reshape(-1)[0])
