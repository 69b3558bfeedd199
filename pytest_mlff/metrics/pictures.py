"""What a measurement shows beside its value: curves, a short film, a moment.

Plain values without numpy, since they go into the report as they are; figures draw them.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from pytest_mlff.datasets.frames import Frames

FILM_STEP_ANGSTROM: Final = 0.001
"""Positions of a film are whole numbers of these."""
_FILM_FRAMES: Final = 200
_FILM_BYTES: Final = 36_000
_DIGITS: Final = 5

Role = Literal["model", "reference", "floor", "points"]


@dataclass(frozen=True)
class Curve:
    """A curve, a band or a cloud of points.

    Attributes
    ----------
    role : {"model", "reference", "floor", "points"}
        Of the model, of the reference, the band of what the reference cannot tell apart, or
        single points of the model.
    x, y : tuple of float
    low, high : tuple of float
        Band around the curve; empty without one.
    """

    role: Role
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True)
class Picture:
    """Curves that share their axes.

    Attributes
    ----------
    kind : str
        Which figure it is a part of, e.g. ``rdf`` or ``survival``.
    curves : tuple of Curve
    part : str
        What it is of, where a case has several of a kind.
    level : float or None
        A straight line to compare with, e.g. the thermostat's temperature.
    note : str
        One sentence with the figures that are read off it.
    """

    kind: str
    curves: tuple[Curve, ...]
    part: str = ""
    level: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Film:
    """Frames of one replica, to be played.

    Attributes
    ----------
    symbols : tuple of str
    positions : str
        Whole numbers of `FILM_STEP_ANGSTROM`, int16 and little-endian, frame after frame, atom
        after atom, x, y, z; in base64.
    time_ps : tuple of float
        Of the frames.
    cell : tuple of tuple of float or None
        Å; None without one.
    note : str
        Which replica it is, and how it ends.
    """

    symbols: tuple[str, ...]
    positions: str
    time_ps: tuple[float, ...]
    cell: tuple[tuple[float, ...], ...] | None
    note: str


@dataclass(frozen=True)
class Shown:
    """All that one measurement shows.

    Attributes
    ----------
    pictures : tuple of Picture
    film : Film or None
    moment : (Frames, str) or None
        One frame worth a look, and what is wrong there.
    """

    pictures: tuple[Picture, ...] = ()
    film: Film | None = None
    moment: tuple[Frames, str] | None = field(default=None, compare=False)


def curve(
    role: Role, x: ArrayLike, y: ArrayLike, low: ArrayLike = (), high: ArrayLike = ()
) -> Curve:
    """A curve of arrays, rounded to what an eye sees; what is not finite is left out."""
    import numpy as np

    columns = [np.asarray(one, dtype=np.float64) for one in (x, y, low, high)]
    kept = np.all([np.isfinite(one) for one in columns if len(one)], axis=0)
    cut = [one[kept] if len(one) else one for one in columns]
    return Curve(role, *(tuple(map(_rounded, one.tolist())) for one in cut))


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def film_of(
    numbers: NDArray[np.int64],
    positions: NDArray[Any],
    time_ps: NDArray[np.float64],
    cell: NDArray[np.float64] | None,
    note: str,
) -> Film:
    """A film of bounded size: at most 200 frames and 36 kB, evenly spaced, the last one kept.

    Parameters
    ----------
    numbers : ndarray, shape (n_atoms,)
        Atomic numbers.
    positions : ndarray, shape (n_frames, n_atoms, 3)
        Å, finite.
    time_ps : ndarray, shape (n_frames,)
    cell : ndarray, shape (3, 3), or None
    note : str
    """
    import numpy as np
    from ase.data import chemical_symbols

    most = max(2, min(_FILM_FRAMES, _FILM_BYTES // (6 * len(numbers))))
    count = len(time_ps)
    chosen = np.linspace(0, count - 1, min(count, most)).round().astype(int)
    middle = np.zeros(3) if cell is not None else positions[0].mean(axis=0)
    steps = (positions[chosen] - middle) / FILM_STEP_ANGSTROM
    # Whatever flies farther than 32 Å stops at the edge of the picture.
    packed = np.clip(np.round(steps), -32767, 32767).astype("<i2").tobytes()
    return Film(
        symbols=tuple(chemical_symbols[number] for number in numbers),
        positions=base64.b64encode(packed).decode("ascii"),
        time_ps=tuple(map(_rounded, time_ps[chosen].tolist())),
        cell=None if cell is None else tuple(tuple(map(_rounded, row)) for row in cell.tolist()),
        note=note,
    )
