"""What becomes of cases whose worker lost its GPU: one more try, and never a third."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from support.fake_workers import Cluster, FakeWorker

from pytest_mlff.run.needs import ProductName
from pytest_mlff.scheduling.gpu.lost import Restarts, leave_if_lost, status_of
from pytest_mlff.scheduling.xdist.distribution import Stopwatch
from pytest_mlff.scheduling.xdist.groups import Group
from pytest_mlff.scheduling.xdist.scheduler import GroupScheduling

if TYPE_CHECKING:
    from collections.abc import Sequence

pytest.importorskip("xdist")

REASON = "CUDA error: device-side assert triggered"


def _no_pass(nodeid: str) -> ProductName | None:
    return None


def _word(nodeid: str, name: str = "mlff.context_lost") -> pytest.TestReport:
    place = (nodeid, None, nodeid)
    outcome: Any = "rerun"
    return pytest.TestReport(
        nodeid, place, {}, outcome, None, "call", user_properties=[(name, REASON)]
    )


def _crash(nodeid: str, worker: str) -> pytest.TestReport:
    when: Any = "???"
    report = pytest.TestReport(nodeid, (nodeid, None, nodeid), {}, "failed", "crashed", when)
    report.node = SimpleNamespace(gateway=SimpleNamespace(id=worker))
    return report


def _config(most: str | None = None, reports: list[Any] | None = None) -> Any:
    hook = SimpleNamespace(
        pytest_runtest_logreport=lambda report: None if reports is None else reports.append(report)
    )
    option = SimpleNamespace(maxworkerrestart=most, numprocesses=None)
    return SimpleNamespace(hook=hook, option=option, getoption={"dist": "each"}.get)


class Pending:
    """A scheduler that takes items back, or says that it cannot."""

    def __init__(self, config: Any, able: bool = True) -> None:
        self.config = config
        self.able = able
        self.marked: list[str] = []

    def mark_test_pending(self, item: str) -> None:
        if not self.able:
            raise NotImplementedError
        self.marked.append(item)


def _die(restarts: Restarts, sched: Any, nodeid: str, worker: str) -> pytest.TestReport:
    restarts.note(_word(nodeid))
    restarts.note_down("Not properly terminated")
    report = _crash(nodeid, worker)
    assert restarts.handle(report, sched)
    return report


def _tries(restarts: Restarts, patience: int = 20) -> int:
    """How often a case is tried that loses the context each time."""
    sched = Pending(_config())
    for number in range(patience):
        if _die(restarts, sched, "one", f"gw{number}").failed:
            return number + 1
    return patience


class Forgetful(Restarts):
    """A mutant that runs such a case again and again."""

    def handle(self, report: pytest.TestReport, sched: Any) -> bool | None:
        self._first.clear()
        return super().handle(report, sched)


class Merciless(Restarts):
    """A mutant that never tries again."""

    def handle(self, report: pytest.TestReport, sched: Any) -> bool | None:
        self._first.setdefault(report.nodeid, "gw")
        return super().handle(report, sched)


def test_a_case_has_two_tries() -> None:
    assert _tries(Restarts(_no_pass)) == 2


@pytest.mark.parametrize("mutant", [Forgetful, Merciless])
def test_more_or_fewer_would_be_noticed(mutant: type[Restarts]) -> None:
    assert _tries(mutant(_no_pass)) != 2


def test_the_second_loss_says_where_and_why() -> None:
    restarts, sched = Restarts(_no_pass), Pending(_config())
    first = _die(restarts, sched, "one", "gw0")
    assert first.outcome == "rerun"
    assert sched.marked == ["one"]
    second = _die(restarts, sched, "one", "gw2")
    assert second.failed
    assert second.longrepr == f"the GPU's context was lost in gw0 and again in gw2 ({REASON})"
    assert _die(restarts, sched, "two", "gw3").outcome == "rerun"
    assert sched.marked == ["one", "two"]
    assert [line.rpartition(" ")[2] for line in restarts.lines] == ["one", "two"]


def test_a_crash_without_a_word_is_left_to_others() -> None:
    restarts, sched = Restarts(_no_pass), Pending(_config())
    restarts.note(_word("one", name="somebody's"))
    report = _crash("one", "gw0")
    assert restarts.handle(report, sched) is None
    assert report.failed
    assert report.longrepr == "crashed"
    assert sched.marked == []


def test_a_scheduler_that_takes_nothing_back() -> None:
    report = _die(Restarts(_no_pass), Pending(_config(), able=False), "one", "gw0")
    assert report.failed
    assert str(report.longrepr).endswith(f"gw0 ({REASON}), and --dist=each runs nothing again")


@pytest.mark.parametrize("most, outcome", [("1", "failed"), ("2", "rerun"), (None, "rerun")])
def test_no_more_workers_than_xdist_replaces(most: str | None, outcome: str) -> None:
    restarts = Restarts(_no_pass)
    restarts.note_down(None)  # that one has ended in order
    restarts.note_down("killed")
    report = _die(restarts, Pending(_config(most)), "one", "gw1")
    assert report.outcome == outcome
    assert outcome == "rerun" or "--max-worker-restart" in str(report.longrepr)


def test_a_scheduler_that_puts_it_back_by_itself_does_so_once() -> None:
    restarts, sched = Restarts(_no_pass), Pending(_config(), able=False)
    unit = {"zero": True, "one": False, "two": False}
    sched.workqueue = {"file": unit}  # type: ignore[attr-defined]
    assert _die(restarts, sched, "one", "gw0").outcome == "rerun"
    assert unit == {"zero": True, "one": False, "two": False}
    assert _die(restarts, sched, "one", "gw1").failed
    assert unit == {"zero": True, "one": True, "two": False}
    # It had been sent to a worker already: told once is enough.
    assert _die(restarts, sched, "one", "gw2").outcome == "rerun"


class Losing(Cluster):
    """Workers of which some lose the GPU in some items, once or always."""

    def __init__(self, seconds: Sequence[float], always: set[int], restarts: Restarts) -> None:
        super().__init__(seconds, latency=0.001)
        self.always = always
        self.restarts = restarts
        self.deaths: list[str] = []
        self.red: list[str] = []

    def start(self, worker: FakeWorker, item: int) -> None:
        if item in self.always:
            self.kill_in.add(item)
        super().start(worker, item)

    def _down(self, worker: FakeWorker) -> None:
        crashed = self.scheduler.remove_node(worker)
        assert crashed is not None
        self.deaths.append(crashed)
        assert len(self.deaths) <= 2 * len(self.seconds), "workers die without end"
        if _die(self.restarts, self.scheduler, crashed, worker.name).failed:
            self.red.append(crashed)
        self._up(f"{worker.name}'")
        self.scheduler.schedule()


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_lost_and_nobody_dies_for_a_pass_given_up(seed: int) -> None:
    rng = random.Random(seed)
    groups: list[Group] = []
    count = 0
    for number in range(12):
        size = rng.randint(1, 7)
        items = tuple(range(count, count + size))
        groups.append(Group(ProductName(rng.choice(["pass", "law"]), f"group {number}"), items))
        count += size
    of = {f"item{item}": group.name for group in groups for item in group.items}

    def pass_of(nodeid: str) -> ProductName | None:
        return of[nodeid] if of[nodeid].kind == "pass" else None

    hopeless = {item for item in range(count) if rng.random() < 0.2}
    once = {item for item in range(count) if rng.random() < 0.2} - hopeless
    withdrawn: list[Any] = []
    workers = rng.randint(1, 4)
    restarts = Restarts(pass_of)
    cluster = Losing([rng.random() for _ in range(count)], hopeless, restarts)
    cluster.kill_in |= once
    cluster.run(GroupScheduling(_config(reports=withdrawn), workers, lambda _: groups))

    ran = [item for _, item, *_ in cluster.runs]
    red = [int(name.removeprefix("item")) for name in cluster.red]
    out = [int(report.nodeid.removeprefix("item")) for report in withdrawn]
    assert sorted(ran + red + out) == list(range(count))
    assert all(report.failed and REASON in report.longrepr for report in withdrawn)
    assert not set(ran) & hopeless
    given_up = {of[name] for name in cluster.red} & {one.name for one in groups}
    for group in groups:
        deaths = sum(of[name] == group.name for name in cluster.deaths)
        if group.name.kind == "pass" and set(group.items) & hopeless:
            assert group.name in given_up
            # Each case that was lost once has one more try, till one of them is lost for good.
            assert deaths <= 2 + len(set(group.items) & (hopeless | once))
        elif group.name not in given_up:
            assert not set(group.items) & {*red, *out}
            assert deaths == len(set(group.items) & once)


def test_withdrawn_items_are_those_that_nobody_holds() -> None:
    groups = [
        Group(ProductName("pass", "a"), (0, 1, 2, 3, 4)),
        Group(ProductName("pass", "b"), (5, 6)),
    ]
    cluster = Cluster([1.0] * 7)
    scheduler = GroupScheduling(None, 1, lambda _: groups)  # type: ignore[arg-type]
    scheduler.add_node(worker := FakeWorker("gw0", cluster))
    scheduler.add_node_collection(worker, [f"item{k}" for k in range(7)])
    assert scheduler.withdraw({"item5"}) == []  # nothing is planned yet
    scheduler.schedule()
    assert scheduler.withdraw({"item1", "item4", "item6"}) == ["item6"]
    assert scheduler.withdraw({"item6"}) == []
    assert scheduler.has_pending


def _leave(
    lost: str | None = None, when: str = "call", raised: Exception | None = None, **item: Any
) -> list[Any]:
    seen: list[Any] = []
    session: Any = SimpleNamespace(
        is_case=lambda nodeid: nodeid.startswith("small.yaml"),
        evaluation=SimpleNamespace(models=SimpleNamespace(contexts=SimpleNamespace(reason=lost))),
    )

    def logreport(report: pytest.TestReport) -> None:
        seen.append(report)

    hook = SimpleNamespace(pytest_runtest_logreport=logreport)
    call: Any = SimpleNamespace(
        when=when, excinfo=None if raised is None else SimpleNamespace(value=raised)
    )
    about = {"nodeid": "small.yaml::one", "location": ("small.yaml", 1, "one"), "ihook": hook}
    leave_if_lost(session, SimpleNamespace(**{**about, **item}), call, seen.append)  # type: ignore[arg-type]
    return seen


@pytest.mark.parametrize("when", ["setup", "call"])
def test_a_worker_says_why_and_leaves(when: str) -> None:
    word, code = _leave(REASON, when)
    assert code != 0
    assert word.outcome == "rerun"
    assert not word.failed
    assert word.user_properties == [("mlff.context_lost", REASON)]
    assert word.when == when


@pytest.mark.parametrize(
    "arguments, leaves",
    [
        ({"lost": REASON, "when": "teardown"}, False),
        ({"raised": RuntimeError(f"{REASON}\nadvice")}, True),
        ({"raised": RuntimeError("CUDA error: out of memory")}, False),
        ({"raised": AssertionError("too large")}, False),
        ({}, False),
        ({"lost": REASON, "nodeid": "test_own.py::test_own", "fixturenames": ["tmp_path"]}, False),
        ({"lost": REASON, "nodeid": "test_own.py::test_own", "fixturenames": ["mlff_model"]}, True),
    ],
)
def test_who_leaves(arguments: dict[str, Any], leaves: bool) -> None:
    assert bool(_leave(**arguments)) is leaves


def test_what_the_terminal_shows() -> None:
    assert status_of(_word("one")) == ("", "", "")
    crash = _die(Restarts(_no_pass), Pending(_config()), "one", "gw0")
    assert status_of(crash) == ("rerun", "R", ("RERUN", {"yellow": True}))
    # Another plugin's, and what is no rerun.
    assert status_of(_word("one", name="somebody's")) is None
    assert status_of(_crash("one", "gw0")) is None


def test_the_stopwatch_forgets_a_try_that_does_not_count() -> None:
    watch = Stopwatch()

    def phase(when: Any, outcome: Any, seconds: float) -> pytest.TestReport:
        place = ("a.py", 1, "one")
        return pytest.TestReport("a.py::one", place, {}, outcome, None, when, duration=seconds)

    session: Any = SimpleNamespace(several_models=False, by_nodeid={})
    for report in (
        phase("setup", "passed", 100.0), _word("a.py::one"), phase("???", "rerun", 0.0),
        phase("setup", "passed", 1.0), phase("call", "passed", 2.0), phase("teardown", "passed", 4),
    ):  # fmt: skip
        watch.note(report)
    assert watch.by_group(session, ["a.py::one"]) == {ProductName("own", "a.py"): 7.0}
