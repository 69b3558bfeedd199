"""Train a network of MACE, BOTNet, TorchMD-Net or Equiformer for a budget of processor time.

One plain loop for all of them, so that models differ and not their training: Adam (AMSGrad), a
learning rate that falls along half a cosine over the budget, averaged weights, and the mean squared
error of forces and of energies per atom. It is the `fit` of the recipes beside it and runs in the
interpreter that holds the family. An interrupted training goes on from `state.pt` in its folder.
"""

from __future__ import annotations

import json
import math
import os
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.potentials.families.neighbours import neighbour_list
from pytest_mlff.potentials.families.network_files import NetworkModel, save_network

SAVE_EVERY = 20.0  # seconds of processor time
NAMED = "model.pt"


def energies_of_atoms(frames: Frames, species: tuple[int, ...]) -> np.ndarray:
    """Energy of one atom of each species that fits the training energies best, in eV."""
    counts = np.stack(
        [
            np.bincount(frames.frame_of_atom[frames.numbers == z], minlength=len(frames))
            for z in species
        ],
        1,
    )
    return np.linalg.lstsq(counts.astype(float), frames.energy, rcond=None)[0]


def new_model(config: dict[str, Any], frames: Frames) -> NetworkModel:
    """An untrained model with scale and energies of atoms from the training frames."""
    species = tuple(int(z) for z in np.unique(frames.numbers))
    cutoff = float(config.get("cutoff", 5.0))
    settings = dict(config["settings"])
    edges = neighbour_list(frames.select(slice(0, 50)), cutoff)
    settings.setdefault("neighbours", edges.index.shape[1] / int(frames.counts[:50].sum()))
    scale = float(np.sqrt(np.mean(frames.forces**2)))
    return NetworkModel(
        config["family"],
        settings,
        species,
        cutoff,
        scale=scale,
        atomic_energies=energies_of_atoms(frames, species),
    )


def loss_of(model: NetworkModel, frames: Frames, weight: float, train: bool) -> torch.Tensor:
    """Squared errors in units of the model's scale."""
    energy, forces, _ = model.evaluate(frames, train=train)
    counts = torch.tensor(frames.counts)
    scale = float(model.scale)
    of_energy = ((energy - torch.tensor(frames.energy)) / counts / scale).square().mean()
    of_forces = ((forces - torch.tensor(frames.forces, dtype=forces.dtype)) / scale).square().mean()
    return weight * of_energy.to(of_forces.dtype) + of_forces


def train(
    config: dict[str, Any],
    frames: Frames,
    validation: Frames | None,
    out: Path,
    *,
    seed: int,
    budget: float,
) -> Path:
    """Train for ``budget`` seconds of processor time over all attempts; the path of the model."""
    torch.manual_seed(seed)
    out.mkdir(parents=True, exist_ok=True)
    model = new_model(config, frames)
    averaged = deepcopy(model)
    rate = float(config.get("learning_rate", 5e-3))
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, amsgrad=True)
    order = np.random.default_rng(seed)
    step, before, curve, waiting = 0, 0.0, [], []
    state = out / "state.pt"
    if state.is_file():
        kept = torch.load(state, weights_only=True)
        model.load_state_dict(kept["model"])
        averaged.load_state_dict(kept["averaged"])
        optimizer.load_state_dict(kept["optimizer"])
        step, before, curve = kept["step"], kept["seconds"], [tuple(one) for one in kept["curve"]]
        waiting = list(kept["waiting"])
        order.bit_generator.state = json.loads(kept["order"])
    started, saved = time.process_time(), 0.0
    batch, decay = int(config.get("batch", 5)), float(config.get("decay", 0.99))
    weight = float(config.get("energy_weight", 10.0))
    recent: list[float] = []
    while True:
        spent = before + time.process_time() - started
        share = spent / budget
        if share >= 1.0 or spent - saved > SAVE_EVERY:
            torch.save(
                {
                    "model": model.state_dict(),
                    "averaged": averaged.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "step": step,
                    "seconds": spent,
                    "curve": [list(one) for one in curve],
                    "waiting": [int(one) for one in waiting],
                    "order": json.dumps(order.bit_generator.state),
                },
                out / "state.tmp",
            )
            os.replace(out / "state.tmp", state)
            saved = spent
        if share >= 1.0:
            break
        for group in optimizer.param_groups:
            warm = min(1.0, (step + 1) / 20)
            group["lr"] = rate * warm * max(0.01, 0.5 * (1 + math.cos(math.pi * share)))
        if len(waiting) < batch:
            waiting = list(order.permutation(len(frames)))
        chosen, waiting = waiting[:batch], waiting[batch:]
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(model, frames.select(np.array(chosen)), weight, True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        with torch.no_grad():
            now = min(decay, (step + 1) / (step + 10))
            for mean, new in zip(averaged.parameters(), model.parameters(), strict=True):
                mean.lerp_(new, 1.0 - now)
        step += 1
        recent.append(float(loss.detach()))
        if step % 20 == 0:
            curve.append((step, sum(recent) / len(recent), None))
            recent.clear()
    averaged.eval()
    watched = None
    if validation is not None and len(validation):
        watched = float(loss_of(averaged, validation.select(slice(0, 50)), weight, False).detach())
    curve.append((step, curve[-1][1] if curve else None, watched))
    save_network(averaged, out / NAMED)
    note = {
        "family": config["family"],
        "parameters": sum(one.numel() for one in model.parameters()),
        "core_seconds": spent,
        "steps": step,
        "loss": curve,
    }
    (out / "training.json").write_text(json.dumps(note))
    return out / NAMED


def fit(fixture: Any, config: dict[str, Any], out_dir: Path) -> Path:
    """What a recipe calls: see docs/training.md."""
    torch.set_num_threads(fixture.threads)
    return train(
        dict(config),
        fixture.train,
        fixture.validation,
        Path(out_dir),
        seed=fixture.seed,
        budget=float(fixture.budget_seconds),
    )
