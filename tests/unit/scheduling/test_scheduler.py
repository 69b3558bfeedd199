"""The scheduler on workers with a virtual clock."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Any

import pytest
from support.fake_workers import Cluster

from pytest_mlff.run.needs import ProductName
from pytest_mlff.scheduling.xdist.durations import Durations
from pytest_mlff.scheduling.xdist.groups import Group
from pytest_mlff.scheduling.xdist.opener import Opener
from pytest_mlff.scheduling.xdist.scheduler import GroupScheduling

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

pytest.importorskip("xdist")


def make_groups(sizes: Sequence[int]) -> list[Group]:
    bounds = [0, *itertools.accumulate(sizes)]
    return [
        Group(ProductName("pass", f"group {number}"), tuple(range(first, last)))
        for number, (first, last) in enumerate(itertools.pairwise(bounds))
    ]


def seconds_of(groups: Sequence[Group], seconds: Sequence[float]) -> Durations:
    return Durations({str(one.name): sum(seconds[item] for item in one.items) for one in groups})


def longest_first(groups: list[Group], seconds: Sequence[float]) -> list[Group]:
    return seconds_of(groups, seconds).in_order(groups)


def shortest_first(groups: list[Group], seconds: Sequence[float]) -> list[Group]:
    return longest_first(groups, seconds)[::-1]


def scheduling(groups: list[Group], workers: int, config: Any = None) -> GroupScheduling:
    return GroupScheduling(config, workers, lambda _: groups)


def lower_bound(groups: Sequence[Group], seconds: Sequence[float], workers: int) -> float:
    total = [sum(seconds[item] for item in one.items) for one in groups]
    return max(*total, sum(total) / workers)


def heavy_tail(count: int, rng: random.Random) -> tuple[list[Group], list[float]]:
    """Groups of one to four items; the first carries the pass, log-normal over decades."""
    groups = make_groups([rng.randint(1, 4) for _ in range(count)])
    seconds = [0.0] * groups[-1].items[-1:][0] + [0.0]
    for one in groups:
        for item in one.items:
            seconds[item] = 0.02
        seconds[one.items[0]] = rng.lognormvariate(0.0, 1.3)
    return groups, seconds


@pytest.mark.parametrize("workers", [1, 2, 7, 40])
def test_makespan_is_close_to_the_lower_bound(workers: int) -> None:
    groups, seconds = heavy_tail(1000, random.Random(workers))
    cluster = Cluster(seconds, latency=1e-4)
    taken = cluster.run(scheduling(longest_first(groups, seconds), workers))
    assert taken <= 1.05 * lower_bound(groups, seconds, workers)
    assert sorted(item for _, item, *_ in cluster.runs) == list(range(len(seconds)))


@pytest.mark.parametrize(
    "order",
    [shortest_first, lambda groups, _: groups],
    ids=["shortest first", "as collected"],
)
def test_another_order_breaks_the_bound(
    order: Callable[[list[Group], Sequence[float]], list[Group]],
) -> None:
    groups, seconds = heavy_tail(1000, random.Random(40))
    taken = Cluster(seconds).run(scheduling(order(groups, seconds), 40))
    assert taken > 1.05 * lower_bound(groups, seconds, 40)


def _best(total: Sequence[float], workers: int) -> float:
    """Shortest makespan of all assignments, by trying them."""
    best = float("inf")
    for places in itertools.product(range(workers), repeat=len(total)):
        loads = [0.0] * workers
        for place, seconds in zip(places, total, strict=True):
            loads[place] += seconds
        best = min(best, max(loads))
    return best


@pytest.mark.parametrize("seed", range(20))
def test_few_groups_keep_grahams_bound(seed: int) -> None:
    rng = random.Random(seed)
    workers = rng.choice([2, 3])
    groups = make_groups([rng.randint(1, 3) for _ in range(7)])
    seconds = [rng.lognormvariate(0, 1) for _ in range(groups[-1].items[-1] + 1)]
    taken = Cluster(seconds).run(scheduling(longest_first(groups, seconds), workers))
    total = [sum(seconds[item] for item in one.items) for one in groups]
    assert taken <= (4 / 3 - 1 / (3 * workers)) * _best(total, workers) + 1e-9


def test_the_second_worker_takes_what_would_wait_behind_a_long_one() -> None:
    # One item each: to start the long one, its worker must be told what comes next. Were that
    # a group, it would be bound to the busy worker: 14 instead of 10.
    groups = make_groups([1, 1, 1])
    seconds = [10.0, 4.0, 4.0]
    assert Cluster(seconds).run(scheduling(groups, 2)) == 10.0


def test_no_worker_holds_a_group_that_has_not_started() -> None:
    groups, seconds = heavy_tail(60, random.Random(3))
    of_item = {item: one for one in groups for item in one.items}
    ahead = []

    class Watching(Cluster):
        def start(self, worker: Any, item: int) -> None:
            held = [one for one in worker.queue if 0 <= one < len(seconds)]
            if worker.following is not None and 0 <= worker.following < len(seconds):
                held.append(worker.following)
            if item < len(seconds):
                ahead.append(len(held))
                assert all(of_item[one] is of_item[item] for one in held)
            super().start(worker, item)

    Watching(seconds).run(scheduling(longest_first(groups, seconds), 4))
    assert max(ahead) == 2, "nothing was ever sent ahead"


def test_items_of_a_group_stay_together_and_in_order() -> None:
    groups, seconds = heavy_tail(200, random.Random(5))
    cluster = Cluster(seconds, latency=0.001)
    cluster.run(scheduling(longest_first(groups, seconds), 5))
    where = {item: (name, start) for name, item, start, _ in cluster.runs}
    for one in groups:
        assert len({where[item][0] for item in one.items}) == 1
        starts = [where[item][1] for item in one.items]
        assert starts == sorted(starts)


@pytest.mark.parametrize("seed", range(25))
def test_killed_workers_lose_nothing(seed: int) -> None:
    rng = random.Random(seed)
    groups, seconds = heavy_tail(rng.randint(1, 40), rng)
    cluster = Cluster(seconds, latency=rng.choice([0.0, 0.01]))
    deadly = set(rng.sample(range(len(seconds)), rng.randint(1, min(6, len(seconds)))))
    cluster.kill_in = set(deadly)
    scheduler = scheduling(longest_first(groups, seconds), rng.randint(1, 6))
    cluster.run(scheduler)
    assert scheduler.tests_finished
    ran = [item for _, item, *_ in cluster.runs]
    assert sorted(ran) == sorted(set(range(len(seconds))) - deadly)
    assert sorted(cluster.crashed) == sorted(f"item{item}" for item in deadly)


def test_a_worker_that_died_before_its_first_item_is_blamed_for_nothing() -> None:
    cluster = Cluster([1.0, 1.0, 1.0])
    scheduler = scheduling(make_groups([3]), 1)
    cluster.scheduler = scheduler
    worker = cluster._up("gw0")
    worker.unreachable = True  # it is dead, but the controller has not heard of it yet
    scheduler.schedule()
    assert scheduler.remove_node(worker) is None
    assert scheduler.has_pending
    cluster.run(scheduler)
    assert [item for _, item, *_ in cluster.runs] == [0, 1, 2]


def test_a_worker_told_to_end_early_gives_back_what_it_was_never_sent() -> None:
    groups = make_groups([10])
    cluster = Cluster([1.0] * 10)
    scheduler = scheduling(groups, 1)
    cluster.later(1.5, cluster.shut_down_all)
    cluster.run(scheduler)
    # -x ends workers like this: three items were with the worker, and one more after the first.
    assert [item for _, item, *_ in cluster.runs] == [0, 1, 2, 3]
    assert scheduler.nodes == []
    assert scheduler.has_pending


def test_an_item_can_be_run_again() -> None:
    groups = make_groups([2, 2])
    cluster = Cluster([1.0] * 4)
    scheduler = scheduling(groups, 1)
    cluster.later(0.5, scheduler.mark_test_pending, "item0")
    cluster.run(scheduler)
    assert [item for _, item, *_ in cluster.runs] == [0, 1, 0, 2, 3]


def test_more_workers_than_groups() -> None:
    cluster = Cluster([1.0, 2.0])
    assert cluster.run(scheduling(make_groups([1, 1]), 5)) == 2.0
    assert all(worker.dead for worker in cluster.workers)


def test_nothing_collected_ends_the_run() -> None:
    cluster = Cluster([])
    scheduler = scheduling([], 2)
    cluster.run(scheduler)
    assert scheduler.tests_finished


class _Config:
    """Takes what is said of collections that differ."""

    def __init__(self) -> None:
        self.reports: list[pytest.CollectReport] = []
        self.hook = self

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.reports.append(report)


@pytest.mark.parametrize("late", [False, True])
def test_different_collections_end_the_run_with_an_error(late: bool) -> None:
    config = _Config()
    scheduler = scheduling(make_groups([1, 1]), 2, config)
    cluster = Cluster([1.0, 1.0])
    cluster.scheduler = scheduler
    first, second = cluster._up("gw0"), cluster._up("gw1")
    if late:
        scheduler.schedule()
        scheduler.remove_node(second)
        third = type(first)("gw2", cluster)
        scheduler.add_node(third)
        scheduler.add_node_collection(third, ["item0", "other"])
        assert third.received == []
    else:
        scheduler.add_node_collection(second, ["item0", "other"])
        scheduler.schedule()
        assert first.received == []
    assert scheduler.tests_finished
    (report,) = config.reports
    assert report.failed
    assert "other" in str(report.longrepr)


OPENING = 10.0


def opened(
    seconds: Sequence[float], kind: str = "pass", names: Sequence[str] = ("gw0",)
) -> tuple[Cluster, GroupScheduling]:
    """Two workers, of which the first has its model open after ten seconds."""
    cluster = Cluster(seconds)
    groups = [Group(ProductName(kind, str(one)), (one,)) for one in range(len(seconds))]

    def wake(after: float) -> None:
        cluster.later(after, lambda: scheduler.remove_pending_tests_from_node(None, ()))

    opener = Opener(names, wake, lambda: cluster.now)
    scheduler = GroupScheduling(None, 2, lambda _: groups, opener)  # type: ignore[arg-type]
    return cluster, scheduler


def test_few_cases_are_left_to_the_worker_that_has_the_model_open() -> None:
    cluster, scheduler = opened([0.5] * 16)
    cluster.run(scheduler, late=OPENING)
    assert [item for _, item, *_ in cluster.runs] == list(range(16))
    assert {name for name, *_ in cluster.runs} == {"gw0"}


def test_long_ones_are_shared_once_they_have_gone_on_for_as_long_as_opening_takes() -> None:
    cluster, scheduler = opened([20.0] * 40)
    taken = cluster.run(scheduler, late=OPENING)
    assert min(start for name, _, start, _ in cluster.runs if name == "gw1") == 2 * OPENING
    assert taken <= OPENING + 400.0 + 20.0
    assert sorted(item for _, item, *_ in cluster.runs) == list(range(40))


def test_two_that_have_it_open_share_at_once() -> None:
    cluster, scheduler = opened([0.5] * 16, names=("gw0", "gw1"))
    assert cluster.run(scheduler, late=OPENING) == OPENING + 4.0
    assert [name for name, *_ in cluster.runs].count("gw1") == 8


@pytest.mark.parametrize("kind", ["training", "data", "own", "trajectory"])
def test_what_opens_no_model_of_theirs_is_shared_at_once(kind: str) -> None:
    cluster, scheduler = opened([0.5] * 16, kind)
    cluster.run(scheduler, late=OPENING)
    assert {name for name, *_ in cluster.runs} == {"gw0", "gw1"}


def test_nothing_waits_for_an_opener_that_is_gone() -> None:
    cluster, scheduler = opened([0.5] * 16)
    cluster.kill_in = {0}
    cluster.run(scheduler, late=OPENING)
    assert cluster.crashed == ["item0"]
    assert sorted(item for _, item, *_ in cluster.runs) == list(range(1, 16))
