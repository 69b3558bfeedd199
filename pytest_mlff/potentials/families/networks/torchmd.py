"""TorchMD-Net's equivariant transformer (Thölke, De Fabritiis, ICLR 2022), by torchmd-net."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from pytest_mlff.potentials.families.networks.batch import Batch


class _Transformer(torch.nn.Module):
    # The paper's models know no cells; torchmd-net takes boxes of at least two cutoffs alone.
    periodic = False

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: Batch) -> torch.Tensor:
        energy, _ = self.network(batch.numbers, batch.positions, batch.frame)
        squeezed: torch.Tensor = energy.reshape(-1)
        return squeezed


def torchmd(
    settings: Mapping[str, Any], species: tuple[int, ...], cutoff: float
) -> torch.nn.Module:
    """Build the transformer.

    Parameters
    ----------
    settings : mapping
        ``channels``, ``layers``, ``heads``, ``radial`` (basis functions).
    species : tuple of int
        Atomic numbers.
    cutoff : float
        Å.
    """
    from torchmdnet.models.model import create_model

    arguments = {
        "model": "equivariant-transformer",
        "embedding_dimension": settings["channels"],
        "num_layers": settings["layers"],
        "num_heads": settings["heads"],
        "num_rbf": settings["radial"],
        "rbf_type": "expnorm",
        "trainable_rbf": False,
        "activation": "silu",
        "attn_activation": "silu",
        "distance_influence": "both",
        "neighbor_embedding": True,
        "cutoff_lower": 0.0,
        "cutoff_upper": cutoff,
        "max_z": max(species) + 1,
        "max_num_neighbors": 128,
        "aggr": "add",
        "output_model": "Scalar",
        "reduce_op": "add",
        "derivative": False,
        "prior_model": None,
        "precision": 32,
        "atom_filter": -1,
    }
    return _Transformer(create_model(arguments))
