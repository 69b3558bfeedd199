"""Labels that a file holds once more under a name of its own: no model may see them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames

_CLOSE: Final = 1e-4
"""Of a label's own spread: labels are written with so many digits; two methods differ by more."""
_FEW: Final = 3
"""Values that a line fits, whatever they are, are fewer."""


def without_repeated_labels(frames: Frames) -> Frames:
    """Frames without columns that say a label in whatever unit, sign or zero.

    Parameters
    ----------
    frames : Frames
        With labels and all that a file holds beside them.
    """
    energy, forces, stress = _labels(frames)

    def says(array: NDArray[Any], *labels: NDArray[np.float64]) -> bool:
        values = _numbers(array)
        return values is not None and any(_repeats(values, one) for one in labels)

    per_frame = {k: v for k, v in frames.per_frame.items() if not says(v, *energy, *stress)}
    per_atom = {k: v for k, v in frames.per_atom.items() if not says(v, *forces)}
    return replace(frames, per_frame=per_frame, per_atom=per_atom)


def _labels(frames: Frames) -> Iterator[list[NDArray[np.float64]]]:
    """What a column may repeat: energies; forces, whole or one component; stresses."""
    energy, forces, stress = frames.energy, frames.forces, frames.stress
    yield [] if energy is None else [energy, energy / frames.counts]
    yield [] if forces is None else [forces, *forces.T]
    if stress is None:
        yield []
    else:
        nine = stress.reshape(-1, 9)
        yield [nine, nine[:, [0, 4, 8, 5, 2, 1]]]


def _numbers(array: NDArray[Any]) -> NDArray[np.float64] | None:
    """Real numbers of a column, also written as text; whole numbers count, and measure nothing."""
    if array.dtype.kind not in "fU":
        return None
    try:
        return array.astype(np.float64).reshape(len(array), -1)
    except ValueError:
        return None


def _repeats(values: NDArray[np.float64], label: NDArray[np.float64]) -> bool:
    """Whether values are a factor times a label, of energies plus a constant."""
    wanted = label.reshape(len(label), -1)
    if wanted.shape != values.shape:
        return False
    there = np.isfinite(wanted) & np.isfinite(values)
    y, x = values[there], wanted[there]
    if not y.size:
        return False
    if label.ndim == 1 and y.size > _FEW:
        y, x = y - y.mean(), x - x.mean()
    elif y.size <= _FEW:
        return bool(np.allclose(y, x, rtol=_CLOSE, atol=0.0))
    size = float(x @ x)
    if not size or not y.any():
        return False
    off = y - (x @ y) / size * x
    return bool(off @ off <= _CLOSE**2 * (y @ y))
