"""A worker whose GPU context is lost is replaced, and the case that it was in is run once more.

Nothing that a process asks of a GPU after such an error can succeed, so the worker tells the
controller and ends at once. Word travels as a report with the outcome ``rerun``, which counts
as nothing; xdist then finds the worker dead and asks what is to become of its case.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_mlff.potentials.failures import poison_of
from pytest_mlff.reports.properties import PREFIX
from pytest_mlff.run.needs import PASS, ProductName, needs_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from xdist.scheduler import Scheduling

    from pytest_mlff.run.session import Session

__all__ = ["Restarts", "leave_if_lost", "pass_finder", "status_of"]

_WORD: Final = f"{PREFIX}context_lost"
_EXIT_CODE: Final = 70
_OURS: Final = frozenset({"mlff_case", "mlff_model", "mlff_predictions", "mlff_structures"})
_RERUN: Final[Any] = "rerun"  # as pytest-rerunfailures and xdist's documentation call it


def _word(report: pytest.TestReport) -> str | None:
    return next((str(value) for name, value in report.user_properties if name == _WORD), None)


def leave_if_lost(
    session: Session,
    item: pytest.Item,
    call: pytest.CallInfo[None],
    leave: Callable[[int], object] = os._exit,
) -> None:
    """In a worker, end the process if a case or a test of the model has lost the GPU's context.

    Parameters
    ----------
    session : Session
        The worker's run.
    item : Item
        What has just gone through a phase, of which nothing was reported yet.
    call : CallInfo
        The phase. What is lost during teardown costs the next item a try, for this one is
        measured.
    leave : callable
        Ends the process without a clean-up that would wait for the GPU.
    """
    if call.when == "teardown":
        return
    if not session.is_case(item.nodeid) and _OURS.isdisjoint(getattr(item, "fixturenames", ())):
        return
    reason = session.evaluation.models.contexts.reason
    if reason is None and call.excinfo is not None:
        reason = poison_of(call.excinfo.value)
    if reason is None:
        return
    when: Any = call.when
    word = pytest.TestReport(
        item.nodeid, item.location, {}, _RERUN, None, when, user_properties=[(_WORD, reason)]
    )
    # xdist writes it to the pipe before this returns.
    item.ihook.pytest_runtest_logreport(report=word)
    leave(_EXIT_CODE)


def status_of(report: pytest.CollectReport | pytest.TestReport) -> object | None:
    """How the terminal shows our own reruns; None for all other reports.

    Returns
    -------
    tuple or None
        Category, letter and word of ``pytest_report_teststatus``.
    """
    if report.outcome != _RERUN or not isinstance(report, pytest.TestReport):
        return None
    if _word(report) is None:
        return None
    if report.when in ("setup", "call"):
        return "", "", ""  # the word of the worker; that of xdist follows
    return _RERUN, "R", ("RERUN", {"yellow": True})


def pass_finder(session: Session) -> Callable[[str], ProductName | None]:
    """From the id of a case to the prediction pass that it shares; None for everything else.

    A repository's own tests may read the same pass and lose the GPU's context by something else.
    """

    def pass_of(nodeid: str) -> ProductName | None:
        one = session.by_nodeid.get(nodeid)
        first = None if one is None else needs_of(one)[0]
        return first if first is not None and first.kind == PASS else None

    return pass_of


def _put_back(sched: Any, nodeid: str) -> bool:
    """Whether a scheduler has put the item that crashed back by itself, as those by scope do."""
    loads = [getattr(sched, "workqueue", {}), *getattr(sched, "assigned_work", {}).values()]
    return any(unit.get(nodeid) is False for load in loads for unit in load.values())


class Restarts:
    """In the controller: workers that said why they would die, and what became of their cases.

    Parameters
    ----------
    pass_of : callable
        From the id of an item to the prediction pass that it shares, see :func:`pass_finder`.

    Attributes
    ----------
    lines : list of str
        What the user is to be told of cases that were run again.
    """

    def __init__(self, pass_of: Callable[[str], ProductName | None]) -> None:
        self.lines: list[str] = []
        self._pass_of = pass_of
        self._words: dict[str, str] = {}
        self._first: dict[str, str] = {}
        self._red: set[str] = set()
        self._given_up: dict[ProductName, str] = {}
        self._superseded: list[pytest.TestReport] = []
        self._down = 0

    def note(self, report: pytest.TestReport) -> None:
        """Take in the word of a worker that is about to end."""
        reason = _word(report) if report.outcome == _RERUN else None
        if reason is not None and report.when in ("setup", "call"):
            self._words[report.nodeid] = reason

    def note_down(self, error: object | None) -> None:
        """Count workers as xdist does, which replaces no more than ``--max-worker-restart``."""
        self._down += error is not None

    def handle(self, report: pytest.TestReport, sched: Scheduling) -> bool | None:
        """Decide on a case whose worker died: once it is run again, the second time it is red.

        Parameters
        ----------
        report : TestReport
            That of the crash, which is changed.
        sched : Scheduling
            xdist's, or our own.

        Returns
        -------
        bool or None
            None for a worker that died without a word, which is left to other plugins.
        """
        nodeid = report.nodeid
        reason = self._words.pop(nodeid, None)
        if reason is None:
            return None
        worker: str = report.node.gateway.id
        group = self._pass_of(nodeid)
        if nodeid in self._red:
            self._supersede(report, reason)  # told already, and put back by xdist nonetheless
            return True
        if nodeid in self._first:
            first = self._first[nodeid]
            line = f"the GPU's context was lost in {first} and again in {worker} ({reason})"
            if group is not None:
                self._given_up.setdefault(group, f"not predicted: in {nodeid}, {line}")
        elif group in self._given_up:
            line = self._given_up[group]
        else:
            self._first[nodeid] = worker
            why_not = self._run_again(nodeid, sched)
            if why_not is None:
                self._supersede(report, reason)
                self.lines.append(
                    f"{worker} lost the GPU's context ({reason}) and was replaced; what it was in "
                    f"was to be run again: {nodeid}"
                )
                return True
            line = f"the GPU's context was lost in {worker} ({reason}), and {why_not}"
        report.longrepr = line
        self._red.add(nodeid)
        for unit in getattr(sched, "workqueue", {}).values():
            if nodeid in unit:  # as in _put_back: it counts as finished
                unit[nodeid] = True
        if group in self._given_up:
            self._withdraw(group, sched)
        return True

    def _run_again(self, nodeid: str, sched: Scheduling) -> str | None:
        """Have it run again; if that cannot be, why."""
        from xdist.dsession import get_default_max_worker_restart

        most = get_default_max_worker_restart(sched.config)
        if most is not None and self._down > most:
            return f"xdist replaces no more than {most} workers (--max-worker-restart)"
        try:
            sched.mark_test_pending(nodeid)
        except NotImplementedError:
            if _put_back(sched, nodeid):
                return None
            return f"--dist={sched.config.getoption('dist')} runs nothing again"
        return None

    def _supersede(self, report: pytest.TestReport, reason: str) -> None:
        """Let the report of a crash count as nothing."""
        report.outcome = _RERUN
        report.longrepr = None
        report.user_properties.append((_WORD, reason))
        self._superseded.append(report)

    def _withdraw(self, group: ProductName, sched: Scheduling) -> None:
        """No more workers for a pass that has cost one case two of them.

        What waits for the same predictions would end as that case did, two workers each.
        """
        withdraw = getattr(sched, "withdraw", None)
        if withdraw is None:  # a mode of --dist that is not ours
            return
        for nodeid in withdraw({one for one in sched.collection if self._pass_of(one) == group}):
            place = nodeid.partition("::")[0]
            when: Any = "???"  # as xdist's report of a crash has it: no phase
            report = pytest.TestReport(
                nodeid, (place, None, place), {}, "failed", self._given_up[group], when
            )
            sched.config.hook.pytest_runtest_logreport(report=report)

    def finish(self, config: pytest.Config) -> None:
        """Take tries that do not count out of JUnit, which has begun an entry for each."""
        from _pytest.junitxml import xml_key

        junit = config.stash.get(xml_key, None)
        if junit is None:
            return
        for report in self._superseded:
            junit.node_reporters_ordered.remove(junit.node_reporter(report))
        self._superseded.clear()
