"""A simulation on its way to disk: frames in chunks, and the exact state after the last one.

A chunk is written before the state that counts it, each in one stroke. After a kill, however
it comes, the last state is there and all chunks it counts; what was written beyond it is
written again, with the same numbers.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_mlff.store import write_atomically

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STATE: Final = "state.npz"


@dataclass(eq=False)
class State:
    """Where a simulation stands after a step, exactly; a dead replica's numbers are NaN.

    Attributes
    ----------
    step : int
    positions, momenta, forces : ndarray of float64, shape (n_replicas, n_atoms, 3)
        Å, √(u eV), eV/Å.
    energy : ndarray of float64, shape (n_replicas,)
        eV.
    death_step : ndarray of int64, shape (n_replicas,)
        -1 while alive.
    reasons : list of str
        Empty while alive.
    generators : list of numpy Generator
        Random numbers of each replica.
    """

    step: int
    positions: NDArray[np.float64]
    momenta: NDArray[np.float64]
    forces: NDArray[np.float64]
    energy: NDArray[np.float64]
    death_step: NDArray[np.int64]
    reasons: list[str]
    generators: list[np.random.Generator]

    @property
    def alive(self) -> NDArray[np.bool_]:
        """Replicas that have not exploded, shape (n_replicas,)."""
        return np.asarray(self.death_step < 0)


@dataclass(eq=False)
class Recorded:
    """Stored frames, each field of shape (n_frames, n_replicas, …)."""

    positions: list[NDArray[np.float32]] = field(default_factory=list)
    velocities: list[NDArray[np.float32]] = field(default_factory=list)
    potential_energy: list[NDArray[np.float64]] = field(default_factory=list)
    kinetic_energy: list[NDArray[np.float64]] = field(default_factory=list)
    temperature: list[NDArray[np.float64]] = field(default_factory=list)
    alive: list[NDArray[np.bool_]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.positions)

    def stacked(self) -> dict[str, NDArray[Any]]:
        """Every field as one array."""
        return {one.name: np.stack(getattr(self, one.name)) for one in fields(self)}


@dataclass(frozen=True)
class Snapshot:
    """The folder of one simulation; what another key than its own left there is thrown away."""

    folder: Path
    key: Mapping[str, Any]

    def load(self) -> tuple[State, list[str]] | None:
        """The last state and the names of the chunks before it; None to start afresh."""
        arrays = self._read(_STATE)
        if arrays is None:
            return None
        described = json.loads(str(arrays.pop("described")))
        if described["key"] != json.loads(json.dumps(dict(self.key))):
            return None
        chunks = list(described["chunks"])
        if any(self._read(name) is None for name in chunks):
            return None
        kept = {**arrays, "step": described["step"], "reasons": described["reasons"]}
        generators = [np.random.default_rng(0) for _ in described["random"]]
        for rng, left in zip(generators, described["random"], strict=True):
            rng.bit_generator.state = left
        return State(**kept, generators=generators), chunks

    def save(self, state: State, chunks: list[str], recorded: Recorded) -> None:
        """Add a chunk of frames, then the state after them; the chunk's name is appended."""
        name = f"frames-{len(chunks):06d}.npz"
        self._write(name, recorded.stacked())
        chunks.append(name)
        described = {
            "key": dict(self.key),
            "chunks": chunks,
            "step": state.step,
            "reasons": state.reasons,
            "random": [rng.bit_generator.state for rng in state.generators],
        }
        arrays = {
            name: getattr(state, name)
            for name in ("positions", "momenta", "forces", "energy", "death_step")
        }
        self._write(_STATE, {**arrays, "described": np.array(json.dumps(described))})

    def frames(self, chunks: list[str]) -> Iterator[dict[str, NDArray[Any]]]:
        """The chunks in their order."""
        for name in chunks:
            found = self._read(name)
            if found is None:
                raise OSError(f"{self.folder / name} is gone or damaged")
            yield found

    def remove(self) -> None:
        """Take the folder away."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        stream = io.BytesIO()
        np.savez(stream, allow_pickle=False, **dict(arrays))
        payload = stream.getvalue()
        write_atomically(self.folder / name, [hashlib.sha256(payload).digest(), payload])

    def _read(self, name: str) -> dict[str, NDArray[Any]] | None:
        try:
            content = (self.folder / name).read_bytes()
        except OSError:
            return None
        checksum, payload = content[:32], content[32:]
        if hashlib.sha256(payload).digest() != checksum:
            return None
        with np.load(io.BytesIO(payload), allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
