"""Frames: many structures as one batched value object."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlff.datasets.extras import columns_of, extras_of

if TYPE_CHECKING:
    from ase import Atoms
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Frames:
    """A sequence of structures, atoms concatenated frame after frame.

    Frames may differ in composition; ``n_total`` is the number of atoms of all
    frames together.

    Attributes
    ----------
    numbers : ndarray of int64, shape (n_total,)
        Atomic numbers.
    positions : ndarray of float64, shape (n_total, 3)
        Å.
    counts : ndarray of int64, shape (n_frames,)
        Atoms per frame.
    cell : ndarray of float64, shape (n_frames, 3, 3)
        Cell vectors as rows in Å; zero where a frame has none.
    pbc : ndarray of bool, shape (n_frames, 3)
        Periodic directions.
    energy : ndarray of float64, shape (n_frames,), optional
        Reference total energies in eV; NaN for a frame without.
    forces : ndarray of float64, shape (n_total, 3), optional
        Reference forces in eV/Å; NaN for a frame without.
    stress : ndarray of float64, shape (n_frames, 3, 3), optional
        Reference stress in eV/Å³, ASE's sign (positive under tension); NaN for a frame without.
    time_index : ndarray of int64, shape (n_frames,), optional
        MD step of each frame, for frames of one trajectory in time order.
    per_frame : mapping of str to ndarray, shape (n_frames, …)
        What else a structure is given with and a model sees: ``charge``, ``spin``,
        ``config_type`` … (``atoms.info`` in ASE; see :mod:`pytest_mlff.datasets.extras`).
    per_atom : mapping of str to ndarray, shape (n_total, …)
        The same per atom: ``tags``, ``initial_charges``, ``initial_magmoms`` … (``atoms.arrays``).
    replica : ndarray of int64, shape (n_frames,), optional
        Which independent trajectory, start or draw each frame belongs to.
    """

    numbers: NDArray[np.int64]
    positions: NDArray[np.float64]
    counts: NDArray[np.int64]
    cell: NDArray[np.float64]
    pbc: NDArray[np.bool_]
    energy: NDArray[np.float64] | None = None
    forces: NDArray[np.float64] | None = None
    stress: NDArray[np.float64] | None = None
    time_index: NDArray[np.int64] | None = None
    per_frame: Mapping[str, NDArray[Any]] = field(default_factory=lambda: MappingProxyType({}))
    per_atom: Mapping[str, NDArray[Any]] = field(default_factory=lambda: MappingProxyType({}))
    replica: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        n_frames, n_total = len(self.counts), int(self.counts.sum())
        expected: dict[str, tuple[int, ...]] = {
            "numbers": (n_total,),
            "positions": (n_total, 3),
            "counts": (n_frames,),
            "cell": (n_frames, 3, 3),
            "pbc": (n_frames, 3),
            "energy": (n_frames,),
            "forces": (n_total, 3),
            "stress": (n_frames, 3, 3),
            "time_index": (n_frames,),
            "replica": (n_frames,),
        }
        for name, shape in expected.items():
            array = getattr(self, name)
            if array is not None and array.shape != shape:
                raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
        for columns, length in ((self.per_frame, n_frames), (self.per_atom, n_total)):
            for name, array in columns.items():
                if array.shape[:1] != (length,):
                    raise ValueError(f"{name} has shape {array.shape}, expected ({length}, …)")

    def __len__(self) -> int:
        return len(self.counts)

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """First atom of each frame and the total, shape (n_frames + 1,)."""
        return np.concatenate([[0], np.cumsum(self.counts)]).astype(np.int64)

    @cached_property
    def frame_of_atom(self) -> NDArray[np.int64]:
        """Frame index of each atom, shape (n_total,)."""
        return np.repeat(np.arange(len(self)), self.counts)

    @cached_property
    def has_volume(self) -> NDArray[np.bool_]:
        """Which frames are periodic in a cell with a volume, and so have a stress: (n_frames,)."""
        return np.asarray(self.pbc.any(axis=1) & (np.abs(np.linalg.det(self.cell)) > 1e-9))

    @cached_property
    def species(self) -> tuple[str, ...]:
        """Chemical symbols that occur, alphabetically."""
        from ase.data import chemical_symbols

        return tuple(sorted(chemical_symbols[z] for z in np.unique(self.numbers)))

    @classmethod
    def of_one_molecule(
        cls,
        numbers: NDArray[Any],
        positions: NDArray[Any],
        *,
        energy: NDArray[Any] | None = None,
        forces: NDArray[Any] | None = None,
        time_index: NDArray[Any] | None = None,
        replica: NDArray[Any] | None = None,
    ) -> Frames:
        """Build frames of one isolated molecule from stacked arrays.

        Parameters
        ----------
        numbers : ndarray, shape (n_atoms,)
            Atomic numbers.
        positions : ndarray, shape (n_frames, n_atoms, 3)
            Å.
        energy : ndarray, shape (n_frames,), optional
            eV.
        forces : ndarray, shape (n_frames, n_atoms, 3), optional
            eV/Å.
        time_index : ndarray, shape (n_frames,), optional
            MD step of each frame.
        replica : ndarray, shape (n_frames,), optional
            Independent trajectory of each frame.
        """
        n_frames, n_atoms = positions.shape[:2]
        return cls(
            numbers=np.tile(np.asarray(numbers, dtype=np.int64), n_frames),
            positions=np.asarray(positions, dtype=np.float64).reshape(-1, 3),
            counts=np.full(n_frames, n_atoms, dtype=np.int64),
            cell=np.zeros((n_frames, 3, 3)),
            pbc=np.zeros((n_frames, 3), dtype=bool),
            energy=None if energy is None else np.asarray(energy, dtype=np.float64),
            forces=None if forces is None else np.asarray(forces, dtype=np.float64).reshape(-1, 3),
            time_index=None if time_index is None else np.asarray(time_index, dtype=np.int64),
            replica=None if replica is None else np.asarray(replica, dtype=np.int64),
        )

    @classmethod
    def from_atoms(cls, structures: Sequence[Atoms]) -> Frames:
        """Build frames from ASE structures: all that they carry, labels from their calculators."""
        n_frames = len(structures)
        results = [getattr(atoms.calc, "results", None) or {} for atoms in structures]

        def label(name: str, shape: tuple[int, ...]) -> NDArray[np.float64] | None:
            if not any(name in one for one in results):
                return None
            return np.concatenate(
                [
                    _of_calculator(one.get(name), shape, 1 if name != "forces" else len(atoms))
                    for one, atoms in zip(results, structures, strict=True)
                ]
            )

        per_frame, per_atom = columns_of(
            [atoms.info for atoms in structures],
            [
                {key: one for key, one in atoms.arrays.items() if key not in _OWN_ARRAYS}
                for atoms in structures
            ],
        )
        return cls(
            numbers=np.concatenate(
                [np.zeros(0, dtype=np.int64), *(a.numbers.astype(np.int64) for a in structures)]
            ),
            positions=np.concatenate([np.zeros((0, 3)), *(a.positions for a in structures)]),
            counts=np.array([len(a) for a in structures], dtype=np.int64),
            cell=np.array([np.asarray(a.cell) for a in structures]).reshape(n_frames, 3, 3),
            pbc=np.array([a.pbc for a in structures], dtype=bool).reshape(n_frames, 3),
            energy=label("energy", ()),
            forces=label("forces", (3,)),
            stress=label("stress", (3, 3)),
            per_frame=per_frame,
            per_atom=per_atom,
        )

    def labelled(self, quantity: str) -> NDArray[np.bool_]:
        """Which frames have a label of ``energy``, ``forces`` or ``stress``, shape (n_frames,)."""
        array: NDArray[np.float64] | None = getattr(self, quantity)
        if array is None:
            return np.zeros(len(self), dtype=bool)
        given = ~np.isnan(array).all(axis=tuple(range(1, array.ndim)))
        if quantity != "forces":
            return np.asarray(given, dtype=bool)
        return np.asarray(np.bincount(self.frame_of_atom[given], minlength=len(self)) > 0)

    def select(self, indices: Sequence[int] | slice | NDArray[Any]) -> Frames:
        """Frames at ``indices`` (any numpy index over frames), in that order."""
        chosen = np.arange(len(self))[indices]
        counts = self.counts[chosen]
        moved = self.offsets[chosen] - (np.cumsum(counts) - counts)
        atoms = np.arange(int(counts.sum())) + np.repeat(moved, counts)

        def of_frames(array: NDArray[Any] | None) -> Any:
            return None if array is None else array[chosen]

        return Frames(
            numbers=self.numbers[atoms],
            positions=self.positions[atoms],
            counts=counts,
            cell=self.cell[chosen],
            pbc=self.pbc[chosen],
            energy=of_frames(self.energy),
            forces=None if self.forces is None else self.forces[atoms],
            stress=of_frames(self.stress),
            time_index=of_frames(self.time_index),
            per_frame={key: column[chosen] for key, column in self.per_frame.items()},
            per_atom={key: column[atoms] for key, column in self.per_atom.items()},
            replica=of_frames(self.replica),
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Frames]) -> Frames:
        """All frames of ``parts`` one after the other; a label that a part lacks is NaN there."""
        if len(parts) == 1:
            return parts[0]

        def joined(name: str) -> NDArray[Any]:
            return np.concatenate([getattr(part, name) for part in parts])

        def labels(name: str) -> Any:
            if all(getattr(part, name) is None for part in parts):
                return None
            shapes = {"energy": (), "forces": (3,), "stress": (3, 3)}
            return np.concatenate(
                [
                    np.full(
                        (len(part.numbers if name == "forces" else part), *shapes[name]), np.nan
                    )
                    if getattr(part, name) is None
                    else getattr(part, name)
                    for part in parts
                ]
            )

        per_frame, per_atom = _joined_columns(parts)
        # Steps of different trajectories are not comparable, so time_index is dropped.
        return cls(
            **{name: joined(name) for name in ("numbers", "positions", "counts", "cell", "pbc")},
            **{name: labels(name) for name in ("energy", "forces", "stress")},
            per_frame=per_frame,
            per_atom=per_atom,
            replica=_joined_replicas(parts),
        )

    def without_labels(self) -> Frames:
        """The structures alone: what a model may see."""
        return replace(self, energy=None, forces=None, stress=None)

    def atoms(self, index: int) -> Atoms:
        """One frame as an ASE structure without labels."""
        from ase import Atoms

        start, stop = self.offsets[index], self.offsets[index + 1]
        periodic = bool(self.pbc[index].any())
        atoms = Atoms(
            self.numbers[start:stop],
            self.positions[start:stop],
            cell=self.cell[index] if periodic or self.cell[index].any() else None,
            pbc=self.pbc[index],
        )
        info, arrays = self.extras(index)
        atoms.info.update(info)
        atoms.arrays.update(arrays)
        return atoms

    def extras(self, index: int) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """``info`` and ``arrays`` of one frame, as ASE has them."""
        if not self.per_frame and not self.per_atom:
            return {}, {}
        start, stop = int(self.offsets[index]), int(self.offsets[index + 1])
        return extras_of(self.per_frame, self.per_atom, index, start, stop)

    def __iter__(self) -> Iterator[Atoms]:
        return (self.atoms(index) for index in range(len(self)))

    def _digest_of(self, arrays: Mapping[str, NDArray[Any] | None]) -> str:
        digest = hashlib.sha256()
        for name, array in arrays.items():
            if array is not None:
                digest.update(f"{name}:{array.dtype.str}:{array.shape};".encode())
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    @cached_property
    def structure_digest(self) -> str:
        """SHA-256 of everything a model sees: numbers, positions, cells, charges, tags …"""
        names = ("numbers", "positions", "counts", "cell", "pbc")
        return self._digest_of(
            {name: getattr(self, name) for name in names}
            | {f"per_frame/{key}": self.per_frame[key] for key in sorted(self.per_frame)}
            | {f"per_atom/{key}": self.per_atom[key] for key in sorted(self.per_atom)}
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 of structures and labels."""
        names = ("energy", "forces", "stress", "time_index", "replica")
        labels = self._digest_of({name: getattr(self, name) for name in names})
        return hashlib.sha256(f"{self.structure_digest}{labels}".encode()).hexdigest()


def _of_calculator(value: Any, shape: tuple[int, ...], length: int) -> NDArray[np.float64]:
    """A label as rows; NaN where there is none."""
    if value is None:
        return np.full((length, *shape), np.nan)
    array = np.asarray(value, dtype=np.float64)
    if array.shape == (6,):
        from ase.stress import voigt_6_to_full_3x3_stress

        array = np.asarray(voigt_6_to_full_3x3_stress(array), dtype=np.float64)
    return array.reshape(length, *shape)


_OWN_ARRAYS = ("numbers", "positions")


def _joined_replicas(parts: Sequence[Frames]) -> NDArray[np.int64] | None:
    """Replicas of several frames; those of different parts are different ones."""
    given = [part.replica for part in parts if part.replica is not None]
    if len(given) < len(parts):
        return None
    found = [np.unique(one, return_inverse=True)[1] for one in given]
    shifts = np.cumsum([0, *(int(one.max(initial=-1)) + 1 for one in found[:-1])])
    return np.concatenate([one + shift for one, shift in zip(found, shifts, strict=True)])


def _joined_columns(
    parts: Sequence[Frames],
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """Columns of several frames one after the other, also where they differ."""
    if not any(part.per_frame or part.per_atom for part in parts):
        return {}, {}
    rows = [part.extras(index) for part in parts for index in range(len(part))]
    return columns_of([info for info, _ in rows], [arrays for _, arrays in rows])


def read_only(*arrays: NDArray[Any] | None) -> None:
    """Let nobody write into arrays that several read."""
    for array in arrays:
        if isinstance(array, np.ndarray):
            array.setflags(write=False)
