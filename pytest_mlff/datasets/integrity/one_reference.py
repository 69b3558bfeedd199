"""Energies of one structure are of one reference: no gap parts them into two sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_mlff.datasets.integrity.groups import group_set
from pytest_mlff.datasets.integrity.result import IntegrityResult, in_order, name_frames, plural
from pytest_mlff.errors import NotSupportedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.integrity.result import FrameName
    from pytest_mlff.datasets.splits import FrameSets, IndexSet

GAP: Final = 6.0
"""Gap over the standard deviation within its two sides; those of a thermal set are below 2."""
_FEWEST: Final = 3
_SMALLEST: Final = 0.05


def one_reference(sets: FrameSets) -> IntegrityResult:
    """No gap parts the energies of frames of the same atoms; the value counts the smaller side.

    Two methods, programs or pseudopotentials put the zero of energy elsewhere: a set in which some
    frames are of another one shows a gap many times as wide as energies vary on its two sides.
    Judged are gaps of 0.05 eV or more with three frames on each side, over all sets together.

    Raises
    ------
    NotSupportedError
        If no structure has enough frames with energies.
    """
    every: dict[tuple[bytes, bytes], list[tuple[FrameName, float]]] = {}
    for part in sets.named.values():
        _collect(part, every)
    offending: list[FrameName] = []
    reason, judged = "", 0
    for rows in every.values():
        named = dict(rows)
        if len(named) < 2 * _FEWEST:
            continue
        judged += len(named)
        energies = np.array(list(named.values()))
        order = np.argsort(energies)
        cut = _gap(energies[order])
        if cut is None:
            continue
        gap = float(energies[order[cut]] - energies[order[cut - 1]])
        low, high = order[:cut], order[cut:]
        names = list(named)
        smaller = in_order(names[index] for index in (low if len(low) < len(high) else high))
        offending += smaller
        reason = (
            f"energies of {smaller[0][0]} fall into two sets, {gap:.4g} eV apart, as of two "
            f"references: {plural(len(smaller), 'frame')} ({name_frames(smaller)}) of {len(named)}"
        )
    if not judged:
        raise NotSupportedError(f"no structure has {2 * _FEWEST} frames with energies")
    return IntegrityResult(
        float(len(offending)),
        judged,
        reason or f"energies of {plural(judged, 'frame')} show no gap",
        in_order(offending),
    )


def _collect(
    part: IndexSet, every: dict[tuple[bytes, bytes], list[tuple[FrameName, float]]]
) -> None:
    for key, group in group_set(part).items():
        if group.energy is not None:
            named = [group.name(index) for index in range(len(group))]
            rows = zip(named, group.energy.tolist(), strict=True)
            every.setdefault((np.sort(group.numbers).tobytes(), key[1]), []).extend(rows)


def _gap(energies: NDArray[np.float64]) -> int | None:
    """Where sorted energies have the widest gap, if it is one."""
    inside = np.arange(_FEWEST, len(energies) - _FEWEST + 1)
    gaps = energies[inside] - energies[inside - 1]
    cut = int(inside[int(np.argmax(gaps))])
    spread = max(float(energies[:cut].std()), float(energies[cut:].std()))
    gap = float(energies[cut] - energies[cut - 1])
    return cut if gap > max(_SMALLEST, GAP * spread) else None
