"""What a reading says, as a physicist would say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames


def amount(value: float, unit: str, digits: int = 3) -> str:
    """A number with its unit, ``12.3 eV/Å`` where meV would be thousands."""
    if unit.startswith("meV") and abs(value) >= 1000.0:
        value, unit = value / 1000.0, unit[1:]
    return f"{value:.{digits}g} {unit}"


def share(value: float, size: float) -> str:
    """What part of ``size`` a value is: ``0.4 % of``, or ``12 times``."""
    return f"{100.0 * value / size:.2g} % of" if value < size else f"{value / size:.2g} times"


def kind_of(frame: Frames) -> str:
    """``crystal`` or ``molecule``, and how many of several frames."""
    kind = "crystal" if frame.pbc.any() else "molecule"
    return kind if len(frame) == 1 else f"first {kind}"


def atom(frame: Frames, index: int) -> str:
    """An atom by its place, counted from 1, and element: ``atom 3 (C)``."""
    from ase.data import chemical_symbols

    return f"atom {index + 1} ({chemical_symbols[int(frame.numbers[index])]})"


def vector(values: NDArray[np.float64], unit: str = "") -> str:
    """Components in brackets, with the unit that they share."""
    told = ", ".join(f"{float(one):.6g}" for one in values)
    return f"({told}) {unit}".rstrip()


def axis_angle(matrix: NDArray[np.float64]) -> str:
    """A proper rotation as ``73° about (0.11, 0.53, 0.84)``."""
    angle = float(np.degrees(np.arccos(np.clip((np.trace(matrix) - 1.0) / 2.0, -1.0, 1.0))))
    # The axis is what the rotation leaves alone; its sense follows from the odd part.
    values, vectors = np.linalg.eig(matrix)
    axis = np.real(vectors[:, int(np.argmin(np.abs(values - 1.0)))])
    odd = np.array([matrix[2, 1], matrix[0, 2], matrix[1, 0]]) - np.array(
        [matrix[1, 2], matrix[2, 0], matrix[0, 1]]
    )
    if odd @ axis < 0:
        axis = -axis
    return f"{angle:.3g}° about ({', '.join(f'{one:.2f}' for one in axis)})"
