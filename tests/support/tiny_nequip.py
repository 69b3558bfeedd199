"""Train a tiny NequIP model on a few embedded frames: real files for tests, in seconds.

The model is deliberately poor: tests ask whether files are read and evaluated as
the library itself reads and evaluates them, not whether the physics is good.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER, read_trajectory
from pytest_mlff.datasets.frames import Frames
from pytest_mlff.potentials.source import RECIPE_FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pytest

__all__ = [
    "TinyNequip",
    "compile_model",
    "embedded_frames",
    "once_for_all_workers",
    "package",
    "small_recipe",
    "tiny_checkpoint",
    "train",
    "training_config",
]

TYPE_NAMES = ("C", "H", "O")
LEVEL = "gfn2-xtb"


@dataclass(frozen=True)
class TinyNequip:
    """Files of one tiny model: a Lightning checkpoint and the package made of it."""

    checkpoint: Path
    package: Path
    type_names: tuple[str, ...]
    cutoff: float


def embedded_frames(molecule: str, count: int, *, start: int = 0) -> Frames:
    """``count`` frames of an embedded molecule with their labels, evenly spread from ``start``."""
    trajectory = read_trajectory(EMBEDDED_FOLDER / f"{molecule}.npz")
    labels = trajectory.labels[LEVEL]
    step = max(1, (len(trajectory.positions) - start) // count)
    chosen = slice(start, start + step * count, step)
    return Frames.of_one_molecule(
        trajectory.numbers,
        trajectory.positions[chosen],
        energy=labels.energy[chosen],
        forces=labels.forces[chosen],
    )


def training_config(
    data_file: Path,
    *,
    type_names: Sequence[str] = TYPE_NAMES,
    cutoff: float = 4.0,
    layers: int = 2,
    l_max: int = 1,
    features: int = 8,
    n_train: int = 50,
    n_validation: int = 10,
    epochs: int = 2,
    dtype: str = "float32",
    seed: int = 1,
) -> dict[str, Any]:
    """A complete ``nequip-train`` configuration for the frames in ``data_file`` (extxyz)."""
    names = list(type_names)
    metrics = {
        "_target_": "nequip.train.EnergyForceMetrics",
        "coeffs": {"per_atom_energy_mae": 1.0, "forces_mae": 1.0},
    }
    return {
        "run": ["train"],
        "data": {
            "_target_": "nequip.data.datamodule.ASEDataModule",
            "seed": seed,
            "split_dataset": {
                "file_path": str(data_file),
                "train": n_train,
                "val": n_validation,
            },
            "transforms": [
                {
                    "_target_": "nequip.data.transforms.ChemicalSpeciesToAtomTypeMapper",
                    "model_type_names": names,
                },
                {"_target_": "nequip.data.transforms.NeighborListTransform", "r_max": cutoff},
            ],
            "train_dataloader": {"_target_": "torch.utils.data.DataLoader", "batch_size": 10},
            "val_dataloader": {"_target_": "torch.utils.data.DataLoader", "batch_size": 10},
            "stats_manager": {
                "_target_": "nequip.data.CommonDataStatisticsManager",
                "type_names": names,
            },
        },
        "trainer": {
            "_target_": "lightning.Trainer",
            "accelerator": "cpu",
            "max_epochs": epochs,
            "enable_checkpointing": True,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "logger": False,
            "callbacks": [
                {
                    "_target_": "lightning.pytorch.callbacks.ModelCheckpoint",
                    "dirpath": "checkpoints",
                    "save_last": True,
                    "filename": "best",
                }
            ],
        },
        "training_module": {
            "_target_": "nequip.train.EMALightningModule",
            # A slow average keeps the averaged weights far from the raw ones, so that a
            # reader that takes the wrong ones is found out.
            "ema_decay": 0.9,
            "loss": {
                "_target_": "nequip.train.EnergyForceLoss",
                "per_atom_energy": True,
                "coeffs": {"total_energy": 1.0, "forces": 1.0},
            },
            "val_metrics": metrics,
            "optimizer": {"_target_": "torch.optim.Adam", "lr": 0.01},
            "model": {
                "_target_": "nequip.model.NequIPGNNModel",
                "seed": seed,
                "model_dtype": dtype,
                "type_names": names,
                "r_max": cutoff,
                "num_layers": layers,
                "l_max": l_max,
                "parity": False,
                "num_features": features,
                "radial_mlp_depth": 1,
                "radial_mlp_width": 16,
                "avg_num_neighbors": "${training_data_stats:num_neighbors_mean}",
                "per_type_energy_scales": "${training_data_stats:forces_rms}",
                "per_type_energy_shifts": "${training_data_stats:per_atom_energy_mean}",
            },
        },
        "global_options": {"allow_tf32": False},
    }


def small_recipe(steps: int = 12, **changes: str) -> str:
    """The shipped recipe, smaller; ``changes`` are further replacements, old text to new."""
    text = (RECIPE_FOLDER / "nequip_small.yaml").read_text(encoding="utf-8")
    settings = {
        "max_steps: 800": f"max_steps: {steps}",
        "num_features: 16": "num_features: 4",
        "val_check_interval: 100": "val_check_interval: 4",
        "log_every_n_steps: 20": "log_every_n_steps: 2",
        "every_n_train_steps: 50": "every_n_train_steps: 5",
        "batch_size: 5, shuffle": "batch_size: 2, shuffle",
        **changes,
    }
    for old, new in settings.items():
        assert old in text
        text = text.replace(old, new)
    return text


def _run(arguments: Sequence[str], folder: Path) -> None:
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "HYDRA_FULL_ERROR": "1",
        # The check compares stresses, which are NaN for the isolated molecules used here.
        "NEQUIP_SKIP_AOTI_MODEL_CHECK": "1",
    }
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )


def train(folder: Path, frames: Frames, **options: Any) -> Path:
    """Run ``nequip-train`` on labelled frames in ``folder``; returns the checkpoint."""
    import ase.io
    from ase.calculators.singlepoint import SinglePointCalculator

    assert frames.energy is not None
    assert frames.forces is not None
    structures = []
    for index, atoms in enumerate(frames):
        start, stop = frames.offsets[index], frames.offsets[index + 1]
        atoms.calc = SinglePointCalculator(
            atoms, energy=float(frames.energy[index]), forces=frames.forces[start:stop]
        )
        structures.append(atoms)
    folder.mkdir(parents=True, exist_ok=True)
    ase.io.write(folder / "frames.extxyz", structures, format="extxyz")
    # JSON is YAML, so no YAML writer is needed.
    (folder / "config.yaml").write_text(
        json.dumps(training_config(folder / "frames.extxyz", **options))
    )
    _run(
        ["-m", "nequip.scripts.train", "-cp", str(folder), "-cn", "config", "hydra.run.dir=."],
        folder,
    )
    return folder / "checkpoints" / "last.ckpt"


def package(checkpoint: Path, target: Path) -> Path:
    """Run ``nequip-package build``; ``target`` must end in ``.nequip.zip``."""
    _run(["-m", "nequip.scripts.package", "build", str(checkpoint), str(target)], checkpoint.parent)
    return target


def compile_model(source: Path, target: Path, *, kind: str) -> Path:
    """Run ``nequip-compile`` to AOTInductor for ``kind`` ``ase`` or ``batch`` (slow)."""
    _run(
        [
            "-m", "nequip.scripts.compile", str(source), str(target),
            "--mode", "aotinductor", "--device", "cpu", "--target", kind,
        ],
        source.parent,
    )  # fmt: skip
    return target


def once_for_all_workers(
    request: pytest.FixtureRequest, name: str, make: Callable[[Path], object]
) -> Path:
    """Folder ``name`` of this run, filled by ``make`` in the worker that asks first."""
    root: Path = request.getfixturevalue("tmp_path_factory").getbasetemp()
    if hasattr(request.config, "workerinput"):
        root = root.parent
    folder, done = root / name, root / f"{name}.done"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # half made by a worker that was killed
            make(folder)
            done.touch()
    return folder


def tiny_checkpoint(request: pytest.FixtureRequest) -> Path:
    """The checkpoint that most tests of real files share; it knows C, H and O only."""
    frames = Frames.concatenate(
        [embedded_frames("ethanol", 30), embedded_frames("malonaldehyde", 30)]
    )
    folder = once_for_all_workers(request, "tiny_nequip", lambda folder: train(folder, frames))
    return folder / "checkpoints" / "last.ckpt"
