"""One dense value that every metric of dynamics takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.simulation.settings import SimulationSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STORED = (
    "numbers", "cell", "pbc", "start_of", "time_ps", "positions", "velocities",
    "potential_energy", "kinetic_energy", "temperature", "alive", "death_ps",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Trajectories of all replicas; values of a dead replica are NaN from its death on.

    Attributes
    ----------
    settings : SimulationSettings
    numbers : ndarray of int64, shape (n_atoms,)
        Atomic numbers, the same in all replicas.
    cell : ndarray of float64, shape (n_replicas, 3, 3)
        Å; zero without one.
    pbc : ndarray of bool, shape (3,)
    start_of : ndarray of int64, shape (n_replicas,)
        Start frame of each replica.
    time_ps : ndarray of float64, shape (n_frames,)
        ps.
    positions : ndarray of float32, shape (n_frames, n_replicas, n_atoms, 3)
        Å, never wrapped into the cell.
    velocities : ndarray of float32, shape (n_frames, n_replicas, n_atoms, 3)
        Å/fs.
    potential_energy, kinetic_energy : ndarray of float64, shape (n_frames, n_replicas)
        eV.
    temperature : ndarray of float64, shape (n_frames, n_replicas)
        K, of the degrees of freedom that move.
    alive : ndarray of bool, shape (n_frames, n_replicas)
    death_ps : ndarray of float64, shape (n_replicas,)
        When a replica exploded; NaN where it lived to the end.
    reasons : tuple of str, length n_replicas
        What it died of; empty where it lived.
    per_frame, per_atom : mapping of str to ndarray
        What else the start of each replica carries (charge, spin, tags …), as in ``Frames``.
    """

    settings: SimulationSettings
    numbers: NDArray[np.int64]
    cell: NDArray[np.float64]
    pbc: NDArray[np.bool_]
    start_of: NDArray[np.int64]
    time_ps: NDArray[np.float64]
    positions: NDArray[np.float32]
    velocities: NDArray[np.float32]
    potential_energy: NDArray[np.float64]
    kinetic_energy: NDArray[np.float64]
    temperature: NDArray[np.float64]
    alive: NDArray[np.bool_]
    death_ps: NDArray[np.float64]
    reasons: tuple[str, ...]
    per_frame: Mapping[str, NDArray[Any]] = field(default_factory=lambda: MappingProxyType({}))
    per_atom: Mapping[str, NDArray[Any]] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        n_frames, n_replicas, n_atoms = len(self.time_ps), len(self.start_of), len(self.numbers)
        expected: dict[str, tuple[int, ...]] = {
            "cell": (n_replicas, 3, 3),
            "pbc": (3,),
            "positions": (n_frames, n_replicas, n_atoms, 3),
            "velocities": (n_frames, n_replicas, n_atoms, 3),
            "potential_energy": (n_frames, n_replicas),
            "kinetic_energy": (n_frames, n_replicas),
            "temperature": (n_frames, n_replicas),
            "alive": (n_frames, n_replicas),
            "death_ps": (n_replicas,),
        }
        for name, shape in expected.items():
            found = getattr(self, name).shape
            if found != shape:
                raise ValueError(f"{name} has shape {found}, expected {shape}")
        if len(self.reasons) != n_replicas:
            raise ValueError(f"{len(self.reasons)} reasons for {n_replicas} replicas")

    @property
    def n_replicas(self) -> int:
        """Number of replicas, dead ones included."""
        return len(self.start_of)

    def frames(self, replica: int, every: int = 1) -> Frames:
        """Frames that a replica visited alive, as structures to evaluate.

        Parameters
        ----------
        replica : int
        every : int
            Take each so many-th stored frame.
        """
        index = np.flatnonzero(self.alive[:, replica])[::every]
        positions = self.positions[index, replica].astype(np.float64)
        count, n_atoms = len(index), len(self.numbers)
        return Frames(
            numbers=np.tile(self.numbers, count),
            positions=positions.reshape(-1, 3),
            counts=np.full(count, n_atoms, dtype=np.int64),
            cell=np.tile(self.cell[replica], (count, 1, 1)),
            pbc=np.tile(self.pbc, (count, 1)),
            time_index=index * self.settings.stride,
            per_frame={
                name: np.repeat(column[[replica]], count, axis=0)
                for name, column in self.per_frame.items()
            },
            per_atom={
                name: np.tile(
                    column[replica * n_atoms :][:n_atoms], (count, *[1] * (column.ndim - 1))
                )
                for name, column in self.per_atom.items()
            },
        )

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything as named arrays, for a file; see :meth:`from_arrays`."""
        described = json.dumps({"settings": asdict(self.settings), "reasons": self.reasons})
        columns = {
            f"{kind}/{name}": column
            for kind in ("per_frame", "per_atom")
            for name, column in getattr(self, kind).items()
        }
        named = {name: getattr(self, name) for name in _STORED}
        return {**named, **columns, "described": np.array(described)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Trajectory:
        """The trajectory that :meth:`to_arrays` took apart."""
        described = json.loads(str(arrays["described"]))
        return cls(
            settings=SimulationSettings(**described["settings"]),
            reasons=tuple(described["reasons"]),
            **{name: np.asarray(arrays[name]) for name in _STORED},
            per_frame=_columns_of(arrays, "per_frame/"),
            per_atom=_columns_of(arrays, "per_atom/"),
        )


def _columns_of(arrays: Mapping[str, NDArray[Any]], kind: str) -> dict[str, NDArray[Any]]:
    return {
        name.removeprefix(kind): np.asarray(column)
        for name, column in arrays.items()
        if name.startswith(kind)
    }
