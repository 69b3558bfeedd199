"""Radial distribution g(r) and distribution of distances h(r), of all atoms and by element pair.

* In a cell, g(r) comes from freud (Ramasubramani et al., Comput. Phys. Commun. 2020, 254,
  107275): 1 for an ideal gas, pairs of an atom with itself left out.
* A molecule has no density. Its g(r) counts pairs against pairs spread evenly over a sphere
  of radius r_max; any other choice is a factor, which drops out of the Wright factor and of
  the divergence.
* h(r) is the density of a pair's distance, 1/Å, over *all* pairs: what is farther than r_max
  is missing from its integral.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_mlff.errors import MissingExtraError, MlffError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames

ALL_PAIRS: Final = "all"
"""Name of the curves over all pairs of atoms."""
BIN_ANGSTROM: Final = 0.05
"""Width of a bin, as in EGraFFBench's code."""
_FARTHEST: Final = 10.0


@dataclass(frozen=True, eq=False)
class Radial:
    """Curves over distance.

    Attributes
    ----------
    r : ndarray, shape (n_bins,)
        Middles of the bins, Å.
    g, h : mapping of str to ndarray, shape (n_bins,)
        By element pair (``C-H``, symbols in alphabetical order) and ``all``.
    n_frames : int
        Frames behind them.
    """

    r: NDArray[np.float64]
    g: Mapping[str, NDArray[np.float64]]
    h: Mapping[str, NDArray[np.float64]]
    n_frames: int


def farthest(frames: Frames) -> float:
    """Largest distance that is looked at, Å: 10, or less in a small cell.

    In a cell (shortest height − 1) / 2, as in EGraFFBench's code for orthogonal cells, rounded
    down to whole bins.
    """
    if not frames.pbc.any():
        return _FARTHEST
    heights = 1.0 / np.linalg.norm(np.linalg.inv(frames.cell), axis=1)
    bins = math.floor((float(heights.min()) - 1.0) / 2.0 / BIN_ANGSTROM)
    if bins < 1:
        raise MlffError(f"a cell of {heights.min():.3g} Å is too small for a radial distribution")
    return min(_FARTHEST, bins * BIN_ANGSTROM)


def radial(frames: Frames, r_max: float | None = None) -> Radial:
    """Radial distributions over frames of one composition.

    Parameters
    ----------
    frames : Frames
        At least one; periodic in all directions or in none.
    r_max : float, optional
        Å; :func:`farthest` if left out.

    Raises
    ------
    MlffError
        If there are no frames, compositions differ, or frames are periodic in part.
    MissingExtraError
        If freud is needed and not installed.
    """
    _check(frames)
    edge = farthest(frames) if r_max is None else r_max
    bins = max(1, round(edge / BIN_ANGSTROM))
    edges = np.linspace(0.0, edge, bins + 1)
    n_atoms = int(frames.counts[0])
    numbers = frames.numbers[:n_atoms]
    count = _in_cells(frames, edge, bins) if frames.pbc.any() else _of_molecules(frames, edges)
    g, h = {}, {}
    for name, first, second in _pairs(numbers):
        g[name], h[name] = count(first, second)
    return Radial((edges[1:] + edges[:-1]) / 2.0, g, h, len(frames))


def _check(frames: Frames) -> None:
    if len(frames) == 0:
        raise MlffError("a radial distribution needs frames, and there are none")
    n_atoms = int(frames.counts[0])
    same = (frames.counts == n_atoms).all()
    if not same or (frames.numbers.reshape(-1, n_atoms) != frames.numbers[:n_atoms]).any():
        raise MlffError("a radial distribution needs frames of one composition")
    if n_atoms < 2:
        raise MlffError("a radial distribution needs at least two atoms")
    if (frames.pbc != frames.pbc.all()).any():
        raise MlffError("a radial distribution needs cells periodic in all directions or in none")


def _pairs(
    numbers: NDArray[np.int64],
) -> Iterator[tuple[str, NDArray[np.int64], NDArray[np.int64]]]:
    """Name and atoms of both sides; both sides are the same where the elements are."""
    from ase.data import chemical_symbols

    everything = np.arange(len(numbers))
    yield ALL_PAIRS, everything, everything
    symbols = np.array([chemical_symbols[z] for z in numbers])
    for one, other in itertools.combinations_with_replacement(sorted(set(symbols)), 2):
        first, second = np.flatnonzero(symbols == one), np.flatnonzero(symbols == other)
        if one != other or len(first) > 1:
            yield f"{one}-{other}", first, second


def _of_molecules(frames: Frames, edges: NDArray[np.float64]) -> Any:
    n_atoms = int(frames.counts[0])
    positions = frames.positions.reshape(-1, n_atoms, 3)
    shells = np.diff(edges**3) / edges[-1] ** 3

    def count(
        first: NDArray[np.int64], second: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if np.array_equal(first, second):
            one, other = (first[side] for side in np.triu_indices(len(first), 1))
        else:
            one, other = (side.ravel() for side in np.meshgrid(first, second))
        found = np.zeros(len(edges) - 1)
        for part in np.array_split(positions, max(1, len(positions) * len(one) // 2**20)):
            lengths = np.linalg.norm(part[:, one] - part[:, other], axis=2)
            found += np.histogram(lengths, edges)[0]
        share = found / (len(positions) * len(one))
        return share / shells, share / np.diff(edges)

    return count


def _in_cells(frames: Frames, edge: float, bins: int) -> Any:
    try:
        import freud
    except ImportError as error:
        raise MissingExtraError("g(r) in a cell", "freud", "simulation") from error

    n_atoms = int(frames.counts[0])
    systems = []
    for cell, positions in zip(frames.cell, frames.positions.reshape(-1, n_atoms, 3), strict=True):
        # freud wants the cell upright; the same metric makes it the same cell, turned or mirrored.
        upright = np.linalg.cholesky(cell @ cell.T)
        box = freud.box.Box.from_matrix(upright.T)
        fractions = positions @ np.linalg.inv(cell)
        # Points are wrapped about the origin, where freud has the middle of the box.
        systems.append((box, (fractions - np.round(fractions)) @ upright))

    def count(
        first: NDArray[np.int64], second: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        alike = np.array_equal(first, second)
        found = freud.density.RDF(
            bins, edge, normalization_mode="finite_size" if alike else "exact"
        )
        for box, points in systems:
            if alike:
                found.compute((box, points[first]), reset=False)
            else:
                found.compute((box, points[first]), query_points=points[second], reset=False)
        n_pairs = len(first) * (len(second) - alike)
        density = found.bin_counts / (len(systems) * n_pairs * edge / bins)
        return np.asarray(found.rdf, dtype=np.float64), np.asarray(density, dtype=np.float64)

    return count
