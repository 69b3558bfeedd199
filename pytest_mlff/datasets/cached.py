"""A dataset source that reads each of its systems once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from pytest_mlff.datasets.dataset import Dataset


class CachedSource:
    """Loads each molecule once."""

    def __init__(self, name: str, molecules: tuple[str, ...]) -> None:
        self.name = name
        self.molecules = molecules
        self._loaded: dict[str, Dataset] = {}

    def load(self, molecule: str) -> Dataset:
        """Read one molecule; a second call returns the same object."""
        if molecule not in self._loaded:
            self._check(molecule)
            self._loaded[molecule] = self._read(molecule)
        return self._loaded[molecule]

    def _check(self, molecule: str) -> None:
        if molecule not in self.molecules:
            raise MlffError(
                f"dataset {self.name!r} has no molecule {molecule!r}; "
                f"it has {', '.join(self.molecules)}"
            )

    def _read(self, molecule: str) -> Dataset:
        raise NotImplementedError
