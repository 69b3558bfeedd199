"""The embedded ethanol at 300, 600 and 1200 K: independent GFN2-xTB trajectories at each.

``python tools/make_temperatures.py OUT`` makes them: one npz file a temperature, ten
replicas of sixteen frames, 30 fs apart, after 0.5 ps of equilibration. An interrupted run goes on.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Final

import numpy as np

from pytest_mlff.datasets import oracle
from pytest_mlff.datasets.embedded import EmbeddedTrajectory, read_trajectory
from pytest_mlff.datasets.generate import LEVEL, Protocol, generate, molecule_named
from pytest_mlff.store import write_atomically

MOLECULE: Final = "ethanol"
TEMPERATURES: Final = (300, 600, 1200)
_REPLICAS: Final = 10
_FIRST_SEED: Final = 5000


def protocol(temperature: int, number: int) -> Protocol:
    """How replica ``number`` at a temperature in K is made."""
    return Protocol(
        frames=16,
        stride=30,
        timestep_fs=1.0,
        temperature_k=float(temperature),
        # Ten times that of the other data, so that the start is forgotten within half a picosecond.
        friction_per_fs=0.02,
        equilibration_fs=500.0,
        seed=_FIRST_SEED + temperature + number,
    )


def make(folder: Path) -> tuple[Path, ...]:
    """Make the files of all temperatures in a folder; unfinished work is kept in its ``parts``."""
    return tuple(_file(folder, temperature) for temperature in TEMPERATURES)


def _file(folder: Path, temperature: int) -> Path:
    path = folder / f"{MOLECULE}_{temperature}K.npz"
    if path.is_file():
        return path
    found: list[EmbeddedTrajectory] = []
    for number in range(_REPLICAS):
        part = folder / "parts" / f"{temperature}K-{number}"
        one = part / f"{MOLECULE}.npz"
        if not one.is_file():
            generate(molecule_named(MOLECULE), part, protocol(temperature, number))
        found.append(read_trajectory(one))
    stream = io.BytesIO()
    np.savez_compressed(
        stream,
        allow_pickle=False,
        numbers=found[0].numbers.astype("<u1"),
        positions=np.concatenate([one.positions for one in found]),
        energy=np.concatenate([one.labels[LEVEL].energy for one in found]),
        forces=np.concatenate([one.labels[LEVEL].forces for one in found]),
        replica=np.repeat(np.arange(_REPLICAS), [len(one.positions) for one in found]),
        theory=np.array(oracle.METHOD),
        e_unit=np.array("eV"),
        r_unit=np.array("Ang"),
    )
    write_atomically(path, stream.getvalue())
    return path


if __name__ == "__main__":
    for made in make(Path(sys.argv[1])):
        print(made)
