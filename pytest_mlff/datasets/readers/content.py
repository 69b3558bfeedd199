"""What a reader gives: frames, and what the file says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_mlff.datasets.labels import LabelReport

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames


@dataclass(frozen=True, eq=False)
class FileContent:
    """Content of one data file.

    Attributes
    ----------
    frames : Frames
        eV and Å.
    labels : LabelReport
        Keys that look like labels, and quantities that were left aside.
    level_of_theory : str or None
        Where the file states it.
    timestep_fs : float or None
        Duration of one unit of ``frames.time_index``, where it is known.
    index_sets : mapping of str to ndarray of int64
        Published splits as positions in ``frames``.
    """

    frames: Frames
    labels: LabelReport = field(default_factory=LabelReport)
    level_of_theory: str | None = None
    timestep_fs: float | None = None
    index_sets: Mapping[str, NDArray[np.int64]] = field(
        default_factory=lambda: MappingProxyType({})
    )
