"""Test frames are no neighbours in motion of frames that a model is fitted to.

A molecule that moves for a few femtoseconds is hardly another one. Frames that lie far closer to
each other than two frames of the data do at random are neighbours in one trajectory: a random
split of it, a validation set that goes on where the test set ends, or "replicas" that start from
neighbouring frames. In 3N dimensions distances of independent frames differ little from each
other, so a tenth of the median is out of their reach, and steps of 1 to 5 fs are far below. Of
few atoms it is less than a tenth: as near as one pair in ten thousand sets comes by chance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_mlff.datasets.integrity.groups import group_set
from pytest_mlff.datasets.integrity.result import IntegrityResult, in_order, name_frames, plural
from pytest_mlff.errors import NotSupportedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.integrity.groups import SystemFrames
    from pytest_mlff.datasets.integrity.result import FrameName
    from pytest_mlff.datasets.splits import FrameSets

NEAR: Final = 0.1
"""Distance to a neighbour over the median distance of two frames, at most."""
_CHANCE: Final = 1e-4
_SAMPLE: Final = 200
_BLOCK: Final = 64


def independent_frames(sets: FrameSets) -> IntegrityResult:
    """No test frame is a neighbour in motion of a training or validation frame, or of a replica.

    The value counts test frames that are.

    Raises
    ------
    NotSupportedError
        If there is nothing to compare with.
    """
    test = group_set(sets.test)
    offending: list[FrameName] = []
    told: list[str] = []
    compared = 0
    for name, other in (("training", sets.train), ("validation", sets.validation)):
        groups = {} if other is None else group_set(other)
        for key in test.keys() & groups.keys():
            compared += 1
            found = _near(test[key], groups[key])
            offending += [test[key].name(index) for index in found]
            if len(found):
                told.append(f"{plural(len(found), 'test frame')} near {name} frames")
    replica = sets.test.frames.replica
    if replica is not None and len(np.unique(replica)) > 1:
        compared += 1
        across = _across(sets, replica)
        offending += across
        if across:
            told.append(f"{plural(len(across), 'test frame')} near another replica")
    if not compared:
        raise NotSupportedError("no training or validation frames, and no replicas, to compare")
    named = in_order(offending)
    reason = (
        f"{'; '.join(told)}, at less than a tenth of the median distance: {name_frames(named)}"
        if named
        else f"no test frame is a neighbour in motion of another set, of {len(sets.test)}"
    )
    return IntegrityResult(float(len(named)), len(sets.test), reason, named)


def _internal(group: SystemFrames) -> NDArray[np.float64]:
    """Coordinates that no turn or shift changes: distances within a molecule; else positions."""
    if group.periodic:
        # Fractional and centred, in Å of the mean cell.
        inside = np.linalg.solve(np.swapaxes(group.cell, 1, 2), np.swapaxes(group.positions, 1, 2))
        return np.asarray(np.swapaxes(inside, 1, 2).reshape(len(group), -1))
    first, second = np.triu_indices(min(len(group.numbers), 40), 1)
    vectors = group.positions[:, first] - group.positions[:, second]
    return np.asarray(np.linalg.norm(vectors, axis=2))


def _distances(
    group: SystemFrames, one: NDArray[np.float64], other: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Root mean square difference of each row of ``one`` and each of ``other``."""
    rows = []
    for start in range(0, len(one), _BLOCK):
        difference = one[start : start + _BLOCK, None, :] - other[None]
        if group.periodic:
            difference -= np.round(difference)
        rows.append(np.sqrt((difference**2).mean(axis=2)))
    return np.concatenate(rows)


def _typical(group: SystemFrames, rows: NDArray[np.float64]) -> float:
    """Median distance of two frames, of a sample spread over all."""
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _SAMPLE)).astype(int))
    found = _distances(group, rows[chosen], rows[chosen])
    return float(np.median(found[np.triu_indices(len(chosen), 1)])) if len(chosen) > 1 else 0.0


def _ratio(group: SystemFrames, pairs: int) -> float:
    """Share of the median below which no pair of independent frames is to be expected."""
    freedom = max(1, 3 * len(group.numbers) - (3 if group.periodic else 6))
    return float(min(NEAR, (_CHANCE / pairs) ** (1.0 / freedom)))


def _near(test: SystemFrames, other: SystemFrames) -> NDArray[np.int64]:
    """Frames of ``test`` that have a neighbour in ``other``."""
    mine, theirs = _internal(test), _internal(other)
    # The test alone may be one short stretch of a trajectory.
    limit = _ratio(test, len(mine) * len(theirs)) * max(
        _typical(other, theirs), _typical(test, mine)
    )
    return np.flatnonzero(_distances(test, mine, theirs).min(axis=1) < limit)


def _across(sets: FrameSets, replica: NDArray[np.int64]) -> list[FrameName]:
    """Test frames with a neighbour in another replica of the same system."""
    found: list[FrameName] = []
    start = 0
    for molecule, positions in sets.test.indices.items():
        own = replica[start : start + len(positions)]
        start += len(positions)
        alone = type(sets.test)({molecule: positions}, {molecule: sets.test.datasets[molecule]})
        for group in group_set(alone).values():
            of = own[np.searchsorted(positions, group.numbering)]
            rows = _internal(group)
            gaps = _distances(group, rows, rows)
            gaps[of[:, None] == of[None]] = np.inf
            # Of a replica against all others: the median of what independent frames have.
            usual = float(np.median(gaps[np.isfinite(gaps)])) if np.isfinite(gaps).any() else 0.0
            limit = _ratio(group, len(rows) ** 2) * usual
            near = np.flatnonzero(gaps.min(axis=1) < limit)
            found += [group.name(int(index)) for index in near]
    return found
