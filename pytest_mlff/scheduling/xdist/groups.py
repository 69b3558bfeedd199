"""Groups: items that share a prediction pass or a training, and are run by one worker.

A model with fixed weights shares one pass per set of test frames, whichever variant or
spec asks for it; a recipe shares one training per set of training frames, whatever it is
tested on; what needs no model shares the frames (`pytest_mlff.run.needs`). Cases over all
variants of a spec read the passes of its other cases from the store, so they come last. Laws of a
fixed model share nothing and stand alone. A repository's own tests are cut into runs of neighbours
from one file, short enough to keep every worker busy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from pytest_mlff.run.needs import ProductName, needs_of
from pytest_mlff.run.planned_case import LAW

if TYPE_CHECKING:
    from pytest_mlff.run.planned_case import PlannedCase
    from pytest_mlff.run.session import Session

OWN = "own"
# Chunks of own tests per worker: few enough to keep module fixtures alive, enough to even out.
_CHUNKS_PER_WORKER = 4


@dataclass(frozen=True, slots=True)
class Group:
    """Items that one worker runs one after the other.

    Attributes
    ----------
    name : Need
        What they share.
    items : tuple of int
        Positions in the collection, ascending.
    """

    name: ProductName
    items: tuple[int, ...]


def finder(session: Session) -> Callable[[str], PlannedCase | None]:
    """A function from the id of an item to its case, None where it has none.

    A repository's own test with ``mlff_case`` or ``mlff_predictions`` as its only parameter has
    one, too: it reads the same prediction pass.
    """
    several = session.several_models
    cases = [one for one in session.by_nodeid.values() if one.function != LAW]
    by_label = {one.set_label(several): one for one in cases} | {
        one.label(several): one for one in cases
    }

    def find(nodeid: str) -> PlannedCase | None:
        known = session.by_nodeid.get(nodeid)
        if known is not None:
            return known
        label = nodeid.partition("[")[2]
        return by_label.get(label[:-1]) if label.endswith("]") else None

    return find


def group_items(nodeids: Sequence[str], find: Callable[[str], PlannedCase | None]) -> list[Group]:
    """Sort collected items into groups, those of a file's own tests still in one piece.

    Parameters
    ----------
    nodeids : sequence of str
        The collection.
    find : callable
        From :func:`finder`.

    Returns
    -------
    list of Group
        In the order of their first items; each item is in exactly one of them.
    """
    found: dict[ProductName, list[int]] = {}
    for position, nodeid in enumerate(nodeids):
        one = find(nodeid)
        name = ProductName(OWN, nodeid.partition("::")[0]) if one is None else needs_of(one)[0]
        found.setdefault(name, []).append(position)
    return [Group(name, tuple(items)) for name, items in found.items()]


def cut_own_tests(
    groups: Iterable[Group], workers: int, seconds: Callable[[Group], float]
) -> list[Group]:
    """Cut a repository's own tests into runs of neighbours, none longer than a fair share.

    A file is cut until no piece holds more than a quarter of a worker's share of the own
    tests, by count and by estimated time; other groups stay whole.

    Parameters
    ----------
    groups : iterable of Group
        From :func:`group_items`.
    workers : int
        How many workers there are.
    seconds : callable
        Estimated duration of a group.
    """
    groups = list(groups)
    own = [group for group in groups if group.name.kind == OWN]
    share = _CHUNKS_PER_WORKER * max(1, workers)
    count = sum(len(group.items) for group in own)
    total = sum(seconds(group) for group in own)
    cut: list[Group] = []
    for group in groups:
        if group.name.kind != OWN:
            cut.append(group)
            continue
        size = len(group.items)
        part = max(size / count, seconds(group) / total if total > 0 else 0.0)
        pieces = min(size, math.ceil(part * share))
        bounds = [size * k // pieces for k in range(pieces + 1)]
        cut += [replace(group, items=group.items[first:last]) for first, last in pairwise(bounds)]
    return cut
