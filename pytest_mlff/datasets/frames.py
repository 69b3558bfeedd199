"""Frames: many structures as one batched value object."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ase import Atoms
    from numpy.typing import NDArray

__all__ = ["Frames"]


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
        Reference total energies in eV.
    forces : ndarray of float64, shape (n_total, 3), optional
        Reference forces in eV/Å.
    stress : ndarray of float64, shape (n_frames, 3, 3), optional
        Reference stress in eV/Å³, ASE's sign (positive under tension).
    time_index : ndarray of int64, shape (n_frames,), optional
        MD step of each frame, for frames of one trajectory in time order.
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
        }
        for name, shape in expected.items():
            array = getattr(self, name)
            if array is not None and array.shape != shape:
                raise ValueError(f"{name} has shape {array.shape}, expected {shape}")

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
        )

    @classmethod
    def from_atoms(cls, structures: Sequence[Atoms]) -> Frames:
        """Build frames from ASE structures; labels are taken if *every* structure carries them."""

        def label(name: str) -> list[NDArray[np.float64]] | None:
            found = []
            for atoms in structures:
                results = getattr(atoms.calc, "results", None) or {}
                if name not in results:
                    return None
                found.append(np.asarray(results[name], dtype=np.float64))
            return found or None

        energy, forces, stress = label("energy"), label("forces"), label("stress")
        if stress is not None:
            from ase.stress import voigt_6_to_full_3x3_stress

            stress = [
                voigt_6_to_full_3x3_stress(one) if one.shape == (6,) else one for one in stress
            ]
        n_frames = len(structures)
        return cls(
            numbers=np.concatenate(
                [np.zeros(0, dtype=np.int64), *(a.numbers.astype(np.int64) for a in structures)]
            ),
            positions=np.concatenate([np.zeros((0, 3)), *(a.positions for a in structures)]),
            counts=np.array([len(a) for a in structures], dtype=np.int64),
            cell=np.array([np.asarray(a.cell) for a in structures]).reshape(n_frames, 3, 3),
            pbc=np.array([a.pbc for a in structures], dtype=bool).reshape(n_frames, 3),
            energy=None if energy is None else np.array([float(one) for one in energy]),
            forces=None if forces is None else np.concatenate(forces),
            stress=None if stress is None else np.stack(stress),
        )

    def select(self, indices: Sequence[int] | slice | NDArray[Any]) -> Frames:
        """Frames at ``indices`` (any numpy index over frames), in that order."""
        chosen = np.arange(len(self))[indices]
        starts, counts = self.offsets[:-1][chosen], self.counts[chosen]
        atoms = np.repeat(starts - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
        atoms = atoms + np.arange(int(counts.sum()))

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
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Frames]) -> Frames:
        """All frames of ``parts`` one after the other; a label survives if every part has it."""
        if len(parts) == 1:
            return parts[0]

        def joined(name: str) -> Any:
            arrays = [getattr(part, name) for part in parts]
            return None if any(a is None for a in arrays) else np.concatenate(arrays)

        # Steps of different trajectories are not comparable, so time_index is dropped.
        return cls(
            **{
                name: joined(name)
                for name in (
                    "numbers", "positions", "counts", "cell", "pbc", "energy", "forces", "stress",
                )
            }
        )  # fmt: skip

    def without_labels(self) -> Frames:
        """The structures alone: what a model may see."""
        return replace(self, energy=None, forces=None, stress=None)

    def atoms(self, index: int) -> Atoms:
        """One frame as an ASE structure without labels."""
        from ase import Atoms

        start, stop = self.offsets[index], self.offsets[index + 1]
        periodic = bool(self.pbc[index].any())
        return Atoms(
            self.numbers[start:stop],
            self.positions[start:stop],
            cell=self.cell[index] if periodic or self.cell[index].any() else None,
            pbc=self.pbc[index],
        )

    def __iter__(self) -> Iterator[Atoms]:
        return (self.atoms(index) for index in range(len(self)))

    def _digest_of(self, names: Sequence[str]) -> str:
        digest = hashlib.sha256()
        for name in names:
            array = getattr(self, name)
            if array is not None:
                digest.update(f"{name}:{array.dtype.str}:{array.shape};".encode())
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    @cached_property
    def structure_digest(self) -> str:
        """SHA-256 of everything a model sees: numbers, positions, cells."""
        return self._digest_of(("numbers", "positions", "counts", "cell", "pbc"))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of structures and labels."""
        labels = self._digest_of(("energy", "forces", "stress", "time_index"))
        return hashlib.sha256(f"{self.structure_digest}{labels}".encode()).hexdigest()
