"""Losses that a NequIP configuration names (``training_module.loss._target_``).

NequIP itself is left as it is: its losses may hold metrics that see whole batches, and these
read the weights of frames from the data, or differentiate the forces once more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import torch
from nequip.data import AtomicDataDict, PerAtomModifier, register_fields
from nequip.train import MeanSquaredError, MetricsManager
from torchmetrics import Metric

from pytest_mlff.errors import MlffError
from pytest_mlff.training.losses import K_B, score_matching_loss

FRAME_WEIGHT: Final = "frame_weight"
"""Key of the weights in the data; a name that NequIP has to know before it reads any."""

register_fields(graph_fields=[FRAME_WEIGHT])


def mean_force_error(
    forces: torch.Tensor, labels: torch.Tensor, batch: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Mean over frames of w_i times the mean square error of a frame's force components.

    Parameters
    ----------
    forces, labels : Tensor, shape (n_atoms of all frames, 3)
        eV/Å.
    batch : Tensor of int, shape (n_atoms of all frames,)
        Frame of each atom.
    weights : Tensor, shape (n_frames,)
        Of mean one over the data set.
    """
    squares = (forces - labels).square().mean(dim=1)
    sums = torch.zeros_like(weights).index_add(0, batch, squares)
    atoms = torch.zeros_like(weights).index_add(0, batch, torch.ones_like(squares))
    return (weights * sums / atoms).mean()


def divergence(
    forces: torch.Tensor, positions: torch.Tensor, batch: torch.Tensor, probes: int
) -> torch.Tensor:
    """Trace of ∂F/∂R, summed over all frames of a batch, differentiable.

    Parameters
    ----------
    forces : Tensor, shape (n_atoms of all frames, 3)
        With a graph that leads to the positions.
    positions : Tensor
        Of the same shape.
    batch : Tensor of int, shape (n_atoms of all frames,)
        Frame of each atom; frame after frame.
    probes : int
        Random vectors of Hutchinson's estimate v · ∇(F · v), v of independent signs
        (Hutchinson, Commun. Stat. Simul. Comput. 1989, 18, 1059); 0 for the exact trace, which
        costs one backward pass for each component of the largest frame.
    """
    total = forces.new_zeros(())
    if probes > 0:
        for _ in range(probes):
            signs = torch.randint_like(forces, 2) * 2 - 1
            total = total + (signs * _gradient(forces, positions, signs)).sum()
        return total / probes
    counts = torch.bincount(batch)
    first = torch.cumsum(counts, 0) - counts
    # Frames do not interact, so one vector may probe an atom of each at once.
    place = torch.arange(len(batch), device=batch.device) - first[batch]
    for atom in range(int(counts.max())):
        for axis in range(3):
            signs = torch.zeros_like(forces)
            signs[place == atom, axis] = 1.0
            total = total + (signs * _gradient(forces, positions, signs)).sum()
    return total


def _gradient(forces: torch.Tensor, positions: torch.Tensor, signs: torch.Tensor) -> torch.Tensor:
    # Metrics sum up without gradients, too, over the graph that the model has left.
    wanted = torch.is_grad_enabled()
    with torch.enable_grad():
        (found,) = torch.autograd.grad(
            (forces * signs).sum(), positions, create_graph=wanted, retain_graph=True
        )
    return found


class _Mean(Metric):
    """Mean of a number over batches, each as heavy as it has frames."""

    full_state_update = False
    is_differentiable = True
    total: torch.Tensor
    frames: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros(()), dist_reduce_fx="sum")
        self.add_state("frames", torch.zeros(()), dist_reduce_fx="sum")

    def _add(self, value: torch.Tensor, frames: int) -> None:
        self.total = self.total + value * frames
        self.frames = self.frames + frames

    def compute(self) -> torch.Tensor:
        """The mean over all batches."""
        return self.total / self.frames


class _WeightedForces(_Mean):
    def update(self, preds: Mapping[str, torch.Tensor], target: Mapping[str, torch.Tensor]) -> None:
        if FRAME_WEIGHT not in target:
            raise MlffError(f"the data carry no {FRAME_WEIGHT}; a loss with weights needs them")
        weights = target[FRAME_WEIGHT].reshape(-1).to(preds[AtomicDataDict.FORCE_KEY].dtype)
        forces, batch = preds[AtomicDataDict.FORCE_KEY], _batch(preds)
        labels = target[AtomicDataDict.FORCE_KEY]
        self._add(mean_force_error(forces, labels, batch, weights), len(weights))

    def __str__(self) -> str:
        return "weighted_mse"


class _ScoreMatching(_Mean):
    def __init__(self, temperature: float, probes: int) -> None:
        super().__init__()
        self.kT, self.probes = K_B * temperature, probes

    def update(self, preds: Mapping[str, torch.Tensor], _target: object) -> None:
        forces, batch = preds[AtomicDataDict.FORCE_KEY], _batch(preds)
        trace = divergence(forces, preds[AtomicDataDict.POSITIONS_KEY], batch, self.probes)
        whole = score_matching_loss(forces[None], trace[None], self.kT)
        self._add(whole / len(forces), int(batch.max()) + 1)

    def __str__(self) -> str:
        return "score_matching"


def _batch(data: Mapping[str, torch.Tensor]) -> torch.Tensor:
    forces = data[AtomicDataDict.FORCE_KEY]
    one_frame = torch.zeros(len(forces), dtype=torch.long, device=forces.device)
    found: torch.Tensor = data.get(AtomicDataDict.BATCH_KEY, one_frame)
    return found


def BiasAwareLoss(  # noqa: N802 - in a configuration it stands where NequIP's classes stand
    coeffs: Mapping[str, float] | None = None,
    per_atom_energy: bool = True,
    type_names: Sequence[str] | None = None,
) -> Any:
    """NequIP's energy and force loss with weights on the forces of each frame.

    Energies are unweighted, as in Bukharin et al., ASTEROID, arXiv 2306.03109.

    Parameters
    ----------
    coeffs : mapping of str to float, optional
        Of ``total_energy`` and ``forces``; 1 each.
    per_atom_energy : bool
        Whether energies are compared per atom.
    type_names : sequence of str, optional
        Told by NequIP.
    """
    told = {"total_energy": 1.0, "forces": 1.0, **(coeffs or {})}
    energy = AtomicDataDict.TOTAL_ENERGY_KEY
    return MetricsManager(
        [
            {
                "name": "per_atom_energy_mse" if per_atom_energy else "total_energy_mse",
                "field": PerAtomModifier(energy) if per_atom_energy else energy,
                "metric": MeanSquaredError(),
                "coeff": told["total_energy"],
            },
            {
                "name": "weighted_forces_mse",
                "metric": _WeightedForces(),
                "coeff": told["forces"],
            },
        ],
        type_names=type_names,
    )


def ScoreMatchingLoss(  # noqa: N802
    temperature: float, probes: int = 1, type_names: Sequence[str] | None = None
) -> Any:
    """Score matching per atom, ½|F|² + k_BT · tr ∂F/∂R in (eV/Å)²: a loss without labels.

    Parameters
    ----------
    temperature : float
        Of the trajectory that the frames are from, in K.
    probes : int
        Random vectors of each estimate of the trace; 0 for the exact one.
    type_names : sequence of str, optional
        Told by NequIP.
    """
    one = {"name": "score_matching", "metric": _ScoreMatching(temperature, probes), "coeff": 1.0}
    return MetricsManager([one], type_names=type_names)
