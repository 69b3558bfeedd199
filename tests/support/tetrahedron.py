"""Four atoms under a Morse potential, to be simulated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from support.closed_forms import PairPotential, morse

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.potentials.failures import FrameError
from pytest_mlff.potentials.protocol import Prediction
from pytest_mlff.simulation import SimulationSettings

NUMBERS = np.array([8, 6, 1, 1])
MORSE = morse(depth=2.0, width=1.5, length=1.6)
NVE = SimulationSettings(ensemble="nve", steps=60, stride=1, replicas=5, timestep_fs=0.5)
NVT = replace(NVE, ensemble="nvt_langevin", friction_per_ps=20.0)


def starts(count: int, seed: int = 1, cell: float | None = None) -> Frames:
    """A distorted tetrahedron, each time a little different."""
    rng = np.random.default_rng(seed)
    shape = 1.6 * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(8)
    frames = Frames.of_one_molecule(
        NUMBERS, shape + rng.normal(0.0, 0.05, (count, len(NUMBERS), 3))
    )
    if cell is None:
        return frames
    return replace(
        frames, cell=np.tile(cell * np.eye(3), (count, 1, 1)), pbc=np.ones((count, 3), dtype=bool)
    )


class Breaks(PairPotential):
    """Fails for a replica whose first atom is beyond x = 5 Å, in the way it is told."""

    how = "nan"

    def predict(self, frames: Frames) -> Prediction:
        found = super().predict(frames)
        n = int(frames.counts[0])
        beyond = frames.positions[::n, 0] > 5.0
        if self.how == "raises" and beyond.any():
            raise FrameError("broken", int(np.argmax(beyond)), "has no answer")
        energy, forces = found.energy.copy(), found.forces.copy()
        if self.how == "nan":
            energy[beyond] = np.nan
        if self.how == "hot":
            forces.reshape(-1, n, 3)[beyond] *= 1e7
        return Prediction(energy, forces)
