"""Checking embedded data by computing labels again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pytest_mlff.datasets import oracle
from pytest_mlff.datasets.embedded import EmbeddedTrajectory, read_trajectory
from pytest_mlff.errors import MlffError

# Labels are stored at float64 (energies) and float32 (forces); SCF solutions at the
# labels' accuracy agree across builds and thread numbers to well below these.
ENERGY_TOLERANCE = 1e-5
"""eV."""
FORCE_TOLERANCE = 1e-4
"""eV/Å."""


@dataclass(frozen=True)
class Relabelling:
    """Largest deviation of recomputed labels, in eV and eV/Å, and of which frames."""

    frames: tuple[int, ...]
    energy_error: float
    force_error: float

    @property
    def passed(self) -> bool:
        """Whether both differences are within the tolerances."""
        # Written so that NaN does not pass.
        return self.energy_error <= ENERGY_TOLERANCE and self.force_error <= FORCE_TOLERANCE


def relabel(trajectory: EmbeddedTrajectory | Path, samples: int, seed: int) -> Relabelling:
    """Compute the labels of a seeded sample of frames again.

    Parameters
    ----------
    trajectory : EmbeddedTrajectory or Path
        The data, or its file (whose digest is then checked, too).
    samples : int
        Frames to recompute; all of them if there are fewer.
    seed : int
        Seed of the sample.

    Raises
    ------
    MlffError
        If the file is damaged or has no labels of the oracle's.
    MissingExtraError
        If the oracle is not installed.
    """
    from ase import Atoms

    if not isinstance(trajectory, EmbeddedTrajectory):
        trajectory = read_trajectory(trajectory)
    level = oracle.METHOD.lower()
    if level not in trajectory.labels:
        raise MlffError(
            f"no labels of level {level!r} to check; there are {', '.join(trajectory.labels)}"
        )
    labels = trajectory.labels[level]
    n_frames = len(trajectory.positions)
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(n_frames, size=min(samples, n_frames), replace=False))
    energies, forces = oracle.label(
        Atoms(trajectory.numbers, trajectory.positions[index].astype(np.float64))
        for index in chosen
    )
    return Relabelling(
        frames=tuple(int(index) for index in chosen),
        energy_error=float(np.abs(energies - labels.energy[chosen]).max()),
        force_error=float(np.abs(np.stack(forces) - labels.forces[chosen]).max()),
    )
