"""xdist workers on a virtual clock: the protocol of ``xdist.remote`` without processes.

A worker takes an item out of its queue as "next", and starts it only once it knows the one
after it, or that there is none. That look-ahead is what makes scheduling hard.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_mlff.scheduling.xdist.scheduler import GroupScheduling

SHUTDOWN = -1


@dataclass(eq=False)
class FakeWorker:
    """One worker; the scheduler's side of it are the four names of ``Node``."""

    name: str
    cluster: Cluster
    queue: deque[int] = field(default_factory=deque)
    following: int | None = None
    running: int | None = None
    told_to_end: bool = False
    dead: bool = False
    unreachable: bool = False
    received: list[int] = field(default_factory=list)

    @property
    def gateway(self) -> Any:
        return SimpleNamespace(id=self.name)

    @property
    def shutting_down(self) -> bool:
        return self.told_to_end or self.dead

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        if self.dead or self.unreachable:
            raise OSError("cannot send (already closed?)")
        self.received.extend(indices)
        self.cluster.later(self.cluster.latency, self.deliver, list(indices))

    def shutdown(self) -> None:
        if not self.shutting_down:
            self.told_to_end = True
            self.cluster.later(self.cluster.latency, self.deliver, [SHUTDOWN])

    def deliver(self, indices: Iterable[int]) -> None:
        self.queue.extend(indices)
        self.advance()

    def advance(self) -> None:
        if self.dead or self.running is not None:
            return
        if self.following is None and self.queue:
            self.following = self.queue.popleft()
        if self.following == SHUTDOWN:
            self.dead = True
            self.cluster.later(self.cluster.latency, self.cluster.finished, self)
        elif self.following is not None and self.queue:
            self.running, self.following = self.following, self.queue.popleft()
            self.cluster.start(self, self.running)

    def end(self, item: int) -> None:
        if self.dead:
            return
        self.running = None
        self.cluster.ended(self, item)
        self.advance()


class Cluster:
    """Workers, a clock, and the part of ``xdist.dsession.DSession`` that drives a scheduler.

    Parameters
    ----------
    seconds : sequence of float
        Duration of each item.
    latency : float
        Seconds that a message takes, either way.
    """

    def __init__(self, seconds: Sequence[float], latency: float = 0.0) -> None:
        self.seconds = seconds
        self.latency = latency
        self.now = 0.0
        self.workers: list[FakeWorker] = []
        self.runs: list[tuple[str, int, float, float]] = []
        self.crashed: list[str] = []
        self.kill_in: set[int] = set()
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._number = count()
        self._ids = [f"item{position}" for position in range(len(seconds))]

    def later(self, delay: float, call: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(self._events, (self.now + delay, next(self._number), call, arguments))

    def start(self, worker: FakeWorker, item: int) -> None:
        if item >= len(self.seconds):  # the idle item
            self.later(0.0, worker.end, item)
        elif item in self.kill_in:
            self.kill_in.discard(item)
            self.later(self.seconds[item] / 2, self.kill, worker)
        else:
            self.runs.append((worker.name, item, self.now, self.now + self.seconds[item]))
            self.later(self.seconds[item], worker.end, item)

    def ended(self, worker: FakeWorker, item: int) -> None:
        self.later(self.latency, self._told, worker, item)

    def _told(self, worker: FakeWorker, item: int) -> None:
        if worker in self.scheduler.nodes:
            self.scheduler.mark_test_complete(worker, item, 0.0)

    def finished(self, worker: FakeWorker) -> None:
        if worker in self.scheduler.nodes:
            lost = self.scheduler.remove_node(worker)
            assert lost is None, f"{worker.name} ended, but {lost} is said to have killed it"

    def kill(self, worker: FakeWorker) -> None:
        worker.dead = True
        self.later(self.latency, self._down, worker)

    def shut_down_all(self) -> None:
        """What ``-x`` does to the workers that did not fail."""
        for worker in self.workers:
            worker.shutdown()

    def _down(self, worker: FakeWorker) -> None:
        crashed = self.scheduler.remove_node(worker)
        if crashed is not None:
            self.crashed.append(crashed)
        self._up(f"{worker.name}'")
        self.scheduler.schedule()

    def _up(self, name: str) -> FakeWorker:
        worker = FakeWorker(name, self)
        self.workers.append(worker)
        self.scheduler.add_node(worker)
        self.scheduler.add_node_collection(worker, self._ids)
        return worker

    def run(self, scheduler: GroupScheduling, late: float = 0.0) -> float:
        """Run everything, the first worker collecting late; the makespan."""
        self.scheduler = scheduler
        for number in reversed(range(scheduler.workers)):
            self.now += 0.0 if number else late
            self._up(f"gw{number}")
        scheduler.schedule()
        while self._events:
            self.now, _, call, arguments = heapq.heappop(self._events)
            call(*arguments)
        return max((end for *_, end in self.runs), default=0.0)
