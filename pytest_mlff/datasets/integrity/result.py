"""What an integrity check says of the data, and how it names frames."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

FrameName = tuple[str, int]
"""Molecule, and position in the time-ordered frames of its dataset."""

_SHOWN = 5


@dataclass(frozen=True)
class IntegrityResult:
    """What one check found.

    Attributes
    ----------
    value : float
        Number of offending frames (0 is sound); of the two checks of labels, the largest
        deviation over its tolerance (at most 1 is sound).
    n_frames : int
        Frames that were judged.
    reason : str
        One line that names the data: molecule, frame numbers, distances.
    frames : tuple of (str, int)
        All offending frames: molecule, and position in the time-ordered frames of its dataset.
    """

    value: float
    n_frames: int
    reason: str
    frames: tuple[FrameName, ...] = ()


def plural(count: int, noun: str) -> str:
    """``"1 frame"``, ``"2 frames"``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def in_order(frames: Iterable[FrameName]) -> tuple[FrameName, ...]:
    """Each frame once, by molecule and number."""
    return tuple(sorted(set(frames)))


def name_frames(frames: Sequence[FrameName]) -> str:
    """The first few frames by molecule and number, and how many more there are."""
    shown = frames[:_SHOWN]
    parts: list[str] = []
    for molecule in dict.fromkeys(molecule for molecule, _ in shown):
        numbers = [str(number) for owner, number in shown if owner == molecule]
        noun = "frame" if len(numbers) == 1 else "frames"
        parts.append(f"{molecule} {noun} {', '.join(numbers)}")
    text = "; ".join(parts)
    more = len(frames) - len(shown)
    return f"{text} and {more:,} more" if more else re.sub(r", (\d+)$", r" and \1", text)
