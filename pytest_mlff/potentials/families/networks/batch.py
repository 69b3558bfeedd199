"""Frames as the tensors that a network reads.

A network is a ``torch.nn.Module`` that makes of a `Batch` the energies of its frames, shape
(n_frames,), apart from their scale and those of single atoms. Its attribute ``periodic`` says
whether it reads edges across the boundaries of a cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from pytest_mlff.potentials.families.neighbours import neighbour_list

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames


@dataclass(frozen=True)
class Batch:
    """Frames as tensors, atoms concatenated.

    Attributes
    ----------
    types : Tensor of int64, shape (n_total,)
        Place of each atom's species in the model's list.
    numbers : Tensor of int64, shape (n_total,)
        Atomic numbers.
    positions : Tensor, shape (n_total, 3)
        Å.
    frame : Tensor of int64, shape (n_total,)
        Frame of each atom.
    counts : Tensor of int64, shape (n_frames,)
        Atoms of each frame.
    edges : Tensor of int64, shape (2, n_edges)
        Centre and neighbour.
    shifts : Tensor, shape (n_edges, 3)
        Å, added to the neighbour's position.
    """

    types: torch.Tensor
    numbers: torch.Tensor
    positions: torch.Tensor
    frame: torch.Tensor
    counts: torch.Tensor
    edges: torch.Tensor
    shifts: torch.Tensor


def batch_of(
    frames: Frames,
    types: NDArray[np.int64],
    cutoff: float,
    device: str,
    dtype: torch.dtype,
) -> Batch:
    """Frames as tensors, edges up to ``cutoff`` in Å; ``types`` is an index by atomic number."""
    edges = neighbour_list(frames, cutoff)

    def tensor(array: NDArray[np.generic], kind: torch.dtype) -> torch.Tensor:
        # Never the frames' own memory: a model may write to its input.
        return torch.tensor(np.ascontiguousarray(array), dtype=kind, device=device)

    return Batch(
        types=tensor(types[frames.numbers], torch.int64),
        numbers=tensor(frames.numbers, torch.int64),
        positions=tensor(frames.positions, dtype),
        frame=tensor(frames.frame_of_atom, torch.int64),
        counts=tensor(frames.counts, torch.int64),
        edges=tensor(edges.index, torch.int64),
        shifts=tensor(edges.shifts(frames), dtype),
    )
