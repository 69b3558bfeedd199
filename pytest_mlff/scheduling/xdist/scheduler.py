"""The scheduler: whole groups, longest first, pulled by whichever worker is free.

A worker gets a group when it has finished the last one and not earlier, so that no group
that has not started waits behind another while some worker idles. Greedy list scheduling in
order of falling length: at most 4/3 of the best possible time (R. L. Graham, SIAM J. Appl.
Math. 17, 416, 1969), and close to it where groups are many.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import pytest

from pytest_mlff.run.needs import ProductName
from pytest_mlff.scheduling.xdist.groups import Group
from pytest_mlff.scheduling.xdist.opener import Opener

# Items a worker holds at a time: the one that runs, the next, which it must know, and one more,
# so that it does not wait for the controller in between. What it does not hold is not run after
# a -x, and goes to another worker if this one dies.
_WINDOW = 3


class Node(Protocol):
    """What the scheduler needs of an ``xdist.workermanage.WorkerController``."""

    @property
    def gateway(self) -> Any:
        """Its execnet gateway; ``gateway.id`` names the worker."""

    @property
    def shutting_down(self) -> bool:
        """Whether it was told to end, or has ended."""

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        """Queue items by their positions in the collection."""

    def shutdown(self) -> None:
        """Let it end once its queue is empty."""


@dataclass
class _Load:
    """What one worker has to do."""

    group: Group | None = None
    sent: deque[int] = field(default_factory=deque)
    rest: deque[int] = field(default_factory=deque)

    @property
    def done(self) -> bool:
        return not self.sent and not self.rest


class GroupScheduling:
    """Distributes groups over xdist workers (``xdist.scheduler.Scheduling``).

    Parameters
    ----------
    config : pytest.Config
        For reports of collections that differ.
    workers : int
        How many workers collect before work is given out.
    arrange : callable
        From the collected ids to the groups, in the order in which they are to start.
    opener : Opener, optional
        The worker that has the models open.
    """

    def __init__(
        self,
        config: pytest.Config,
        workers: int,
        arrange: Callable[[Sequence[str]], Iterable[Group]],
        opener: Opener | None = None,
    ) -> None:
        self.config = config
        self.workers = workers
        self.collection: list[str] | None = None
        self._arrange = arrange
        self._opener = opener or Opener()
        self._queue: deque[Group] = deque()
        self._loads: dict[Node, _Load] = {}
        self._collections: dict[Node, list[str]] = {}
        self._differs = False

    @property
    def nodes(self) -> list[Node]:
        """Workers that are up."""
        return list(self._loads)

    @property
    def collection_is_completed(self) -> bool:
        """Whether every worker of the start has collected."""
        return self.collection is not None or len(self._collections) >= self.workers

    @property
    def has_pending(self) -> bool:
        """Whether there is anything left to run."""
        return bool(self._queue) or not all(load.done for load in self._loads.values())

    @property
    def tests_finished(self) -> bool:
        """Whether everything was run, or nothing can be."""
        return self._differs or (self.collection is not None and not self.has_pending)

    def add_node(self, node: Node) -> None:
        """Take in a worker that is up; it has yet to collect."""
        self._loads[node] = _Load()

    def add_node_collection(self, node: Node, collection: Sequence[str]) -> None:
        """Take in what a worker has collected.

        A late one, which replaces a dead one, must have collected the same; if not, the run
        ends with an error that shows the difference.
        """
        if self.collection is not None and not self._same("the others", self.collection, node,
                                                          collection):  # fmt: skip
            return
        self._collections[node] = list(collection)
        if self.collection is None:
            self._opener.collected(node.gateway.id)

    def _same(self, first: str, known: Sequence[str], node: Node, other: Sequence[str]) -> bool:
        from xdist.report import report_collection_diff

        message = report_collection_diff(list(known), list(other), first, node.gateway.id)
        if not message:
            return True
        self._differs = True
        report = pytest.CollectReport(node.gateway.id, "failed", longrepr=message, result=[])
        self.config.hook.pytest_collectreport(report=report)
        return False

    def schedule(self) -> None:
        """Give out work, at the start and whenever a worker was replaced."""
        if self.collection is None:
            (first, known), *others = self._collections.items()
            same = [self._same(first.gateway.id, known, node, ids) for node, ids in others]
            if not all(same):
                return
            self.collection = known
            self._queue.extend(self._arrange(known))
            self._opener.begin()
        self._feed_all()

    def mark_test_complete(self, node: Node, item_index: int, duration: float = 0) -> None:  # noqa: ARG002
        """Note that a worker has finished an item, and give it more."""
        load = self._loads[node]
        if item_index in load.sent:  # the idle item is in no one's load
            load.sent.remove(item_index)
            self._feed(node)
            self._feed_all()  # those that left their work to this one

    def mark_test_pending(self, item: str) -> None:
        """Run an item again, before anything else that waits."""
        if self.collection is None:
            raise ValueError(f"{item}: nothing was collected yet")
        position = self.collection.index(item)
        self._queue.appendleft(Group(ProductName("own", item), (position,)))
        self._feed_all()

    def remove_pending_tests_from_node(self, node: object, indices: Sequence[int]) -> None:  # noqa: ARG002
        """Look up: no worker is ever asked to give items back, so xdist has no other use for it."""
        self._feed_all()
        if self._queue:
            self._opener.look_up_later()

    def remove_node(self, node: Node) -> str | None:
        """Take a worker out that has ended or died; its unfinished items go back.

        Returns
        -------
        str or None
            Id of the item that it died in; that one does not go back.

        Raises
        ------
        KeyError
            If the worker never came up.
        """
        load = self._loads.pop(node)
        self._collections.pop(node, None)
        if load.group is None or load.done or self.collection is None:
            return None
        crashed = self.collection[load.sent.popleft()] if load.sent else None
        left = (*load.sent, *load.rest)
        if left:
            self._queue.appendleft(replace(load.group, items=left))
            self._feed_all()
        return crashed

    def _feed_all(self) -> None:
        for node in self.nodes:
            self._feed(node)

    def _may_take(self, node: Node, group: Group) -> bool:
        workers = {one.gateway.id for one in self._loads}
        return not self._opener.keeps(group, node.gateway.id, len(self._queue), workers)

    def _feed(self, node: Node) -> None:
        load = self._loads[node]
        if node.shutting_down or self.collection is None or node not in self._collections:
            return
        if load.done:
            if not self._queue:
                node.shutdown()
                return
            group = next((one for one in self._queue if self._may_take(node, one)), None)
            if group is None:
                return
            self._queue.remove(group)
            self._opener.takes()
            load.group = group
            load.rest.extend(group.items)
        batch: list[int] = []
        while load.rest and len(load.sent) + len(batch) < _WINDOW:
            batch.append(load.rest.popleft())
        if not batch:
            return
        idle = [] if load.rest else [len(self.collection)]
        try:
            node.send_runtest_some([*batch, *idle])
        except OSError:
            # It has died, and word of it is on its way; what it never got goes back then.
            load.rest.extendleft(reversed(batch))
        else:
            load.sent.extend(batch)
