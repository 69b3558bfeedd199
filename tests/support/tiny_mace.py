"""Make a tiny MACE with drawn weights; run by an interpreter that has mace-torch, with a path."""

# ruff: noqa: I001 - mace goes first: it lets e3nn read its constants.
from __future__ import annotations

import sys

import numpy as np
import torch
from mace import modules
from e3nn import o3


def main(path: str) -> None:
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    interaction = modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
    model = modules.MACE(
        r_max=4.0,
        num_bessel=4,
        num_polynomial_cutoff=5,
        max_ell=1,
        interaction_cls=interaction,
        interaction_cls_first=interaction,
        num_interactions=2,
        num_elements=4,
        hidden_irreps=o3.Irreps("4x0e"),
        MLP_irreps=o3.Irreps("4x0e"),
        gate=torch.nn.functional.silu,
        atomic_energies=np.zeros(4),
        avg_num_neighbors=8.0,
        atomic_numbers=[1, 6, 7, 8],
        correlation=1,
    )
    torch.save(model, path)


if __name__ == "__main__":
    main(sys.argv[1])
