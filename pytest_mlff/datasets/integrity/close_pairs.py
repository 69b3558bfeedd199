"""Pairs of frames so close that forces tell the difference of their energies.

Between frames 0 and 1 of a conservative force field the trapezoid rule gives

    W = −½ (F₀ + F₁)·Δx,   E₁ − E₀ = W + e,   e = O(V‴ Δx³ / 12).

Rigid motions change no energy, so frame 1 is superposed on frame 0 first. Writing |V‴| as an
anharmonicity a times |V″| and |V″ Δx| as |ΔF|, the size of e is

    q = (Σ_i |ΔF_i|² |Δx_i|²)^½ max_i |Δx_i|   times a / 12,

with a = 6 Å⁻¹ for a Morse bond of range 2 Å⁻¹. Of 167,000 pairs of 22 published and embedded
data sets, the root mean square of e / q lies between 0.07 and 0.27 Å⁻¹ within each set, and the
largest single one is 1.5 Å⁻¹ (docs/data-integrity.md; MD17 left out, whose labels are noisier).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.datasets.integrity.superposition import displacements
from pytest_mlff.datasets.integrity.twins import features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.integrity.groups import SystemFrames
    from pytest_mlff.datasets.integrity.result import FrameName

EXPECTED = 0.3
"""Å⁻¹; root mean square of e / q that anharmonicity leads one to expect, at most."""
LARGEST = 2.5
"""Å⁻¹; e / q that no pair of consistent labels exceeds (1.7 times the largest one seen)."""

# Noise of published energies, eV per square root of the number of atoms. MD17's ethanol has
# 2e-4; data that are converged more tightly have less.
_LABEL_NOISE = 3e-4
# A frame with wrong forces seems stiff, so stiffness far above the usual one is no excuse.
_STIFFEST = 4.0
_NEIGHBOURS = 3
# Frames among which neighbours in configuration are sought; time grows with more of them.
_SOUGHT = 2000
_DIMENSIONS = 16


@dataclass(frozen=True, eq=False)
class PairWork:
    """Work and energy difference of pairs of frames.

    Attributes
    ----------
    work : ndarray, shape (n_pairs,)
        W in eV.
    change : ndarray, shape (n_pairs,)
        Difference of the stored energies in eV.
    scale : ndarray, shape (n_pairs,)
        q in eV Å.
    usual : ndarray, shape (n_pairs,)
        q of a pair as far apart with the median stiffness of its composition, eV Å.
    noise : ndarray, shape (n_pairs,)
        What published energies scatter by, eV.
    apart : ndarray, shape (n_pairs,)
        Root mean square displacement of the atoms in Å.
    names : list of (FrameName, FrameName)
        The two frames of each pair.
    """

    work: NDArray[np.float64]
    change: NDArray[np.float64]
    scale: NDArray[np.float64]
    usual: NDArray[np.float64]
    noise: NDArray[np.float64]
    apart: NDArray[np.float64]
    names: list[tuple[FrameName, FrameName]]

    def __len__(self) -> int:
        return len(self.work)

    def without(self, frames: Collection[FrameName]) -> PairWork:
        """The pairs in which none of these frames takes part."""
        kept = np.array(
            [one not in frames and other not in frames for one, other in self.names], dtype=bool
        )
        return PairWork(
            work=self.work[kept],
            change=self.change[kept],
            scale=self.scale[kept],
            usual=self.usual[kept],
            noise=self.noise[kept],
            apart=self.apart[kept],
            names=[names for names, keep in zip(self.names, kept, strict=True) if keep],
        )

    @property
    def expected(self) -> NDArray[np.float64]:
        """Expected size of the difference between change and work, eV, from forces alone."""
        return np.hypot(EXPECTED * self.scale, self.noise)

    @property
    def largest(self) -> NDArray[np.float64]:
        """Difference between change and work that consistent labels never exceed, eV."""
        return LARGEST * np.minimum(self.scale, _STIFFEST * self.usual) + 10 * self.noise


def _neighbours(group: SystemFrames) -> NDArray[np.int64]:
    """Frames and their nearest ones in configuration, shape (n_pairs, 2)."""
    from scipy.spatial import cKDTree

    count = min(len(group), _SOUGHT)
    chosen = np.arange(count) * len(group) // count
    if count < 2:
        return np.zeros((0, 2), dtype=np.int64)
    if group.periodic:
        coordinates = features(group)[chosen]
    else:
        first, second = np.triu_indices(group.positions.shape[1], 1)
        # Beyond some hundred distances more of them say the same.
        kept = slice(None, None, 1 + len(first) // 500)
        some = group.positions[chosen]
        coordinates = np.linalg.norm(some[:, first[kept]] - some[:, second[kept]], axis=2)
    coordinates = coordinates - coordinates.mean(axis=0)
    _, _, directions = np.linalg.svd(coordinates[:: 1 + count // 500], full_matrices=False)
    reduced = coordinates @ directions[:_DIMENSIONS].T
    if reduced.shape[1] == 0:
        return np.zeros((0, 2), dtype=np.int64)
    near = min(_NEIGHBOURS, count - 1)
    _, found = cKDTree(reduced).query(reduced, k=range(1, near + 2))
    one = np.repeat(np.arange(count), near + 1)
    pairs = np.stack([one, found.reshape(-1)], axis=1)
    near_ones: NDArray[np.int64] = chosen[pairs[pairs[:, 0] != pairs[:, 1]]]
    return near_ones


def _pairs(group: SystemFrames) -> NDArray[np.int64]:
    following = np.stack([np.arange(len(group) - 1), np.arange(1, len(group))], axis=1)
    pairs = np.concatenate([following, np.sort(_neighbours(group), axis=1)])
    pairs = np.unique(pairs, axis=0)
    if group.periodic:
        # A change of the cell does work that forces do not show.
        change = np.abs(group.cell[pairs[:, 0]] - group.cell[pairs[:, 1]])
        pairs = pairs[change.max(axis=(1, 2)) < 1e-6]
    return pairs


def _of_group(group: SystemFrames) -> PairWork:
    assert group.energy is not None
    assert group.forces is not None
    pairs = _pairs(group)
    one, other = pairs[:, 0], pairs[:, 1]
    step, rotation = displacements(
        group.positions[one], group.positions[other], group.cell[one], group.pbc
    )
    before, after = group.forces[one], group.forces[other] @ rotation
    moved = np.linalg.norm(step, axis=2)
    stiff = np.linalg.norm(after - before, axis=2) * moved
    n_atoms = group.positions.shape[1]
    scale = np.sqrt((stiff**2).sum(axis=1)) * moved.max(axis=1, initial=0.0)
    apart = np.sqrt((moved**2).mean(axis=1))
    distinct = apart > 1e-4
    stiffness = np.median(scale[distinct] / apart[distinct] ** 3) if distinct.any() else np.inf
    return PairWork(
        work=-0.5 * ((before + after) * step).sum(axis=(1, 2)),
        change=group.energy[other] - group.energy[one],
        scale=scale,
        usual=np.where(distinct, stiffness * apart**3, scale),
        noise=np.full(len(pairs), _LABEL_NOISE * np.sqrt(n_atoms)),
        apart=apart,
        names=[(group.name(int(a)), group.name(int(b))) for a, b in pairs],
    )


def pair_work(groups: Sequence[SystemFrames]) -> PairWork:
    """Pairs of successive frames, and of frames near in configuration, of labelled groups.

    A single atom has no work to do, so frames of one atom are left out.
    """
    parts = [_of_group(one) for one in groups if len(one) > 1 and one.positions.shape[1] > 1]

    def joined(name: str) -> NDArray[np.float64]:
        return np.concatenate([np.zeros(0), *(getattr(part, name) for part in parts)])

    return PairWork(
        work=joined("work"),
        change=joined("change"),
        scale=joined("scale"),
        usual=joined("usual"),
        noise=joined("noise"),
        apart=joined("apart"),
        names=[names for part in parts for names in part.names],
    )
