"""Exact potentials without any learning: what every law must let pass.

Analytic energies, forces and stress in plain numpy, float64 or float32:

* Lennard-Jones, harmonic and Morse pair potentials, switched off with three
  continuous derivatives; equilibrium distances are sums of covalent radii;
* Stillinger and Weber's silicon (Phys. Rev. B 1985, 31, 5262, eqs. 2.1-2.7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pytest_mlff.errors import NotSupportedError
from pytest_mlff.laws.growing import numbers_of, radii_of
from pytest_mlff.potentials.protocol import PotentialInfo, Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames

    Floats = NDArray[np.floating]


class Terms(Protocol):
    """Energy of a neighbour list as a function of its bond vectors alone."""

    def __call__(
        self, bonds: Floats, lengths: Floats, centres: NDArray[np.int64], sums: Floats, /
    ) -> tuple[float, Floats]:
        """Energy (eV) and its gradient by each bond vector.

        Parameters
        ----------
        bonds : ndarray, shape (n_bonds, 3)
            From centre to neighbour, every bond in both directions.
        lengths : ndarray, shape (n_bonds,)
            Their lengths in Å.
        centres : ndarray, shape (n_bonds,)
            Atom at which each starts.
        sums : ndarray, shape (n_bonds,)
            Sums of covalent radii in Å.
        """


@dataclass(frozen=True, eq=False)
class ExactPotential:
    """A potential defined by its terms.

    Attributes
    ----------
    name : str
        For tables.
    terms : Terms
        The physics.
    cutoff : float
        Å.
    species : tuple of str
        Chemical symbols; others are refused.
    dtype : str
        ``float64`` or ``float32``: coordinates are rounded to it and all arithmetic is in it.
    images : int or None
        Most cells away that neighbours are looked for; None for as many as the cutoff needs.
    """

    name: str
    terms: Terms
    cutoff: float
    species: tuple[str, ...]
    dtype: str = "float64"
    images: int | None = None

    @property
    def info(self) -> PotentialInfo:
        """Identity."""
        return PotentialInfo(
            name=self.name,
            family="exact",
            source=f"exact:{self.name}:{self.dtype}",
            digest=None,
            species=self.species,
            cutoff=self.cutoff,
            device="cpu",
            dtype=self.dtype,
            versions={"numpy": np.__version__},
        )

    def predict(self, frames: Frames) -> Prediction:
        """Energies, forces and (for periodic frames) stress.

        Raises
        ------
        NotSupportedError
            Unknown species, or a cell that is periodic in only some directions.
        """
        if not np.isin(frames.numbers, numbers_of(self.species)).all():
            raise NotSupportedError(f"{self.name} knows only {', '.join(self.species)}")
        if (frames.pbc.any(axis=1) != frames.pbc.all(axis=1)).any():
            raise NotSupportedError(f"{self.name} does not take partly periodic cells")
        energy = np.zeros(len(frames))
        forces = np.zeros(frames.positions.shape)
        stress = np.zeros((len(frames), 3, 3))
        radii = radii_of(frames.numbers)
        for index, (start, stop) in enumerate(pairwise(frames.offsets)):
            cell = frames.cell[index] if frames.pbc[index].all() else None
            energy[index], forces[start:stop], virial = self._one(
                frames.positions[start:stop], radii[start:stop], cell
            )
            if cell is not None:
                stress[index] = virial / abs(np.linalg.det(cell))
        return Prediction(energy, forces, stress if frames.pbc.any() else None)

    def _one(
        self,
        positions: NDArray[np.float64],
        radii: NDArray[np.float64],
        cell: NDArray[np.float64] | None,
    ) -> tuple[float, Floats, Floats]:
        kind = np.dtype(self.dtype).type
        centres, others, bonds = neighbours(positions.astype(kind), cell, self.cutoff, self.images)
        lengths = np.sqrt((bonds * bonds).sum(axis=1))
        sums = (radii[centres] + radii[others]).astype(kind)
        energy, gradient = self.terms(bonds, lengths, centres, sums)
        forces = np.zeros(positions.shape, dtype=kind)
        np.add.at(forces, centres, gradient)
        np.subtract.at(forces, others, gradient)
        virial = bonds.T @ gradient
        return float(energy), forces, (virial + virial.T) / 2


def neighbours(
    positions: Floats, cell: NDArray[np.float64] | None, cutoff: float, most: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """All bonds up to ``cutoff`` Å in both directions: centres, neighbours, vectors.

    ``most`` bounds the number of cells that are looked through on each side.
    """
    count = len(positions)
    images = np.zeros((1, 3), dtype=positions.dtype)
    if cell is not None:
        inverse = np.linalg.inv(cell)
        turns = np.floor(positions @ inverse)
        positions = (positions - turns @ cell).astype(positions.dtype)
        heights = 1.0 / np.linalg.norm(inverse, axis=0)
        reach = np.ceil(cutoff / heights).astype(int) + 1
        if most is not None:
            reach = np.minimum(reach, most)
        grid = np.meshgrid(*[np.arange(-n, n + 1) for n in reach], indexing="ij")
        shifts = np.stack(grid, axis=-1).reshape(-1, 3)
        images = (shifts @ cell).astype(positions.dtype)
    vectors = positions[None, :, None] + images[None, None] - positions[:, None, None]
    squares = (vectors * vectors).sum(axis=-1)
    near = squares < cutoff * cutoff
    home = len(images) // 2
    near[np.arange(count), np.arange(count), home] = False
    centres, others, which = np.nonzero(near)
    return centres, others, vectors[centres, others, which]


def switch(lengths: Floats, start: float, stop: float) -> tuple[Floats, Floats]:
    """From 1 at ``start`` to 0 at ``stop`` with three continuous derivatives; and its slope."""
    t = np.clip((lengths - start) / (stop - start), 0.0, 1.0).astype(lengths.dtype)
    value = 1 - t**4 * (35 - 84 * t + 70 * t**2 - 20 * t**3)
    slope = -140 * t**3 * (1 - t) ** 3 / (stop - start)
    return value, slope


@dataclass(frozen=True)
class _Pair:
    """A pair potential: shape by name, depth in eV, switched off from 0.6 cutoff."""

    shape: str
    depth: float
    cutoff: float

    def __call__(
        self, bonds: Floats, lengths: Floats, _centres: NDArray[np.int64], sums: Floats
    ) -> tuple[float, Floats]:
        if not len(lengths):
            return 0.0, bonds
        value, slope = self._bare(lengths, sums)
        factor, fall = switch(lengths, 0.6 * self.cutoff, self.cutoff)
        energy = (value * factor).sum() / 2
        radial = (slope * factor + value * fall) / 2
        return float(energy), (radial / lengths)[:, None] * bonds

    def _bare(self, lengths: Floats, sums: Floats) -> tuple[Floats, Floats]:
        if self.shape == "lennard_jones":
            sixth = (sums / lengths) ** 6
            return (
                self.depth * (sixth * sixth - 2 * sixth),
                12 * self.depth * (sixth - sixth * sixth) / lengths,
            )
        away = lengths - sums
        if self.shape == "harmonic":
            return 4 * self.depth * away * away - self.depth, 8 * self.depth * away
        decay = np.exp(-2 * away)
        return (
            self.depth * (decay * decay - 2 * decay),
            4 * self.depth * (decay - decay * decay),
        )


def lennard_jones(
    species: Sequence[str] = ("Ar", "Ne"),
    *,
    depth: float = 0.5,
    cutoff: float = 6.0,
    dtype: str = "float64",
) -> ExactPotential:
    """Lennard-Jones, smoothly switched off between 0.6 and 1 cutoff."""
    return ExactPotential(
        "lennard_jones", _Pair("lennard_jones", depth, cutoff), cutoff, tuple(species), dtype
    )


def harmonic(
    species: Sequence[str] = ("C", "H", "O"), *, depth: float = 2.0, dtype: str = "float64"
) -> ExactPotential:
    """Harmonic bonds between all close atoms, smoothly switched off at 5 Å."""
    return ExactPotential("harmonic", _Pair("harmonic", depth, 5.0), 5.0, tuple(species), dtype)


def morse(
    species: Sequence[str] = ("C", "H", "O"), *, depth: float = 3.0, dtype: str = "float64"
) -> ExactPotential:
    """Morse pairs (exponent 2/Å), smoothly switched off at 5 Å."""
    return ExactPotential("morse", _Pair("morse", depth, 5.0), 5.0, tuple(species), dtype)


def stillinger_weber(*, dtype: str = "float64") -> ExactPotential:
    """Silicon of Stillinger and Weber: pair and angle terms, all derivatives continuous."""
    return ExactPotential("stillinger_weber", _stillinger_weber, 1.8 * 2.0951, ("Si",), dtype)


def _stillinger_weber(
    bonds: Floats, lengths: Floats, centres: NDArray[np.int64], _sums: Floats
) -> tuple[float, Floats]:
    big_a, big_b, lam, gamma, cut = 7.049556277, 0.6022245584, 21.0, 1.2, 1.8
    epsilon, sigma = 2.1683, 2.0951
    if not len(lengths):
        return 0.0, bonds
    x = lengths / sigma
    # exp(1/(x − cut)) is zero to all orders at the cutoff; keep the argument finite there.
    gap = np.minimum(x - cut, -1e-3)
    tail = np.exp(1 / gap)
    core = big_a * (big_b / x**4 - 1)
    pair = core * tail
    pair_slope = (-4 * big_a * big_b / x**5 - core / gap**2) * tail
    gradient = (epsilon / sigma * pair_slope / 2 / lengths)[:, None] * bonds
    energy = epsilon * pair.sum() / 2
    first, second = _angles(centres)
    if len(first):
        unit = bonds / lengths[:, None]
        cosine = (unit[first] * unit[second]).sum(axis=1)
        decay = np.exp(gamma / gap)
        decay_slope = -gamma / gap**2 * decay / sigma
        bend = cosine + 1 / 3
        strength = epsilon * lam * bend * bend
        energy = energy + (strength * decay[first] * decay[second]).sum()
        turning = 2 * epsilon * lam * bend * decay[first] * decay[second]
        for here, there in ((first, second), (second, first)):
            radial = strength * decay_slope[here] * decay[there]
            sideways = (unit[there] - cosine[:, None] * unit[here]) / lengths[here][:, None]
            np.add.at(gradient, here, radial[:, None] * unit[here] + turning[:, None] * sideways)
    return float(energy), gradient


def _angles(centres: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of bonds that start at the same atom."""
    first, second = np.nonzero(np.triu(centres[:, None] == centres[None], k=1))
    return first, second
