"""What a model's own process costs, beside the same model in the judge's process.

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_process.py [pass calls laws quick workers]

Both sides take turns, so that a slower moment of the machine hits both; the ratio is the median
over the turns. Processor time, of the judge and the model together, is compared as well: on a
machine that does other things beside, it says more than the clock.
"""

from __future__ import annotations

import argparse
import functools
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER, read_trajectory
from pytest_mlff.datasets.frames import Frames
from pytest_mlff.laws import StructurePool, run_law
from pytest_mlff.potentials import evaluate, load_potential
from pytest_mlff.potentials.process import ProcessPotential, open_potential

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_mlff.potentials.protocol import Potential

LAWS = ("rotation", "permutation", "force_consistency", "net_force", "size_extensivity")


def processor_seconds(potential: Potential | None = None) -> float:
    """Processor time so far of this process and that of the model."""
    used = time.process_time()
    if isinstance(potential, ProcessPotential) and potential.pid is not None:
        words = Path(f"/proc/{potential.pid}/stat").read_text().rpartition(")")[2].split()
        used += (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    return used


def in_turns(
    sides: Mapping[str, Callable[[], object]],
    turns: int,
    spent: Callable[[str], float] = lambda _: time.process_time(),
) -> dict[str, Any]:
    """Seconds of two sides that take turns, and the ratio of the second to the first."""
    wall: dict[str, list[float]] = {name: [] for name in sides}
    cpu: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    for turn in range(turns):
        for name in names if turn % 2 else reversed(names):
            clock, processor = time.perf_counter(), spent(name)
            sides[name]()
            wall[name].append(time.perf_counter() - clock)
            cpu[name].append(spent(name) - processor)
    first, second = names
    ratios = [b / a for a, b in zip(wall[first], wall[second], strict=True)]
    return {
        first: statistics.median(wall[first]),
        second: statistics.median(wall[second]),
        "ratio": statistics.median(ratios),
        "lowest": min(ratios),
        "highest": max(ratios),
        "processor": sum(cpu[second]) / sum(cpu[first]),
    }


def said(what: str, found: Mapping[str, Any]) -> None:
    first, second = list(found)[:2]
    print(
        f"{what}: {first} {found[first]:.4g} s, {second} {found[second]:.4g} s, ratio "
        f"{found['ratio']:.3f} ({found['lowest']:.2f} to {found['highest']:.2f}), "
        f"processor time {found['processor']:.3f}",
        flush=True,
    )


class Pair:
    """One model in this process and in its own."""

    def __init__(self, source: str) -> None:
        import torch

        torch.set_num_threads(1)
        self.here = load_potential(source, device="cpu")
        self.apart = open_potential(source, device="cpu", threads=1)
        found = read_trajectory(EMBEDDED_FOLDER / "aspirin.npz")
        self.frames = Frames.of_one_molecule(found.numbers, found.positions[:1000])

    def turns(self, act: Callable[[Potential], object], turns: int) -> dict[str, Any]:
        sides = {"in-process": self.here, "process": self.apart}
        for one in sides.values():
            act(one)
        return in_turns(
            {name: lambda one=one: act(one) for name, one in sides.items()},  # type: ignore[misc]
            turns,
            lambda name: processor_seconds(sides[name]),
        )

    def whole_pass(self, repeats: int) -> None:
        """10,000 frames in turns of 1,000; the batch size is given to both."""
        found = self.turns(lambda one: evaluate(one, self.frames, batch=64), 10 * repeats)
        said("10,000 aspirin frames", found)

    def calls(self, repeats: int) -> None:
        """Round trips of small batches."""
        for count in (1, 8, 64):
            few = self.frames.select(np.arange(count))
            said(f"predict {count}", self.turns(lambda one, f=few: one.predict(f), 30 * repeats))
            act = lambda one, f=few, n=count: evaluate(one, f, batch=n)  # noqa: E731
            said(f"evaluate {count}", self.turns(act, 30 * repeats))

    def laws(self, repeats: int, names: Sequence[str] = LAWS) -> None:
        """Evaluations as laws make them."""
        pool = StructurePool.for_potential(self.here)
        for law in names:
            act = lambda one, law=law: run_law(law, one, structures=pool, examples=20)  # noqa: E731
            said(f"law {law}", self.turns(act, 4 * repeats))


def run_quick(source: str, *more: str) -> None:
    """A cold run of pytest; what it and its children cost is the caller's to measure."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", f"--mlff-model={source}", "--mlff-suite=quick",
             "--mlff-only", "--mlff-device=cpu", "--mlff-level=GFN2-xTB", "-p", "no:cacheprovider",
             "-q", f"--mlff-store={folder}", *more],
            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        if done.returncode not in (0, 1):
            raise SystemExit(done.stdout[-2000:])


def children(_name: str) -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    whats = ("pass", "calls", "laws", "quick", "workers")
    parser.add_argument("what", nargs="*", choices=[*whats, []], default=list(whats))
    parser.add_argument("--model", default="demo")
    parser.add_argument("--laws", nargs="+", choices=LAWS, default=LAWS)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    source, repeats = options.model, options.repeats
    if {"pass", "calls", "laws"} & set(options.what):
        pair = Pair(source)
        laws = functools.partial(pair.laws, names=options.laws)
        for name, act in (("pass", pair.whole_pass), ("calls", pair.calls), ("laws", laws)):
            if name in options.what:
                act(repeats)
    quick = {
        "in-process": lambda: run_quick(source, "--mlff-in-process", "-n0"),
        "process": lambda: run_quick(source, "-n0"),
        "-n 2": lambda: run_quick(source, "-n2"),
    }
    if "quick" in options.what:
        sides = {name: quick[name] for name in ("in-process", "process")}
        said("quick, cold", in_turns(sides, repeats, children))
    if "workers" in options.what:
        sides = {"-n 0": quick["process"], "-n 2": quick["-n 2"]}
        said("quick, cold, workers", in_turns(sides, repeats, children))


if __name__ == "__main__":
    main()
