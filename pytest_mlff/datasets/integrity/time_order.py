"""Frames are in the order in which the trajectory passed through them.

The time index must rise. But readers sort by it, so an index that belongs to other frames
rises, too; therefore the motion itself is looked at. For a coordinate x of n frames,

    v = mean (x_{k+1} − x_k)² / (2 var x)

(von Neumann, Ann. Math. Stat. 1941, 12, 367) is near 0 where frames follow each other
closely, and 1 ± 1/√n where their order is random.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.datasets.integrity.groups import datasets_of, group_dataset, present_sets
from pytest_mlff.datasets.integrity.result import IntegrityResult, in_order, name_frames, plural
from pytest_mlff.datasets.integrity.twins import features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.dataset import Dataset
    from pytest_mlff.datasets.integrity.groups import SystemFrames
    from pytest_mlff.datasets.integrity.result import FrameName
    from pytest_mlff.datasets.splits import FrameSets

# The slowest motions of a molecule (torsion, rotation) take longer than this, in fs.
_MEMORY_FS = 50.0
# Standard deviations below 1 that some coordinate's ratio must lie: with a few hundred
# coordinates in random order, one such coordinate occurs in less than 1 % of trajectories.
_DEVIATIONS = 4.0
_FEWEST = 30
# Ratio below which a coordinate is slow: its steps are then 0.17 of those of random order.
_SLOW = 0.03
# Steps that last longer than this many mean ones are no evidence of a leap.
_LONG = 2.0


def _not_rising(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places whose value does not exceed every earlier one."""
    if len(values) < 2:
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(values[1:] <= np.maximum.accumulate(values)[:-1]) + 1


def _coordinates(group: SystemFrames) -> NDArray[np.float64]:
    """Coordinates in which memory shows: internal ones and, of isolated frames, orientation."""
    internal = features(group)
    if group.periodic:
        return internal
    centred = group.positions - group.positions.mean(axis=1, keepdims=True)
    radii = np.linalg.norm(centred, axis=2)
    return np.concatenate([internal, radii, centred.reshape(len(group), -1)], axis=1)


def _ratios(coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = coordinates.var(axis=0)
    moving = spread > 1e-12  # a coordinate that rests says nothing
    step = (np.diff(coordinates, axis=0) ** 2).mean(axis=0)
    ratios = np.full(coordinates.shape[1], np.inf)
    ratios[moving] = step[moving] / (2 * spread[moving])
    return ratios


def smallest_ratio(group: SystemFrames) -> float:
    """Smallest von Neumann ratio of the coordinates of a group; infinite if nothing moves."""
    return float(_ratios(_coordinates(group)).min(initial=np.inf))


def _misplaced(coordinates: NDArray[np.float64], index: NDArray[np.int64]) -> NDArray[np.int64]:
    """Frames far from both neighbours, which are near each other, in slow coordinates."""
    slow = _ratios(coordinates) < _SLOW
    if not slow.any() or len(coordinates) < _FEWEST:
        return np.zeros(0, dtype=np.int64)
    scaled = coordinates[:, slow] / coordinates[:, slow].std(axis=0)

    def apart(stride: int) -> NDArray[np.float64]:
        # Root mean square over coordinates; √2 is what random frames have.
        found: NDArray[np.float64] = ((scaled[stride:] - scaled[:-stride]) ** 2).mean(axis=1)
        return np.sqrt(found)

    step, skip = apart(1), apart(2)
    least = np.minimum(step[:-1], step[1:])
    gaps = np.diff(index)
    short = np.maximum(gaps[:-1], gaps[1:]) <= _LONG * gaps.mean()
    return np.flatnonzero(short & (least > np.sqrt(2) / 2) & (least > 3 * skip)) + 1


_Finding = tuple[list["FrameName"], str, str]


def _of_dataset(molecule: str, dataset: Dataset) -> _Finding:
    """Offending frames, what is wrong, and what could not be judged."""
    index = dataset.frames.time_index
    if index is None:
        return [], "", f"{molecule} has no known time order, and no window is cut from it"
    bad = _not_rising(index)
    if len(bad):
        first = int(bad[0])
        fault = (
            f"time index does not rise strictly: {index[first]} at frame {first} after "
            f"{index[:first].max()}"
        )
        return [(molecule, int(one)) for one in bad], fault, ""
    groups = group_dataset(molecule, dataset)
    if len(groups) > 1 or len(groups[0]) < _FEWEST:
        return [], "", f"{molecule}: too few frames of one composition to judge their motion"
    coordinates = _coordinates(groups[0])
    leaps = _misplaced(coordinates, index)
    if len(leaps):
        fault = "frames lie far from both neighbours, which lie close together"
        return [(molecule, int(one)) for one in leaps], fault, ""
    return _motion(molecule, coordinates, index, dataset.timestep_fs)


def _motion(
    molecule: str,
    coordinates: NDArray[np.float64],
    index: NDArray[np.int64],
    timestep_fs: float | None,
) -> _Finding:
    """Whether frames close in time show any trace of their order."""
    if timestep_fs is None:
        return [], "", f"{molecule} states no time step, so only leaps and the index were judged"
    gap = float(np.diff(index).mean()) * timestep_fs
    if gap > _MEMORY_FS:
        note = f"{molecule}: frames lie {gap:.0f} fs apart, so only leaps and the index were judged"
        return [], "", note
    ratio = float(_ratios(coordinates).min(initial=np.inf))
    limit = 1 - _DEVIATIONS / np.sqrt(len(coordinates))
    if not limit < ratio < np.inf:
        return [], "", ""
    fault = (
        f"frames {gap:.3g} fs apart show no trace of their order: the smallest ratio of their "
        f"successive to their random changes is {ratio:.2f} (random order: 1; must be below "
        f"{limit:.2f}), so the index belongs to other frames"
    )
    return [(molecule, number) for number in range(len(coordinates))], fault, ""


def time_order(sets: FrameSets) -> IntegrityResult:
    """The time index rises strictly, and the motion of the atoms agrees with it.

    The whole trajectories are judged, since windows are cut from these. The value counts
    frames out of order: those whose index does not exceed all earlier ones; frames that lie
    far from both neighbours while these lie close together; and all frames of a molecule
    whose frames, at most 50 fs apart, show no trace of any order. Frames without a known
    order are no failure: windows of time cannot be cut from them.
    """
    offending: list[FrameName] = []
    faults: list[str] = []
    notes: list[str] = []
    n_frames = 0
    for molecule, dataset in datasets_of(sets).items():
        n_frames += len(dataset.frames)
        found, fault, note = _of_dataset(molecule, dataset)
        offending += found
        faults += [f"{molecule}: {fault}"] if fault else []
        notes += [note] if note else []
    for name, chosen in present_sets(sets).items():
        for molecule, positions in chosen.indices.items():
            if chosen.datasets[molecule].time_ordered:
                bad = [(molecule, int(positions[one])) for one in _not_rising(positions)]
                offending += bad
                faults += [f"{molecule}: the {name} frames are out of order"] if bad else []
    frames = in_order(offending)
    if frames:
        reason = f"{'; '.join(faults)} ({plural(len(frames), 'frame')}: {name_frames(frames)})"
    else:
        reason = "; ".join(
            notes or [f"{plural(n_frames, 'frame')} follow each other strictly in time"]
        )
    return IntegrityResult(float(len(frames)), n_frames, reason, frames)
