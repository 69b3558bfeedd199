"""Neighbour lists of whole batches.

An edge (i, j, S) stands for the vector ``positions[j] + S @ cell - positions[i]``
with a length below the cutoff; both directions are listed, an atom is its own
neighbour only through a cell boundary. Isolated molecules, the common case, are done
for all frames of equal size at once; the rest frame by frame in a compiled library.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_mlff.errors import needing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames

# All pairs cost n² per frame; beyond this a cell list is faster.
ALL_PAIRS_LIMIT: Final = 128
# Pairs held in memory at once: 2²¹ float64 are 16 MiB.
PAIRS_AT_ONCE: Final = 2**21


@dataclass(frozen=True, eq=False)
class Edges:
    """Directed edges of a batch.

    Attributes
    ----------
    index : ndarray of int64, shape (2, n_edges)
        Centre and neighbour, counted over all atoms of the batch.
    shift : ndarray of int64, shape (n_edges, 3), or None
        Cell vectors to add to the neighbour; None where all are zero.
    """

    index: NDArray[np.int64]
    shift: NDArray[np.int64] | None

    def shifts(self, frames: Frames) -> NDArray[np.float64]:
        """What is added to the neighbour's position, Å, shape (n_edges, 3)."""
        if self.shift is None:
            return np.zeros((self.index.shape[1], 3))
        cells = frames.cell[frames.frame_of_atom[self.index[0]]]
        return np.asarray(np.einsum("ek,ekx->ex", self.shift, cells))


def _all_pairs(
    positions: NDArray[np.float64], first_atom: NDArray[np.int64], cutoff: float
) -> NDArray[np.int64]:
    """Edges of isolated frames of equal size, positions of shape (n_frames, n_atoms, 3)."""
    n_frames, n_atoms, _ = positions.shape
    found = []
    chunk = max(1, PAIRS_AT_ONCE // (n_atoms * n_atoms))
    for start in range(0, n_frames, chunk):
        part = positions[start : start + chunk]
        squared: NDArray[np.float64] = np.zeros((len(part), n_atoms, n_atoms))
        for axis in range(3):
            one = np.ascontiguousarray(part[:, :, axis])
            difference = one[:, :, None] - one[:, None, :]
            difference *= difference
            squared += difference
        near = squared < cutoff * cutoff
        near[:, np.arange(n_atoms), np.arange(n_atoms)] = False
        flat = np.flatnonzero(near)
        frame_and_centre, neighbour = np.divmod(flat, n_atoms)
        frame, centre = np.divmod(frame_and_centre, n_atoms)
        offset = first_atom[start : start + chunk][frame]
        found.append(np.stack([centre + offset, neighbour + offset]))
    return np.concatenate(found, axis=1)


def _frame_edges(
    positions: NDArray[np.float64],
    cell: NDArray[np.float64],
    pbc: NDArray[np.bool_],
    cutoff: float,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    from ase.geometry import complete_cell

    if not pbc.any():
        # A given cell of a frame that is not periodic means nothing here.
        cell = np.zeros((3, 3))
    complete: Any = complete_cell  # ASE has no types here
    whole = np.asarray(complete(cell), dtype=np.float64)
    uniform = bool(pbc.all() or not pbc.any())
    try:
        if not uniform:
            raise ImportError("vesin takes all directions or none")
        from vesin import NeighborList
    except ImportError:
        with needing("a neighbour list", "matscipy", "nequip"):
            from matscipy.neighbours import neighbour_list as matscipy_list
        i, j, shift = matscipy_list("ijS", pbc=pbc, cell=whole, positions=positions, cutoff=cutoff)
    else:
        i, j, shift, length = NeighborList(cutoff=cutoff, full_list=True).compute(
            points=positions, box=whole, periodic=bool(pbc.all()), quantities="ijSd"
        )
        # vesin keeps a neighbour at exactly the cutoff, the others do not.
        inside = length < cutoff
        if not inside.all():
            i, j, shift = i[inside], j[inside], shift[inside]
    return i.astype(np.int64), j.astype(np.int64), shift.astype(np.int64)


def neighbour_list(frames: Frames, cutoff: float) -> Edges:
    """Neighbour list of all frames as one batch.

    Parameters
    ----------
    frames : Frames
        Any mixture of sizes and cells.
    cutoff : float
        Å; a neighbour is nearer than that.

    Returns
    -------
    Edges
        Unordered.

    Raises
    ------
    MissingExtraError
        If frames need a neighbour list library that is not installed.
    """
    counts, offsets = frames.counts, frames.offsets[:-1]
    isolated = ~frames.pbc.any(axis=1) & (counts <= ALL_PAIRS_LIMIT)
    parts: list[NDArray[np.int64]] = []
    for n_atoms in np.unique(counts[isolated]):
        chosen = np.flatnonzero(isolated & (counts == n_atoms))
        if n_atoms < 2:
            continue
        first = offsets[chosen]
        if len(chosen) == len(frames):
            positions = frames.positions.reshape(-1, n_atoms, 3)
        else:
            positions = frames.positions[first[:, None] + np.arange(n_atoms)]
        parts.append(_all_pairs(positions, first, cutoff))
    # Frames done at once have no shifts; they come first, so their zeros are one block.
    n_unshifted = sum(part.shape[1] for part in parts)
    shifts: list[NDArray[np.int64]] = [np.zeros((n_unshifted, 3), dtype=np.int64)]
    for frame in np.flatnonzero(~isolated):
        start, stop = frames.offsets[frame], frames.offsets[frame + 1]
        i, j, shift = _frame_edges(
            frames.positions[start:stop], frames.cell[frame], frames.pbc[frame], cutoff
        )
        parts.append(np.stack([i + start, j + start]))
        shifts.append(shift)
    index: NDArray[Any] = (
        np.concatenate(parts, axis=1) if parts else np.zeros((2, 0), dtype=np.int64)
    )
    return Edges(index, np.concatenate(shifts) if frames.pbc.any() else None)
