"""The workers that have the models open, and for how long the others leave cases to them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pytest_mlff.run.needs import LAW_RUN, PASS, POOLED

if TYPE_CHECKING:
    from pytest_mlff.scheduling.xdist.groups import Group

_OF_OPEN_MODELS: Final = frozenset({PASS, LAW_RUN, POOLED})


@dataclass
class Opener:
    """The workers that have the models open, and for how long the others leave cases to them.

    A model that takes ten seconds to open is not opened a second time for cases that take five.
    How long opening takes is seen at the start: by so much the first of these has collected later
    than another, or than opening was begun. The others begin once the run has gone on for that
    long and looks as if it would go on for twice as long: with less, opening saves less than a
    quarter of what is left.

    Parameters
    ----------
    names : sequence of str
        Their ids; none where all workers are alike.
    wake : callable
        Has the scheduler look up again after some seconds.
    clock : callable
        Seconds.
    since : float or None
        When opening began, if before any worker was up.
    """

    names: Sequence[str] = ()
    wake: Callable[[float], None] | None = None
    clock: Callable[[], float] = time.monotonic
    since: float | None = None
    _first: float | None = field(default=None, init=False)
    _start: float = field(default=0.0, init=False)
    _patience: float = field(default=0.0, init=False)
    _taken: int = field(default=0, init=False)

    def collected(self, name: str) -> None:
        """A worker has collected."""
        now = self.clock()
        self._first = now if self._first is None else self._first
        if self.names and name == self.names[0]:
            self._patience = now - (self._first if self.since is None else self.since)

    def begin(self) -> None:
        """Work is given out from now on."""
        self._start = self.clock()
        self.look_up_later()

    def look_up_later(self) -> None:
        """Nothing may be heard of a long case for long."""
        if self.wake is not None and self._patience > 0:
            self.wake(self._patience)

    def takes(self) -> None:
        """A group was given out."""
        self._taken += 1

    def keeps(self, group: Group, worker: str, left: int, workers: Collection[str]) -> bool:
        """Whether a worker had better leave a group to these.

        Parameters
        ----------
        group, worker
            The group, and the worker's id.
        left : int
            How many groups wait.
        workers : collection of str
            Ids of those that are up.
        """
        has_them = worker in self.names or not self.names
        if has_them or group.name.kind not in _OF_OPEN_MODELS or self._patience <= 0:
            return False
        gone = self.clock() - self._start
        left_over = gone * left / max(1, self._taken)
        short = gone < self._patience or left_over < 2 * self._patience
        return short and not set(self.names).isdisjoint(workers)
