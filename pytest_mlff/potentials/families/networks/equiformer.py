"""Equiformer (Liao, Smidt, ICLR 2023), in the independent implementation equiformer-pytorch.

The authors' own code is on no package index. The energy head is ours: a linear map of each atom's
invariant features, summed over the atoms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from pytest_mlff.potentials.families.networks.batch import Batch


class _Attention(torch.nn.Module):
    periodic = False

    def __init__(self, network: Any, width: int) -> None:
        super().__init__()
        self.network = network
        self.head = torch.nn.Linear(width, 1)

    def forward(self, batch: Batch) -> torch.Tensor:
        # Frames lie side by side, filled up to the largest: atom k of its frame in column k.
        n_frames, longest = len(batch.counts), int(batch.counts.max())
        first = torch.cumsum(batch.counts, 0) - batch.counts
        column = torch.arange(len(batch.frame), device=first.device) - first[batch.frame]
        place = batch.frame * longest + column
        tokens = batch.types.new_zeros(n_frames * longest).index_copy(0, place, batch.types)
        there = torch.zeros_like(tokens, dtype=torch.bool).index_fill(0, place, True)
        # Atoms that fill up lie far away from all others and from each other.
        filler = torch.arange(n_frames * longest, device=first.device)
        spread = batch.positions.new_zeros((n_frames * longest, 3))
        spread[:, 0] = 1e3 * (1.0 + filler)
        positions = spread.index_copy(0, place, batch.positions)
        out = self.network(
            tokens.reshape(n_frames, longest),
            positions.reshape(n_frames, longest, 3),
            mask=there.reshape(n_frames, longest),
        )
        atoms = self.head(out.type0).reshape(-1)
        energy: torch.Tensor = torch.where(there, atoms, 0.0).reshape(n_frames, longest).sum(1)
        return energy


def equiformer(
    settings: Mapping[str, Any], species: tuple[int, ...], cutoff: float
) -> torch.nn.Module:
    """Build the graph attention transformer.

    Parameters
    ----------
    settings : mapping
        ``channels`` (one number a degree), ``blocks``, ``heads``, ``head_channels``, ``neighbours``
        (the most an atom attends to).
    species : tuple of int
        Atomic numbers.
    cutoff : float
        Å.
    """
    from equiformer_pytorch import Equiformer

    channels = tuple(settings["channels"])
    degrees = len(channels)
    network = Equiformer(
        num_tokens=len(species),
        dim=channels,
        dim_head=tuple(settings["head_channels"]),
        heads=settings["heads"],
        num_degrees=degrees,
        depth=settings["blocks"],
        num_neighbors=settings["neighbours"],
        valid_radius=cutoff,
        attend_self=True,
        l2_dist_attention=settings.get("l2_attention", False),
        reduce_dim_out=False,
    )
    return _Attention(network, channels[0])
