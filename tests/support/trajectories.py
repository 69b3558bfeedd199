"""Trajectories made by hand."""

from __future__ import annotations

import numpy as np

from pytest_mlff.simulation import SimulationSettings, Trajectory


def still(numbers: np.ndarray, positions: np.ndarray, replicas: int, frames: int) -> Trajectory:
    """The same structure all the time in all replicas, at 300 K; change it as needed."""
    settings = SimulationSettings(replicas=replicas, steps=frames - 1, stride=1)
    return Trajectory(
        settings=settings,
        numbers=np.asarray(numbers, dtype=np.int64),
        cell=np.zeros((replicas, 3, 3)),
        pbc=np.zeros(3, dtype=bool),
        start_of=np.arange(replicas),
        time_ps=np.arange(frames) * 5e-4,
        positions=np.tile(positions, (frames, replicas, 1, 1)).astype(np.float32),
        velocities=np.zeros((frames, replicas, *positions.shape), dtype=np.float32),
        potential_energy=np.zeros((frames, replicas)),
        kinetic_energy=np.zeros((frames, replicas)),
        temperature=np.full((frames, replicas), 300.0),
        alive=np.ones((frames, replicas), dtype=bool),
        death_ps=np.full(replicas, np.nan),
        reasons=("",) * replicas,
    )
