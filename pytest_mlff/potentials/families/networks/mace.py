"""MACE (Batatia et al., NeurIPS 2022) and BOTNet (Batatia et al., arXiv 2205.06643), by mace-torch.

BOTNet's classes are in mace-torch up to 0.3.12, where ``mace_run_train --model BOTNet`` fails for
want of an argument of its interaction block: here it is bound before the network is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from pytest_mlff.potentials.families.networks.batch import Batch


class _Mace(torch.nn.Module):
    """MACE, asked for energies alone."""

    periodic = True

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: Batch) -> torch.Tensor:
        data = {
            "positions": batch.positions,
            "node_attrs": _attributes(self.network, batch),
            "edge_index": batch.edges,
            "shifts": batch.shifts,
            "unit_shifts": torch.zeros_like(batch.shifts),
            "cell": batch.positions.new_zeros((3 * len(batch.counts), 3)),
            "batch": batch.frame,
            "ptr": torch.cat([batch.counts.new_zeros(1), torch.cumsum(batch.counts, 0)]),
            "head": torch.zeros_like(batch.counts),
        }
        energy: torch.Tensor = self.network(data, compute_force=False)["energy"]
        return energy


class _Botnet(torch.nn.Module):
    """The layers of BOTNet; its own ``forward`` always takes forces along."""

    periodic = True

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: Batch) -> torch.Tensor:
        layers = self.network
        centre, neighbour = batch.edges
        vectors = batch.positions[neighbour] - batch.positions[centre] + batch.shifts
        lengths = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
        attributes = _attributes(layers, batch)
        at_edge = {
            "edge_attrs": layers.spherical_harmonics(vectors),
            "edge_feats": layers.radial_embedding(
                lengths, attributes, batch.edges, layers.atomic_numbers
            ),
            "edge_index": batch.edges,
        }
        features = layers.node_embedding(attributes)
        energy = batch.positions.new_zeros(len(batch.counts))
        for interaction, readout in zip(layers.interactions, layers.readouts, strict=True):
            features = interaction(node_attrs=attributes, node_feats=features, **at_edge)
            energy = energy.index_add(0, batch.frame, readout(features).reshape(-1))
        return energy


def _attributes(network: Any, batch: Batch) -> torch.Tensor:
    n_types = len(network.atomic_numbers)
    return torch.nn.functional.one_hot(batch.types, n_types).to(batch.positions.dtype)


def _common(settings: Mapping[str, Any], species: tuple[int, ...], cutoff: float) -> dict[str, Any]:
    import numpy as np
    from e3nn import o3

    return {
        "r_max": cutoff,
        "num_bessel": settings.get("num_bessel", 8),
        "num_polynomial_cutoff": settings.get("polynomial_cutoff", 5),
        "max_ell": settings["max_ell"],
        "num_interactions": settings["interactions"],
        "num_elements": len(species),
        "hidden_irreps": o3.Irreps(settings["hidden_irreps"]),
        "MLP_irreps": o3.Irreps(settings.get("readout_irreps", "16x0e")),
        "atomic_energies": np.zeros(len(species)),
        "avg_num_neighbors": settings["neighbours"],
        "atomic_numbers": list(species),
        "gate": torch.nn.functional.silu,
    }


def mace(settings: Mapping[str, Any], species: tuple[int, ...], cutoff: float) -> torch.nn.Module:
    """Build MACE.

    Parameters
    ----------
    settings : mapping
        ``hidden_irreps``, ``max_ell``, ``interactions``, ``correlation``, ``neighbours`` (the mean
        number), and if wanted ``num_bessel``, ``polynomial_cutoff``, ``readout_irreps``.
    species : tuple of int
        Atomic numbers.
    cutoff : float
        Å.
    """
    from mace.modules import MACE, interaction_classes

    block = interaction_classes["RealAgnosticResidualInteractionBlock"]
    network = MACE(
        **_common(settings, species, cutoff),
        correlation=settings["correlation"],
        interaction_cls_first=interaction_classes["RealAgnosticInteractionBlock"],
        interaction_cls=block,
    )
    return _Mace(network)


def botnet(settings: Mapping[str, Any], species: tuple[int, ...], cutoff: float) -> torch.nn.Module:
    """Build BOTNet; parameters as of :func:`mace`, without ``correlation``."""
    from mace.modules import BOTNet, interaction_classes

    common = _common(settings, species, cutoff)
    block = interaction_classes["AgnosticResidualNonlinearInteractionBlock"]
    bound = partial(block, hidden_irreps=common["hidden_irreps"])
    network = BOTNet(**common, interaction_cls_first=bound, interaction_cls=bound)
    return _Botnet(network)
