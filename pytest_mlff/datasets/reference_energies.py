"""Reference energy of each species: total energies regressed on the composition.

Molecules of different composition differ by hundreds of eV, nearly all of which is the energy
of their atoms. SAIBench-MLFF (Li et al., section on cross-molecule generalisation) takes it
off by a linear regression over the combined training set: E ≈ Σ_s n_s e_s, without constant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.errors import MlffError, NotSupportedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames


def composition(frames: Frames, species: tuple[str, ...]) -> NDArray[np.int64]:
    """Atoms of each species in each frame, shape (n_frames, n_species).

    Raises
    ------
    MlffError
        If a frame holds another species.
    """
    unknown = [one for one in frames.species if one not in species]
    if unknown:
        raise MlffError(
            f"no reference energy for {', '.join(unknown)} (there are {', '.join(species)})"
        )
    from ase.data import atomic_numbers

    column = np.zeros(max(atomic_numbers.values()) + 1, dtype=np.int64)
    column[[atomic_numbers[one] for one in species]] = np.arange(len(species))
    cells = frames.frame_of_atom * len(species) + column[frames.numbers]
    counted = np.bincount(cells, minlength=len(frames) * len(species))
    return counted.reshape(len(frames), len(species)).astype(np.int64)


@dataclass(frozen=True)
class ReferenceEnergies:
    """Reference energy per atom of each species.

    Attributes
    ----------
    energies : mapping of str to float
        Chemical symbol to eV, alphabetically.
    rank : int
        Rank of the matrix of compositions.
    note : str
        One sentence if the species cannot be told apart; empty otherwise.
    """

    energies: Mapping[str, float]
    rank: int
    note: str

    def of(self, frames: Frames) -> NDArray[np.float64]:
        """Sum of the reference energies of each frame in eV, shape (n_frames,).

        Raises
        ------
        MlffError
            If a frame holds a species that has none.
        """
        species = tuple(self.energies)
        each = np.array([self.energies[one] for one in species], dtype=np.float64)
        return composition(frames, species).astype(np.float64) @ each

    def subtract(self, frames: Frames) -> Frames:
        """Frames whose energies are counted from the reference; forces stay as they are.

        Raises
        ------
        MlffError
            If a frame holds a species that has no reference energy.
        NotSupportedError
            If the frames have no energies.
        """
        if frames.energy is None:
            raise NotSupportedError("frames have no energies to count from a reference")
        return replace(frames, energy=frames.energy - self.of(frames))


def _solve(
    counts: NDArray[np.float64], energy: NDArray[np.float64]
) -> tuple[NDArray[np.float64], int]:
    """Least squares through the distinct compositions; minimum norm; and the rank.

    A composition that m frames have stands once, with the mean of their energies, both times
    √m. That leaves AᵀA and Aᵀb, and so every solution and its norm, as they are.
    """
    distinct, kind, many = np.unique(counts, axis=0, return_inverse=True, return_counts=True)
    kind = kind.reshape(-1)
    # Deviations from one energy of each kind are summed: sums of 1e5 energies of −1e4 eV
    # would lose digits.
    some = energy[np.unique(kind, return_index=True)[1]]
    mean = some + np.bincount(kind, energy - some[kind], minlength=len(distinct)) / many
    weight = np.sqrt(many)
    solution, _, rank, _ = np.linalg.lstsq(distinct * weight[:, None], mean * weight, rcond=None)
    return np.asarray(solution, dtype=np.float64), int(rank)


def fit_reference_energies(frames: Frames) -> ReferenceEnergies:
    """Regress total energies on the numbers of atoms of each species.

    Where the compositions cannot tell the species apart (one molecule alone, say), the
    solution of minimum norm is taken, as :func:`numpy.linalg.lstsq` does, and the note says so.

    Parameters
    ----------
    frames : Frames
        All training frames together, with energies in eV.

    Raises
    ------
    NotSupportedError
        If there are no frames, or they have no energies.
    """
    if frames.energy is None:
        raise NotSupportedError("reference energies need frames with energies")
    frames = frames.select(frames.labelled("energy"))
    if frames.energy is None or len(frames) == 0:
        raise NotSupportedError("reference energies need at least one frame with an energy")
    species = frames.species
    counts = composition(frames, species).astype(np.float64)
    solution, rank = _solve(counts, frames.energy)
    note = ""
    if rank < len(species):
        note = (
            f"rank {rank} of {len(species)} species: the compositions cannot tell "
            f"{', '.join(species)} apart, so the minimum-norm solution was taken"
        )
    return ReferenceEnergies(dict(zip(species, solution.tolist(), strict=True)), rank, note)
