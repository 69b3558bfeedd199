"""Independent replicas of a molecule: their protocol, and one file that holds them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pytest_mlff.datasets.embedded import (
    EmbeddedTrajectory,
    Labels,
    read_trajectory,
    write_trajectory,
)
from pytest_mlff.datasets.generate import Protocol
from pytest_mlff.errors import MlffError

_FIRST_SEED = 3000


def replica_protocol(number: int) -> Protocol:
    """The protocol of replica ``number``: 25 frames, 0.5 ps apart, after 3 ps.

    The seed gives it a conformer, velocities and thermostat noise of its own.
    """
    return Protocol(frames=25, stride=500, timestep_fs=1.0, seed=_FIRST_SEED + number)


def folder_of(out: Path, number: int) -> Path:
    """Where the trajectories of one replica are made."""
    return out / f"replica{number:02d}"


def pack_replicas(paths: Sequence[Path], target: Path) -> None:
    """Put trajectories of one molecule into one file, with a ``replica`` index per frame.

    Parameters
    ----------
    paths : sequence of Path
        Files of :func:`pytest_mlff.datasets.generate.generate`, one a replica.
    target : Path
        The file to write.

    Raises
    ------
    MlffError
        If they are not of one molecule and one protocol, but for the seed.
    """
    found = [read_trajectory(path) for path in paths]
    first = found[0]
    dynamics = [dict(one.metadata["dynamics"]) for one in found]
    seeds = [one.pop("seed") for one in dynamics]
    for path, one, how in zip(paths, found, dynamics, strict=True):
        if not np.array_equal(one.numbers, first.numbers) or how != dynamics[0]:
            raise MlffError(f"{path}: another molecule or protocol than {paths[0]}")
    if len(set(seeds)) < len(seeds):
        raise MlffError(f"{target}: two replicas have the same seed")
    metadata = {key: value for key, value in first.metadata.items() if key != "digest"}
    write_trajectory(
        target,
        replace(
            first,
            positions=np.concatenate([one.positions for one in found]),
            labels={
                level: Labels(
                    np.concatenate([one.labels[level].energy for one in found]),
                    np.concatenate([one.labels[level].forces for one in found]),
                )
                for level in first.labels
            },
            metadata={**metadata, "dynamics": {**dynamics[0], "seeds": seeds}},
            replica=_index(found),
        ),
    )


def _index(found: Sequence[EmbeddedTrajectory]) -> np.ndarray[tuple[int], np.dtype[np.uint16]]:
    lengths = [len(one.positions) for one in found]
    return np.repeat(np.arange(len(found), dtype=np.uint16), lengths)
