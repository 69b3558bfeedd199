"""Frames that stand where they must not stand again: between sets, or within one.

Every pair of equal frames is told by exactly one check: training with test, validation with
test, or (``duplicate_frames``) within a set and between training and validation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_mlff.datasets.integrity.groups import group_set, present_sets
from pytest_mlff.datasets.integrity.result import IntegrityResult, in_order, plural
from pytest_mlff.datasets.integrity.twins import TOLERANCE, repeats, twins

if TYPE_CHECKING:
    from pytest_mlff.datasets.integrity.result import FrameName
    from pytest_mlff.datasets.splits import FrameSets, IndexSet

_SHOWN = 3

Match = tuple[str, "FrameName", str, "FrameName", float]


def _between(first: IndexSet, name: str, second: IndexSet, other: str) -> list[Match]:
    known = group_set(first)
    found: list[Match] = []
    for key, group in group_set(second).items():
        if key not in known:
            continue
        found += [
            (other, group.name(late), name, known[key].name(early), far)
            for early, late, far in twins(known[key], group)
        ]
    return found


def _within(chosen: IndexSet, name: str) -> list[Match]:
    return [
        (name, group.name(late), name, group.name(early), far)
        for group in group_set(chosen).values()
        for early, late, far in repeats(group)
    ]


def _told(matches: Sequence[Match]) -> str:
    shown = [
        f"{role} frame {frame[1]} of {frame[0]} = {known_role} frame {known[1]} of {known[0]} "
        f"({far:.1e} Å apart)"
        for role, frame, known_role, known, far in matches[:_SHOWN]
    ]
    more = len(matches) - len(shown)
    return "; ".join(shown) + (f"; and {more:,} more" if more else "")


def _against_test(sets: FrameSets, name: str) -> IntegrityResult:
    present = present_sets(sets)
    n_test = len(sets.test)
    known = present.get(name)
    if known is None:
        return IntegrityResult(
            0.0, n_test, f"the spec takes no {name} frames that could be test frames"
        )
    matches = sorted(_between(known, name, sets.test, "test"), key=lambda match: match[1])
    frames = in_order(match[1] for match in matches)
    if not frames:
        reason = (
            f"none of {plural(n_test, 'test frame')} is among {plural(len(known), name + ' frame')}"
            f" (farther than {TOLERANCE:g} Å after superposition)"
        )
    else:
        reason = (
            f"found among the {name} frames: {len(frames):,} of {plural(n_test, 'test frame')} "
            f"(within {TOLERANCE:g} Å after superposition): {_told(matches)}"
        )
    return IntegrityResult(float(len(frames)), n_test, reason, frames)


def train_test_overlap(sets: FrameSets) -> IntegrityResult:
    """No test frame stands among the training frames; the value counts test frames that do.

    Two frames are the same if the atoms, in the order of the file, lie within 1e-6 Å (root
    mean square) after superposition. Without training frames there is nothing to find.
    """
    return _against_test(sets, "training")


def validation_test_overlap(sets: FrameSets) -> IntegrityResult:
    """No test frame stands among the validation frames; as :func:`train_test_overlap`."""
    return _against_test(sets, "validation")


def duplicate_frames(sets: FrameSets) -> IntegrityResult:
    """No frame stands twice within a set, or in both training and validation.

    The value counts the later ones of equal frames.
    """
    present = present_sets(sets)
    matches = [match for name, chosen in present.items() for match in _within(chosen, name)]
    if "training" in present and "validation" in present:
        matches += _between(present["training"], "training", present["validation"], "validation")
    n_frames = sum(len(chosen) for chosen in present.values())
    frames = in_order(match[1] for match in matches)
    if not frames:
        reason = (
            f"no frame occurs twice in {plural(n_frames, 'frame')} of {', '.join(present)} "
            f"(farther than {TOLERANCE:g} Å after superposition)"
        )
    else:
        reason = (
            f"found twice: {len(frames):,} of {plural(n_frames, 'frame')} "
            f"(within {TOLERANCE:g} Å after superposition): {_told(matches)}"
        )
    return IntegrityResult(float(len(frames)), n_frames, reason, frames)
