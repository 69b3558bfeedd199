"""The idle item: what an xdist worker waits with, so that it never holds work back.

A worker runs an item only once it knows the next, because it must know which fixtures to
keep. The last item of a group would therefore wait for the first of another, which would be
bound to this worker from then on, however long the first takes. The idle item stands in for
"next": it runs nothing, is reported nowhere, and leaves the choice of the next group to the
moment when the worker is free.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import pytest

_ANNOUNCED = "mlff_idle"


class IdleItem(pytest.Item):
    """Nothing to do."""

    def runtest(self) -> None:
        """Never called."""
        raise AssertionError("the idle item was run")


def announce_idle(workerinput: MutableMapping[str, Any]) -> None:
    """Tell a worker, before it starts, that its scheduler uses the idle item."""
    workerinput[_ANNOUNCED] = True


def add_idle(session: pytest.Session) -> None:
    """In a worker, put the idle item behind those that were collected.

    The controller has been told of the collection by then; it addresses the idle item by
    the first position after it. Other schedulers, which know no such item, see none.
    """
    if not getattr(session.config, "workerinput", {}).get(_ANNOUNCED):
        return
    session.items.append(IdleItem.from_parent(session, name="idle", nodeid="mlff idle"))


def run_idle(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Take over the protocol of the idle item, and of no other.

    Returns
    -------
    bool or None
        True for the idle item; None leaves the item to others.
    """
    if not isinstance(item, IdleItem):
        return None
    if nextitem is None:
        # The last real item kept the fixtures of the session for a next one that never came.
        # Taken down here, what goes wrong is reported as an error of a test would be.
        setup_state = item.session._setupstate
        call = pytest.CallInfo.from_call(lambda: setup_state.teardown_exact(None), "teardown")
        if call.excinfo is not None:
            report = pytest.TestReport.from_item_and_call(item, call)
            item.ihook.pytest_runtest_logreport(report=report)
    return True
