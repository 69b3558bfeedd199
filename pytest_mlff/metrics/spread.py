"""Predictions against references on fixed grids: counts of many test sets add up exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_mlff.units import in_report_units

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.potentials.protocol import Prediction

HALF: Final = 32
"""Cells from nought to the end of a parity grid."""
PER_DECADE: Final = 4
"""Cells a decade of errors and of sizes."""
_SMALLEST: Final = 1e-6
"""Smaller errors and sizes count as this."""


def counted(
    quantity: str, frames: Frames, prediction: Prediction, species: str | None = None
) -> dict[str, Any] | None:
    """Count predictions against references, and errors against sizes.

    Parameters
    ----------
    quantity : {"energy", "forces"}
        Energies count per atom, from the mean reference of their composition; of forces each
        component counts in the parity grid, and each atom by the norms of its error and of its
        reference force.
    frames : Frames
        With reference labels; those without, or with a prediction that is not finite, are left out.
    prediction : Prediction
        What the model says of them.
    species : str, optional
        Chemical symbol, for forces.

    Returns
    -------
    dict or None
        ``reach`` (the parity grid ends at ± 2 to this power, meV/atom or meV/Å) and ``parity`` and
        ``sizes``: column, row and count of each cell that is not empty. None where nothing counts.
    """
    reference, predicted = getattr(frames, quantity), getattr(prediction, quantity)
    if reference is None or np.shape(predicted) != reference.shape:
        return None
    factor = in_report_units(quantity)
    reference, predicted = factor * reference, factor * np.asarray(predicted, dtype=np.float64)
    if quantity == "energy":
        reference, predicted = _per_atom(frames, reference, predicted)
    elif species is not None:
        from ase.data import atomic_numbers

        chosen = frames.numbers == atomic_numbers.get(species, -1)
        reference, predicted = reference[chosen], predicted[chosen]
    finite = np.isfinite(reference) & np.isfinite(predicted)
    kept = finite if finite.ndim == 1 else finite.all(axis=1)
    reference, predicted = reference[kept], predicted[kept]
    if not reference.size:
        return None
    largest = max(float(np.abs(reference).max()), float(np.abs(predicted).max()), _SMALLEST)
    reach = int(np.frexp(largest)[1])
    cells = [
        np.floor(np.ldexp(values.ravel() * HALF, -reach)).astype(int) + HALF
        for values in (reference, predicted)
    ]
    error, size = np.abs(predicted - reference), np.ones(len(reference))
    if quantity == "forces":
        error, size = (
            np.linalg.norm(predicted - reference, axis=1),
            np.linalg.norm(reference, axis=1),
        )
    return {
        "reach": reach,
        "parity": _sparse(*cells),
        "sizes": _sparse(_decades(size), _decades(error)),
    }


def _per_atom(
    frames: Frames, reference: NDArray[np.float64], predicted: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Energies per atom, both from the mean reference of frames of the same composition."""
    counts = frames.counts
    reference, predicted = reference / counts, predicted / counts
    offsets = frames.offsets
    formulas: dict[bytes, list[int]] = {}
    for index in np.flatnonzero(np.isfinite(reference)):
        numbers = frames.numbers[offsets[index] : offsets[index + 1]]
        formulas.setdefault(np.sort(numbers).tobytes(), []).append(int(index))
    for members in formulas.values():
        mean = reference[members].mean()
        reference[members] -= mean
        predicted[members] -= mean
    return reference, predicted


def _decades(values: NDArray[np.float64]) -> NDArray[np.int64]:
    found = np.floor(PER_DECADE * np.log10(np.maximum(values, _SMALLEST)))
    return np.asarray(found, dtype=np.int64)


def _sparse(columns: NDArray[np.int64], rows: NDArray[np.int64]) -> list[list[int]]:
    # As one number each: to sort pairs takes ten times as long.
    low, width = int(rows.min()), int(np.ptp(rows)) + 1
    found, counts = np.unique(columns * width + (rows - low), return_counts=True)
    return [
        [int(one) // width, int(one) % width + low, int(count)]
        for one, count in zip(found, counts, strict=True)
    ]
