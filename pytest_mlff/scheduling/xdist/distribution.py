"""What the plugin's xdist hooks do, one function each."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pytest_mlff.scheduling.xdist.durations import read_durations, remember
from pytest_mlff.scheduling.xdist.groups import cut_own_tests, finder, group_items
from pytest_mlff.scheduling.xdist.idle import announce_idle

if TYPE_CHECKING:
    import pytest

    from pytest_mlff.potentials.process import Offer
    from pytest_mlff.run.needs import ProductName
    from pytest_mlff.run.session import Session
    from pytest_mlff.scheduling.xdist.groups import Group
    from pytest_mlff.scheduling.xdist.scheduler import GroupScheduling

_OPENS, _OFFERED = "mlff_opens", "mlff_offered"


def is_ours(config: pytest.Config) -> bool:
    """Whether items are ours to distribute: xdist's default, and not a mode the user chose."""
    return bool(config.getoption("dist", "no") == "load")


def prepare_worker(
    config: pytest.Config, workerinput: dict[str, Any], *, opens: bool, offer: Offer | None
) -> None:
    """Before a worker starts: tell it what is expected of it."""
    workerinput[_OPENS] = opens
    workerinput[_OFFERED] = None if offer is None else offer.address
    if is_ours(config):
        announce_idle(workerinput)


def opens_models(config: pytest.Config) -> bool:
    """Whether this process opens the models before the first case, to see whether they are sound.

    Opening one takes longer than most suites, so it is left to a process that has use for them.
    """
    if hasattr(config, "workerinput"):
        return bool(config.workerinput.get(_OPENS))
    return not config.pluginmanager.hasplugin("dsession")


def offered_to(config: pytest.Config) -> str | None:
    """Address of a process that loads a model for this worker; None in other processes."""
    found: str | None = getattr(config, "workerinput", {}).get(_OFFERED)
    return found


def make_scheduler(
    session: Session, config: pytest.Config, openers: Sequence[str], since: float | None
) -> GroupScheduling | None:
    """The scheduler of an active run; None where the user chose another mode of ``--dist``.

    Parameters
    ----------
    session, config
        The run.
    openers : sequence of str
        Ids of the workers that open the models before they collect.
    since : float or None
        Where a model was begun to be opened before it was up: when, on the monotonic clock.
    """
    if not is_ours(config):
        return None
    from xdist.workermanage import parse_tx_spec_config

    from pytest_mlff.scheduling.xdist.opener import Opener
    from pytest_mlff.scheduling.xdist.scheduler import GroupScheduling

    workers = len(parse_tx_spec_config(config))

    def arrange(nodeids: Sequence[str]) -> list[Group]:
        durations = read_durations(session.evaluation.passes.store)
        groups = group_items(nodeids, finder(session))
        return durations.in_order(cut_own_tests(groups, workers, durations.estimate))

    def wake(seconds: float) -> None:
        # Through the queue, so that the scheduler runs in one thread.
        queue = config.pluginmanager.getplugin("dsession").queue
        event = ("unscheduled", {"node": None, "indices": ()})
        timer = threading.Timer(seconds, queue.put, [event])
        timer.daemon = True
        timer.start()

    return GroupScheduling(config, workers, arrange, Opener(openers, wake, since=since))


class Stopwatch:
    """Takes the time of every item from its reports, with xdist or without."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._ended: dict[str, bool] = {}

    def note(self, report: pytest.TestReport) -> None:
        """Take in one phase of an item."""
        nodeid = report.nodeid
        if report.outcome == "rerun":  # type: ignore[comparison-overlap]
            self._seconds.pop(nodeid, None)
            return
        self._seconds[nodeid] = self._seconds.get(nodeid, 0.0) + report.duration
        if report.when == "teardown":
            self._ended.setdefault(nodeid, True)
        elif report.when not in ("setup", "call"):
            self._ended[nodeid] = False  # its worker died; the time is that of a crash

    def by_group(self, session: Session, nodeids: Iterable[str]) -> dict[ProductName, float]:
        """Seconds of every group of which each item has run to its end.

        Parameters
        ----------
        session : Session
            The run.
        nodeids : iterable of str
            All items that were collected; those of a group that was cut short give nothing.
        """
        listed = list(nodeids)
        measured: dict[ProductName, float] = {}
        for group in group_items(listed, finder(session)):
            ids = [listed[position] for position in group.items]
            if group.name.kind == "own":
                ids = [one for one in ids if self._ended.get(one)]
            if not ids or not all(self._ended.get(one) for one in ids):
                continue
            seconds = sum(self._seconds[one] for one in ids)
            measured[group.name] = seconds / len(ids) if group.name.kind == "own" else seconds
        return measured

    def finish(self, session: Session) -> bool:
        """Remember what groups took.

        Returns
        -------
        bool
            False if the store cannot be written.
        """
        if not self._seconds:
            return True
        seen = dict.fromkeys((*session.expected, *self._seconds))
        return remember(session.evaluation.passes.store, self.by_group(session, seen))
