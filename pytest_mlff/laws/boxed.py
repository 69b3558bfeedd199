"""Isolated structures for a model that takes crystals only: each in a cell of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.potentials.host.probes import answers_of_threads, memory_after, predict_each

if TYPE_CHECKING:
    from pytest_mlff.potentials.protocol import Potential, PotentialInfo, Prediction

_GAP: Final = 15.0
"""Å between images for a model that names no cutoff: more than any in use."""


@dataclass(frozen=True, eq=False)
class Boxed:
    """A model that is asked about molecules as its users must: in a box with empty space around.

    The images are beyond the cutoff of each other, so the physics is that of the molecule alone.
    Periodic frames pass as they are.
    """

    base: Potential

    @property
    def info(self) -> PotentialInfo:
        """Identity of the model."""
        return self.base.info

    def predict(self, frames: Frames) -> Prediction:
        """Answer for the structures in their boxes."""
        return self.base.predict(self._in_boxes(frames))

    def predict_each(self, batches: Sequence[Frames]) -> list[Prediction]:
        """As :meth:`predict`, for each of some batches."""
        return predict_each(self.base, [self._in_boxes(one) for one in batches])

    def answers_of_threads(self, frames: Sequence[Frames], repeats: int) -> list[list[Prediction]]:
        """As `pytest_mlff.potentials.host.probes.answers_of_threads`."""
        return answers_of_threads(self.base, [self._in_boxes(one) for one in frames], repeats)

    def memory_after(self, frames: Frames, calls: int) -> tuple[float, float, float]:
        """As `pytest_mlff.potentials.host.probes.memory_after`."""
        return memory_after(self.base, self._in_boxes(frames), calls)

    def edge(self, frames: Frames) -> float:
        """Largest edge in Å of the boxes of ``frames``; 0 where all are periodic already."""
        return float(max(self._edges(frames)[~frames.pbc.any(axis=1)], default=0.0))

    def _edges(self, frames: Frames) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        starts = frames.offsets[:-1]
        widths = np.maximum.reduceat(frames.positions, starts) - np.minimum.reduceat(
            frames.positions, starts
        )
        cutoff = self.info.cutoff
        # Whole Å: small moves of the atoms leave the box as it is.
        return np.asarray(np.ceil(widths.max(axis=1) + (_GAP if cutoff is None else cutoff + 1.0)))

    def _in_boxes(self, frames: Frames) -> Frames:
        alone = np.logical_not(frames.pbc.any(axis=1))[:, None]
        boxes = self._edges(frames)[:, None, None] * np.eye(3)
        return Frames(
            frames.numbers,
            frames.positions,
            frames.counts,
            np.where(alone[:, None], boxes, frames.cell),
            frames.pbc | alone,
        )
