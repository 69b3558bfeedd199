"""Makespan of the real scheduler on 1 to 512 simulated workers, against the lower bound.

    python tests/benchmarks/bench_scheduling.py [--groups 10000] [--repeats 3]

The workers are simulated on a virtual clock (``tests/support/fake_workers.py``): the protocol of
xdist's workers, their look-ahead of one item included, without processes. Durations are drawn
from those measured in real runs (``measured_durations.json`` beside this file), each times a
log-normal factor of e^±0.3, so that no two groups are equal; the scheduler orders groups by the
*measured* durations it remembers, which are off by that factor. The lower bound is the larger of
the longest group and the total divided by the workers: no schedule can be shorter.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]
# ruff: noqa: E402

from support.fake_workers import Cluster

from pytest_mlff.run.needs import ProductName
from pytest_mlff.scheduling.xdist.durations import Durations
from pytest_mlff.scheduling.xdist.groups import Group
from pytest_mlff.scheduling.xdist.scheduler import GroupScheduling

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
SPREAD = 0.3
LATENCY = 0.002
FOLLOWING = 0.02
"""Seconds of an item whose pass another item of its group has made."""


@dataclass(frozen=True)
class Workload:
    """Groups, what their items take, and what is remembered of them."""

    groups: list[Group]
    seconds: list[float]
    remembered: Durations

    @property
    def totals(self) -> list[float]:
        """Seconds of each group."""
        return [sum(self.seconds[item] for item in one.items) for one in self.groups]

    def lower_bound(self, workers: int) -> float:
        """Seconds that no schedule can beat."""
        totals = self.totals
        return max(*totals, sum(totals) / workers)


def draw(measured: dict[str, list[float]], count: int, rng: random.Random) -> Workload:
    """Draw groups of measured kinds and durations, in random order."""
    kinds = [(kind, value) for kind, values in measured.items() for value in values]
    groups, seconds, remembered = [], [], {}
    for number in range(count):
        kind, value = rng.choice(kinds)
        size = {"pass": 9, "training": 9, "law": 1}[kind]
        first = len(seconds)
        seconds.append(value * rng.lognormvariate(0.0, SPREAD))
        seconds += [FOLLOWING] * (size - 1)
        name = ProductName(kind, str(number))
        groups.append(Group(name, tuple(range(first, len(seconds)))))
        remembered[str(name)] = value + FOLLOWING * (size - 1)
    return Workload(groups, seconds, Durations(remembered))


def longest_first(load: Workload) -> list[Group]:
    """The order that the package uses."""
    return load.remembered.in_order(load.groups)


def shortest_first(load: Workload) -> list[Group]:
    """The worst order there is."""
    return longest_first(load)[::-1]


def as_collected(load: Workload) -> list[Group]:
    """First in, first out."""
    return load.groups


def makespan(load: Workload, workers: int, order: Sequence[Group]) -> float:
    """Virtual seconds until the last item has ended; fails if one has not run."""
    cluster = Cluster(load.seconds, LATENCY)
    taken = cluster.run(GroupScheduling(None, workers, lambda _: order))  # type: ignore[arg-type]
    if sorted(item for _, item, *_ in cluster.runs) != list(range(len(load.seconds))):
        raise SystemExit("items were lost or run twice")
    return taken


def main() -> None:
    """Measure and print one row per number of workers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--groups", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    measured = json.loads((HERE / "measured_durations.json").read_text(encoding="utf-8"))["seconds"]
    loads = [draw(measured, options.groups, random.Random(seed)) for seed in range(options.repeats)]
    orders: dict[str, Callable[[Workload], list[Group]]] = {
        "longest first": longest_first,
        "as collected": as_collected,
        "shortest first": shortest_first,
    }
    totals = [sum(load.totals) for load in loads]
    print(f"{options.groups} groups, {statistics.mean(totals):.0f} s of work, "
          f"longest {max(max(load.totals) for load in loads):.0f} s\n")  # fmt: skip
    print("| workers | lower bound, s | " + " | ".join(orders) + " | simulated in, s |")
    print("|---|---|" + "---|" * len(orders) + "---|")
    worst = 0.0
    for workers in WORKERS:
        begin = time.perf_counter()
        ratios = {
            name: max(makespan(load, workers, order(load)) / load.lower_bound(workers)
                      for load in loads)
            for name, order in orders.items()
        }  # fmt: skip
        worst = max(worst, ratios["longest first"])
        bound = statistics.mean(load.lower_bound(workers) for load in loads)
        shown = " | ".join(f"{ratio:.4f}" for ratio in ratios.values())
        print(f"| {workers} | {bound:.1f} | {shown} | {time.perf_counter() - begin:.1f} |",
              flush=True)  # fmt: skip
    print(f"\nlargest makespan / lower bound, longest first: {worst:.4f}")
    if worst > 1.05:
        raise SystemExit("more than 1.05")


if __name__ == "__main__":
    main()
