"""Train the demo model that ships with the package (``--mlff-model=demo``).

Run as ``python tools/train_demo.py OUT``. A small NequIP (Batzner et al.,
Nat. Commun. 2022, 13, 2453) is fitted to the earlier part of every embedded
trajectory; the last 10 % in time of each molecule is never seen.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER, EmbeddedTrajectory, read_trajectory
from pytest_mlff.datasets.generate import LEVEL
from pytest_mlff.datasets.molecules import MOLECULES

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DemoBudget", "atomic_shifts", "build_config", "main", "split", "train_demo"]

SPECIES = ("C", "H", "N", "O")
TRAIN_END, VALIDATION_END = 0.85, 0.90
CUTOFF = 4.5


@dataclass(frozen=True)
class DemoBudget:
    """How long the demo model trains.

    Attributes
    ----------
    epochs : int
        Passes over all training frames; the learning rate follows one cosine over them.
    batch_size : int
        Frames per optimizer step.
    learning_rate : float
        Peak learning rate of Adam.
    validation_frames : int
        Validation frames per molecule.
    frames : int or None
        Training frames per molecule, evenly spaced; None takes all.
    seed : int
        Seed of data order and weights.
    compiled : bool
        Train through ``torch.compile`` (needs a C++ compiler).
    """

    epochs: int = 70
    batch_size: int = 8
    learning_rate: float = 0.01
    validation_frames: int = 20
    frames: int | None = None
    seed: int = 2026
    compiled: bool = True


def split(n_frames: int, budget: DemoBudget) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Training and validation frames of one time-ordered trajectory.

    Returns
    -------
    train, validation : ndarray of int
        Indices below 85 % and between 85 % and 90 % of the trajectory.
    """
    train_end, validation_end = int(n_frames * TRAIN_END), int(n_frames * VALIDATION_END)
    count = min(budget.frames or train_end, train_end)
    train = np.linspace(0, train_end - 1, count).round().astype(np.int64)
    validation = np.linspace(
        train_end, validation_end - 1, min(budget.validation_frames, validation_end - train_end)
    )
    return train, validation.round().astype(np.int64)


def atomic_shifts(trajectories: list[EmbeddedTrajectory], budget: DemoBudget) -> dict[str, float]:
    """Energy per atom of each species by least squares over the training frames, in eV."""
    from ase.data import atomic_numbers

    rows, energies = [], []
    for trajectory in trajectories:
        counts = [int(np.sum(trajectory.numbers == atomic_numbers[s])) for s in SPECIES]
        train, _ = split(len(trajectory.positions), budget)
        rows.append(counts)
        energies.append(float(trajectory.labels[LEVEL].energy[train].mean()))
    solution, *_ = np.linalg.lstsq(np.array(rows, dtype=float), np.array(energies), rcond=None)
    return dict(zip(SPECIES, (float(value) for value in solution), strict=True))


def _write_frames(path: Path, trajectory: EmbeddedTrajectory, indices: NDArray[np.int64]) -> None:
    from ase import Atoms
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.io import write

    labels = trajectory.labels[LEVEL]
    images = []
    for index in indices:
        atoms = Atoms(trajectory.numbers, trajectory.positions[index].astype(np.float64))
        atoms.calc = SinglePointCalculator(
            atoms,
            energy=float(labels.energy[index]),
            forces=labels.forces[index].astype(np.float64),
        )
        images.append(atoms)
    write(path, images, format="extxyz", append=True)


def build_config(
    work: Path, shifts: dict[str, float], force_rms: float, steps: int, budget: DemoBudget
) -> dict[str, Any]:
    """NequIP's own (Hydra) configuration of the demo model.

    Parameters
    ----------
    work : Path
        Folder with ``train.xyz`` and ``validation.xyz``.
    shifts : dict
        Energy per atom of each species in eV.
    force_rms : float
        Root mean square of the training forces in eV/Å, the energy scale.
    steps : int
        Optimizer steps over which the learning rate falls.
    budget : DemoBudget
        Length and order of the training.
    """
    monitor = "val0_epoch/weighted_sum"
    loss = {
        "_target_": "nequip.train.EnergyForceLoss",
        "per_atom_energy": True,
        "coeffs": {"total_energy": 1.0, "forces": 1.0},
    }
    metrics = {
        "_target_": "nequip.train.EnergyForceMetrics",
        "coeffs": {"per_atom_energy_mae": 1.0, "forces_mae": 1.0},
    }
    return {
        "run": ["train"],
        "cutoff_radius": CUTOFF,
        "data": {
            "_target_": "nequip.data.datamodule.ASEDataModule",
            "seed": budget.seed,
            "train_file_path": str(work / "train.xyz"),
            "val_file_path": str(work / "validation.xyz"),
            "transforms": [
                {
                    "_target_": "nequip.data.transforms.ChemicalSpeciesToAtomTypeMapper",
                    "model_type_names": list(SPECIES),
                },
                {
                    "_target_": "nequip.data.transforms.NeighborListTransform",
                    "r_max": "${cutoff_radius}",
                },
            ],
            "train_dataloader": {
                "_target_": "torch.utils.data.DataLoader",
                "batch_size": budget.batch_size,
                "shuffle": True,
            },
            "val_dataloader": {"_target_": "torch.utils.data.DataLoader", "batch_size": 20},
        },
        "trainer": {
            "_target_": "lightning.Trainer",
            "accelerator": "cpu",
            "devices": 1,
            "max_epochs": budget.epochs,
            "check_val_every_n_epoch": 1,
            "log_every_n_steps": 200,
            "enable_progress_bar": False,
            "default_root_dir": str(work),
            "logger": {
                "_target_": "lightning.pytorch.loggers.CSVLogger",
                "save_dir": str(work),
                "name": "log",
            },
            "callbacks": [
                {
                    "_target_": "lightning.pytorch.callbacks.ModelCheckpoint",
                    "dirpath": str(work),
                    "monitor": monitor,
                    "filename": "best",
                    "save_last": True,
                }
            ],
        },
        "training_module": {
            "_target_": "nequip.train.EMALightningModule",
            "ema_decay": 0.998,
            "loss": loss,
            "val_metrics": metrics,
            "optimizer": {"_target_": "torch.optim.Adam", "lr": budget.learning_rate},
            "lr_scheduler": {
                "scheduler": {
                    "_target_": "torch.optim.lr_scheduler.OneCycleLR",
                    "max_lr": budget.learning_rate,
                    "total_steps": steps,
                    "pct_start": 0.05,
                    "div_factor": 10.0,
                    "final_div_factor": 100.0,
                },
                "interval": "step",
                "frequency": 1,
            },
            "model": {
                "_target_": "nequip.model.NequIPGNNModel",
                "seed": budget.seed,
                "model_dtype": "float32",
                "compile_mode": "compile" if budget.compiled else "eager",
                "type_names": list(SPECIES),
                "r_max": "${cutoff_radius}",
                "num_layers": 2,
                "l_max": 2,
                "parity": False,
                "num_features": [48, 32, 16],
                "type_embed_num_features": 16,
                "radial_mlp_depth": 1,
                "radial_mlp_width": 64,
                "num_bessels": 8,
                "polynomial_cutoff_p": 6,
                "avg_num_neighbors": 12.0,
                "per_type_energy_shifts": shifts,
                "per_type_energy_scales": force_rms,
            },
        },
        "global_options": {"allow_tf32": False},
        "hydra": {
            "run": {"dir": str(work)},
            "output_subdir": None,
            "job": {"chdir": False},
        },
    }


def train_demo(out: Path, budget: DemoBudget) -> Path:
    """Train and package the demo model.

    Parameters
    ----------
    out : Path
        Work folder; ``demo.nequip.zip`` is written there. An interrupted training
        goes on from ``last.ckpt``.
    budget : DemoBudget
        Length of the training.

    Returns
    -------
    Path
        The packaged model.
    """
    import yaml

    out = out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    trajectories = [read_trajectory(EMBEDDED_FOLDER / f"{m.name}.npz") for m in MOLECULES]
    for name in ("train.xyz", "validation.xyz"):
        (out / name).unlink(missing_ok=True)
    n_train, squares, components = 0, 0.0, 0
    for trajectory in trajectories:
        train, validation = split(len(trajectory.positions), budget)
        _write_frames(out / "train.xyz", trajectory, train)
        _write_frames(out / "validation.xyz", trajectory, validation)
        forces = trajectory.labels[LEVEL].forces[train].astype(np.float64)
        n_train += len(train)
        squares += float(np.sum(forces**2))
        components += forces.size
    steps = -(-n_train // budget.batch_size) * budget.epochs
    config = build_config(
        out,
        atomic_shifts(trajectories, budget),
        float(np.sqrt(squares / components)),
        steps,
        budget,
    )
    (out / "demo.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    scripts = Path(sys.executable).parent
    command = [str(scripts / "nequip-train"), "-cp", str(out), "-cn", "demo.yaml"]
    last = out / "last.ckpt"
    if last.exists():
        command.append(f"++ckpt_path='{last}'")
    subprocess.run(command, check=True)
    package = out / "demo.nequip.zip"
    package.unlink(missing_ok=True)
    subprocess.run(
        [str(scripts / "nequip-package"), "build", str(out / "best.ckpt"), str(package)],
        check=True,
    )
    return package


def main(arguments: list[str] | None = None) -> int:
    """Command line: ``python tools/train_demo.py OUT [--epochs N …]``."""
    defaults = DemoBudget()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--epochs", type=int, default=defaults.epochs)
    parser.add_argument("--batch-size", type=int, default=defaults.batch_size)
    parser.add_argument("--learning-rate", type=float, default=defaults.learning_rate)
    parser.add_argument("--frames", type=int, default=defaults.frames)
    parser.add_argument("--eager", action="store_true", help="train without a C++ compiler")
    parser.add_argument("--install", action="store_true", help="copy into the package")
    options = parser.parse_args(arguments)
    budget = DemoBudget(
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        frames=options.frames,
        compiled=not options.eager,
    )
    package = train_demo(options.out, budget)
    if options.install:
        target = EMBEDDED_FOLDER.parents[1] / "potentials" / "demo_model"
        target.mkdir(exist_ok=True)
        shutil.copy(package, target / "demo.nequip.zip")
    print(json.dumps({"package": str(package), "bytes": package.stat().st_size}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
