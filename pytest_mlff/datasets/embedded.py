"""The embedded data set: its file format, reading and writing.

One ``.npz`` per molecule. Frames are stored once, labels per level of theory, so
that a cheaper or dearer level can be added to the same frames:

=====================  ===========  ===================================================
key                    dtype        content
=====================  ===========  ===================================================
``numbers``            uint8        atomic numbers, shape (n_atoms,)
``positions``          float32      Å, shape (n_frames, n_atoms, 3)
``energy.<level>``     float64      eV, shape (n_frames,)
``forces.<level>``     float32      eV/Å, shape (n_frames, n_atoms, 3)
``replica``            uint16       only of several trajectories: which, shape (n_frames,)
``metadata``           str          JSON: level of theory, time step, thermostat, licence …
=====================  ===========  ===================================================

Labels are computed at the *stored* (float32-rounded) positions, so a label set can
be checked by recomputing it from the file alone.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from numpy.typing import NDArray

EMBEDDED_FOLDER = Path(__file__).with_name("embedded_data")
GATE_FOLDER = EMBEDDED_FOLDER / "gate"
"""Independent replicas of the same molecules."""


@dataclass(frozen=True)
class Labels:
    """Energies (eV, shape (n_frames,)) and forces (eV/Å, shape (n_frames, n_atoms, 3))."""

    energy: NDArray[np.float64]
    forces: NDArray[np.float32]


@dataclass(frozen=True)
class EmbeddedTrajectory:
    """One molecule's time-ordered trajectory with its label sets.

    Attributes
    ----------
    numbers : ndarray, shape (n_atoms,)
        Atomic numbers.
    positions : ndarray of float32, shape (n_frames, n_atoms, 3)
        Å.
    labels : mapping of str to Labels
        Level of theory (lower case, e.g. ``gfn2-xtb``) to labels.
    metadata : mapping
        What the file says of its making; ``digest`` covers all arrays.
    replica : ndarray of uint16, shape (n_frames,), optional
        Which of several independent trajectories each frame is of.
    """

    numbers: NDArray[np.uint8]
    positions: NDArray[np.float32]
    labels: Mapping[str, Labels]
    metadata: Mapping[str, Any]
    replica: NDArray[np.uint16] | None = None


def _arrays(trajectory: EmbeddedTrajectory) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {
        "numbers": np.ascontiguousarray(trajectory.numbers, dtype="<u1"),
        "positions": np.ascontiguousarray(trajectory.positions, dtype="<f4"),
    }
    for level, labels in trajectory.labels.items():
        arrays[f"energy.{level}"] = np.ascontiguousarray(labels.energy, dtype="<f8")
        arrays[f"forces.{level}"] = np.ascontiguousarray(labels.forces, dtype="<f4")
    if trajectory.replica is not None:
        arrays["replica"] = np.ascontiguousarray(trajectory.replica, dtype="<u2")
    return arrays


def content_digest(trajectory: EmbeddedTrajectory) -> str:
    """SHA-256 over the names, shapes and bytes of all arrays."""
    digest = hashlib.sha256()
    for key, array in sorted(_arrays(trajectory).items()):
        digest.update(f"{key}:{array.dtype.str}:{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def write_trajectory(path: Path, trajectory: EmbeddedTrajectory) -> None:
    """Write a trajectory atomically; the digest is computed here and put into the metadata."""
    metadata = {**trajectory.metadata, "digest": content_digest(trajectory)}
    scratch = path.with_name(f".{path.name}.{os.getpid()}.part")
    with scratch.open("wb") as stream:
        np.savez_compressed(
            stream,
            allow_pickle=False,
            metadata=np.array(json.dumps(metadata, sort_keys=True)),
            **_arrays(trajectory),
        )
    os.replace(scratch, path)


def read_trajectory(path: Path) -> EmbeddedTrajectory:
    """Read one trajectory file and check its digest.

    Raises
    ------
    MlffError
        If the file is missing, unreadable or does not match its digest.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
        metadata = json.loads(str(arrays.pop("metadata")))
        levels = [key.removeprefix("energy.") for key in arrays if key.startswith("energy.")]
        trajectory = EmbeddedTrajectory(
            numbers=arrays["numbers"],
            positions=arrays["positions"],
            labels={
                level: Labels(arrays[f"energy.{level}"], arrays[f"forces.{level}"])
                for level in levels
            },
            metadata=metadata,
            replica=arrays.get("replica"),
        )
    except FileNotFoundError as error:
        raise MlffError(f"{path}: no such data file") from error
    except Exception as error:
        raise MlffError(f"{path}: not a readable embedded data file ({error})") from error
    if metadata.get("digest") != content_digest(trajectory):
        raise MlffError(f"{path}: content does not match the digest in its metadata")
    return trajectory
