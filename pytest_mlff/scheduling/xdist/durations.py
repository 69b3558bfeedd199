"""Durations of groups, remembered in the store from run to run.

They only decide what is started first, so an old or foreign entry costs time and never
a result.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_mlff.products import JSON, Entry, find, keep

if TYPE_CHECKING:
    from pytest_mlff.run.needs import ProductName
    from pytest_mlff.scheduling.xdist.groups import Group
    from pytest_mlff.store import Store

_ENTRY = Entry("durations", {"format": 1}, JSON)
# A group taken for shorter than it is may start last and hold up the run; one taken for longer
# only starts early. So growth is believed at once, and a fast run (its pass was in the store)
# only slowly.
_RISE, _FALL = 0.7, 0.2
# Before anything was measured, in seconds: the order is what counts.
_FIRST_GUESS = MappingProxyType(
    {
        "training": 600.0,
        "trajectory": 60.0,
        "pass": 10.0,
        "law": 10.0,
        "data": 1.0,
        "own": 0.1,
        "pooled": 0.1,
    }
)
_MOST = 50_000


@dataclass(frozen=True)
class Durations:
    """What groups took in earlier runs.

    Attributes
    ----------
    seconds : mapping of str to float
        By the group's name; of own tests per item, of everything else for the whole group.
    """

    seconds: Mapping[str, float] = field(default_factory=dict)

    def estimate(self, group: Group) -> float:
        """Seconds that a group will take; of an unknown one the median of its kind."""
        known = self.seconds.get(str(group.name))
        if known is None:
            known = self._typical.get(group.name.kind, _FIRST_GUESS[group.name.kind])
        return known * _times(group)

    @cached_property
    def _typical(self) -> dict[str, float]:
        return _by_kind(self.seconds)

    def in_order(self, groups: Iterable[Group]) -> list[Group]:
        """Longest first; an unknown group before every known one of its kind.

        The kind's longest known duration stands for an unknown group, so that a long one
        cannot hide at the end, and yet a new law does not push back a training of an hour.
        """
        groups = list(groups)
        longest: dict[str, float] = {}
        known: dict[int, float] = {}
        for number, group in enumerate(groups):
            seconds = self.seconds.get(str(group.name))
            if seconds is None:
                continue
            kind = group.name.kind
            known[number] = seconds * _times(group)
            longest[kind] = max(longest.get(kind, 0.0), known[number])

        def key(number: int) -> tuple[bool, float, bool, int]:
            group = groups[number]
            # What reads the passes of all others has nothing to read before them.
            last = group.name.kind == "pooled"
            seconds = known.get(number)
            if seconds is None:
                seconds = max(self.estimate(group), longest.get(group.name.kind, 0.0))
            return last, -seconds, number in known, number

        return [groups[number] for number in sorted(range(len(groups)), key=key)]

    def updated(self, measured: Mapping[ProductName, float]) -> Durations:
        """Durations after a run: exponential average, quick to grow and slow to shrink.

        Parameters
        ----------
        measured : mapping of Need to float
            Seconds; of own tests per item.
        """
        seconds = dict(self.seconds)
        for name, value in measured.items():
            if not (math.isfinite(value) and value >= 0):
                continue
            text = str(name)
            old = seconds.pop(text, None)  # what was measured last stands last
            weight = 1.0 if old is None else _RISE if value > old else _FALL
            seconds[text] = value if old is None else old + weight * (value - old)
        for text in list(seconds)[: max(0, len(seconds) - _MOST)]:
            del seconds[text]
        return Durations(seconds)


def _times(group: Group) -> int:
    return len(group.items) if group.name.kind == "own" else 1


def _by_kind(seconds: Mapping[str, float]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for text, value in seconds.items():
        found.setdefault(text.partition(":")[0], []).append(value)
    return {kind: statistics.median(values) for kind, values in found.items()}


def read_durations(store: Store) -> Durations:
    """What the store remembers; nothing if its entry is absent or makes no sense."""
    found = find(store, _ENTRY)
    listed = found.get("seconds") if found else None
    if not isinstance(listed, list):
        return Durations()
    seconds = {}
    for entry in listed:
        if isinstance(entry, list) and len(entry) == 2:
            text, value = entry
            if isinstance(text, str) and isinstance(value, int | float) and 0 <= value < math.inf:
                seconds[text] = float(value)
    return Durations(seconds)


def remember(store: Store, measured: Mapping[ProductName, float]) -> bool:
    """Take a run's durations into the store.

    Returns
    -------
    bool
        False if the store cannot be written; no run fails for that.
    """
    if not measured:
        return True
    with store.lock(_ENTRY.kind, _ENTRY.key):
        after = read_durations(store).updated(measured)
        # A list keeps the order, which the store's sorted keys would not.
        return keep(store, _ENTRY, {"seconds": [list(pair) for pair in after.seconds.items()]})
