"""Whether forces point where they should: the mean cosine over atoms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_mlff.errors import NotSupportedError
from pytest_mlff.metrics.errors import ErrorMetric, per_frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames

SMALLEST: Final = 1e-3
"""eV/Å. Of a reference force below it the direction is noise, as on the sites of a crystal."""


@dataclass(frozen=True)
class _Cosine(ErrorMetric):
    """Mean over atoms of F̂·F / (|F̂| |F|); an atom that feels no predicted force counts 0."""

    @property
    def unit(self) -> str:
        """A cosine has none."""
        return "1"

    @property
    def larger_is_better(self) -> bool:
        """1 is right, -1 the opposite."""
        return True

    def parts(
        self,
        frames: Frames,
        reference: NDArray[np.float64],
        predicted: NDArray[np.float64],
        atoms: NDArray[np.bool_],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Sum of cosines and number of atoms with a direction, of each frame."""
        length = np.linalg.norm(reference, axis=1)
        counted = atoms & (length >= SMALLEST)
        if not counted.any():
            raise NotSupportedError(
                f"{self.name}: no reference force is as large as {1000 * SMALLEST:g} meV/Å, so "
                "none has a direction"
            )
        scale = length * np.linalg.norm(predicted, axis=1)
        cosine = np.zeros(len(scale))
        np.divide((reference * predicted).sum(axis=1), scale, out=cosine, where=scale > 0)
        return per_frame(frames, counted, cosine, 1.0)


force_cosine = _Cosine("force_cosine", "forces", 1)
