"""Dataset: labelled frames of one molecule (or one file) and where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pytest_mlff.datasets.labels import LabelReport

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled frames with their origin.

    Attributes
    ----------
    name : str
        Name of the dataset, e.g. ``embedded`` or ``rmd17``.
    molecule : str or None
        Which of the dataset's molecules; None for a file that names none.
    frames : Frames
        In time order wherever a time order is known (then ``time_index`` is set).
    level_of_theory : str
        Method behind the labels.
    timestep_fs : float or None
        Duration of one unit of ``time_index`` in fs.
    licence : str
        Licence as its publisher states it.
    source : str
        File the frames were read from.
    digest : str
        SHA-256 of structures, labels and time indices.
    index_sets : mapping of str to ndarray of int64
        Published splits (``train_01`` …) as positions in ``frames``.
    notes : tuple of str
        What is odd about the data, one sentence each.
    labels : LabelReport
        What the file holds of labels beside those in ``frames``.
    """

    name: str
    molecule: str | None
    frames: Frames
    level_of_theory: str
    timestep_fs: float | None
    licence: str
    source: str
    digest: str
    index_sets: Mapping[str, NDArray[np.int64]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    notes: tuple[str, ...] = ()
    labels: LabelReport = field(default_factory=LabelReport)

    @property
    def title(self) -> str:
        """Name and molecule as messages write them."""
        return self.name if self.molecule is None else f"{self.name} {self.molecule}"

    @property
    def time_ordered(self) -> bool:
        """Whether the frames are in a known time order."""
        return self.frames.time_index is not None

    @property
    def span_ps(self) -> float | None:
        """Time from the first to the last frame in ps, where it is known."""
        index = self.frames.time_index
        if index is None or self.timestep_fs is None or len(index) == 0:
            return None
        return float(index[-1] - index[0]) * self.timestep_fs / 1000.0


@runtime_checkable
class DatasetSource(Protocol):
    """A dataset that is opened but not read yet."""

    @property
    def name(self) -> str:
        """Name under which it was opened."""

    @property
    def molecules(self) -> tuple[str, ...]:
        """Molecules that it knows, whether or not their files lie here."""

    def species(self, molecule: str) -> tuple[str, ...]:
        """Chemical symbols of a molecule, alphabetically; builtin datasets read no file."""

    def load(self, molecule: str) -> Dataset:
        """Read one molecule; a second call returns the same object."""
