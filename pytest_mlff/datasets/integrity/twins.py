"""Finding equal structures among thousands of frames.

Every pair closer than a tolerance is found: frames get *features* that do not change under
superposition and cannot change faster than the atoms move, so equal frames have features
within a radius that follows from the tolerance; only those pairs are superposed.

Isolated frames, N atoms: features are the distances d_i from atom i to atom i + 1 (the last
to the first). If atoms are displaced by δ_i after superposition, then |Δd_i| ≤ |δ_i| +
|δ_{i+1}|, so Σ Δd_i² ≤ 4 Σ |δ_i|² = 4 N ε² at a root mean square displacement of ε: the
radius is 2 √N ε.

Periodic frames: features are exp(2πi s) of the fractional differences s between atoms i and
i + 1, which know neither cell choice nor origin. They change by at most 2π |Δs|, and |Δs| ≤
‖C⁻¹‖ |Δx|: the radius is 2π ‖C⁻¹‖ times the one above.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.datasets.integrity.superposition import distances

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.integrity.groups import SystemFrames

TOLERANCE = 1e-6
"""Å; root mean square displacement up to which two frames are the same."""

# Rounding of the features themselves, in their own units.
_ROUNDING = 1e-9


def features(group: SystemFrames) -> NDArray[np.float64]:
    """Invariant features of each frame, shape (n_frames, n_features)."""
    step = np.roll(group.positions, -1, axis=1) - group.positions
    if not group.periodic:
        lengths: NDArray[np.float64] = np.linalg.norm(step, axis=2)
        return lengths
    angle = 2 * np.pi * (step @ np.linalg.pinv(group.cell))[:, :, group.pbc]
    angle = angle.reshape(len(group), -1)
    return np.concatenate([np.cos(angle), np.sin(angle)], axis=1)


def search_radius(group: SystemFrames) -> float:
    """Largest distance in features that frames within `TOLERANCE` can have."""
    radius = 2 * np.sqrt(group.positions.shape[1]) * TOLERANCE
    if group.periodic:
        inverse = np.linalg.norm(np.linalg.pinv(group.cell), ord=2, axis=(1, 2))
        radius *= 2 * np.pi * inverse.max()
    return float(radius) + _ROUNDING


def _same(
    first: SystemFrames, second: SystemFrames, pairs: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which pairs are the same structure, and their distances."""
    one, other = pairs[:, 0], pairs[:, 1]
    found = distances(first.positions[one], second.positions[other], first.cell[one], first.pbc)
    same = found <= TOLERANCE
    if first.periodic:
        cells = np.abs(first.cell[one] - second.cell[other]).max(axis=(1, 2))
        same &= cells <= TOLERANCE
    return same, found


def _first_match(
    first: SystemFrames, second: SystemFrames, candidates: Sequence[Sequence[int]]
) -> list[tuple[int, int, float]]:
    """For each frame of ``second`` the first of its candidates that is the same structure."""
    found: dict[int, tuple[int, float]] = {}
    waiting = [index for index, some in enumerate(candidates) if some]
    depth = 0
    # Round after round, since nearly every frame that has candidates is told by its first.
    while waiting:
        pairs = np.array([(candidates[index][depth], index) for index in waiting])
        same, distance = _same(first, second, pairs)
        for (one, other), far in zip(pairs[same], distance[same], strict=True):
            found[int(other)] = (int(one), float(far))
        depth += 1
        waiting = [
            index for index in waiting if index not in found and len(candidates[index]) > depth
        ]
    return [(one, other, far) for other, (one, far) in sorted(found.items())]


def _candidates(
    known: NDArray[np.float64], asked: NDArray[np.float64], radius: float
) -> list[list[int]]:
    from scipy.spatial import cKDTree

    lists = cKDTree(known).query_ball_point(asked, radius, return_sorted=True)
    return [list(map(int, one)) for one in lists]


def twins(first: SystemFrames, second: SystemFrames) -> list[tuple[int, int, float]]:
    """Frames of ``second`` in ``first``, too: lowest index there, index here, distance in Å."""
    # Files repeat frames a thousand times over; each needs to be compared only once.
    distinct, _ = _distinct(first)
    radius = max(search_radius(first), search_radius(second))
    known = features(first)[distinct]
    candidates = _candidates(known, features(second), radius)
    named = [[int(distinct[index]) for index in some] for some in candidates]
    return _first_match(first, second, named)


def repeats(group: SystemFrames) -> list[tuple[int, int, float]]:
    """Frames that repeat an earlier one of their group: both indices and the distance in Å."""
    distinct, first_of = _distinct(group)
    rows = np.arange(len(group))
    exact = [(int(first_of[row]), int(row), 0.0) for row in rows[first_of != rows]]
    known = features(group)[distinct]
    near = _candidates(known, known, search_radius(group))
    candidates: list[list[int]] = [[] for _ in rows]
    for place, some in enumerate(near):
        candidates[distinct[place]] = [int(distinct[one]) for one in some if one < place]
    return sorted([*exact, *_first_match(group, group, candidates)], key=lambda one: one[1])


def _distinct(group: SystemFrames) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of frames that differ to the bit, ascending; and for each frame its first."""
    rows = np.concatenate(
        [group.positions.reshape(len(group), -1), group.cell.reshape(len(group), -1)], axis=1
    )
    rows = np.ascontiguousarray(rows)
    packed = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).reshape(-1)
    _, firsts, kind = np.unique(packed, return_index=True, return_inverse=True)
    return np.sort(firsts), firsts[kind.reshape(-1)]
