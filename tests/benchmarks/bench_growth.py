"""How cost grows with the number of cases, of frames and of replicas.

The exponent is the slope of log(cost − cost of the smallest run) over log(size − smallest size),
least squares over the runs that cost more than twice the smallest: 1 is proportional.

- **cases**: 12 to 100,000 of a spec whose variants share one prediction pass of an instant model
  on two frames, collected, run and reported (JSON); processor time and peak memory.
- **frames**: 100 to 100,000 of one's own file, tested with the demo by two cases; processor time
  of judge and model process together, peak memory of the larger of them.
- **replicas**: 1 to 64 in one batch of dynamics with the demo; processor time of a step.

    python tests/benchmarks/bench_growth.py [cases] [frames] [replicas] [--largest 100000]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from bench_collection import MODEL, SHARED, cost

from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER, read_trajectory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PLUGIN = ("-p", "pytest_mlff.plugin.hooks", "--mlff-device=cpu", "--mlff-only",
          "--mlff-report=report.json", "--mlff-level=GFN2-xTB")  # fmt: skip
OWN = """\
schema_version: 1
title: Many frames
source: {paper: a benchmark of growth, section: none}
datasets:
  ours: {path: many.npz, units: eV}
variant: all
frames:
  test: {}
cases:
  - metric: force_mae
    thresholds: [{max: 100000, unit: meV/Å, provenance: {source: physical_limit, reference: none}}]
  - metric: energy_mae
    thresholds:
      - {max: 100000, unit: meV/atom, provenance: {source: physical_limit, reference: none}}
"""


def of_cases(size: int) -> tuple[float, float]:
    """Seconds and MiB of a run with so many cases, four to a variant."""
    tens = 3 if size < 100 else 10
    ones = size // (4 * tens)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lists = (", ".join(map(str, range(count))) for count in (tens, ones))
        (folder / "many.yaml").write_text(
            SHARED.format(**dict(zip(("tens", "ones"), lists, strict=True)))
        )
        (folder / "model.py").write_text(MODEL)
        run = (*PLUGIN, "--mlff-model=model.py:make", "--mlff-suite=many.yaml")
        return cost(folder, *run, items=4 * tens * ones)


def of_frames(size: int) -> tuple[float, float]:
    """Seconds and MiB of a run with two cases over so many frames of ethanol."""
    held = read_trajectory(EMBEDDED_FOLDER / "ethanol.npz")
    (labels,) = held.labels.values()
    which = np.arange(size) % len(held.positions)
    moved = held.positions[which] + np.random.default_rng(0).normal(
        scale=1e-3, size=(size, *held.positions.shape[1:])
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(
            folder / "many.npz", z=held.numbers, R=moved, E=labels.energy[which],
            F=labels.forces[which],
        )  # fmt: skip
        (folder / "many.yaml").write_text(OWN)
        return cost(folder, *PLUGIN, "--mlff-model=demo", "--mlff-suite=many.yaml", items=2)


def of_replicas(size: int) -> tuple[float, None]:
    """Seconds of a step with so many replicas of ethanol in one batch."""
    import torch

    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.potentials import load_potential
    from pytest_mlff.simulation import SimulationSettings, choose_starts, simulate

    torch.set_num_threads(1)
    held = read_trajectory(EMBEDDED_FOLDER / "ethanol.npz")
    frames = Frames.of_one_molecule(held.numbers, held.positions)
    potential = load_potential("demo", device="cpu")
    steps = 40
    settings = SimulationSettings(
        ensemble="nvt_langevin", steps=steps, stride=steps, replicas=size, timestep_fs=0.5
    )
    starts = choose_starts(frames, settings)
    simulate(potential, starts, settings)
    began = time.process_time()
    simulate(potential, starts, settings)
    return (time.process_time() - began) / (steps + 1), None


def exponent(sizes: Sequence[int], costs: Sequence[float]) -> float:
    """Slope of what is added to the smallest run."""
    x, y = np.array(sizes, float), np.array(costs)
    counted = y > 2.0 * y[0]
    if counted.sum() < 2:
        return float("nan")
    return float(np.polyfit(np.log(x[counted] - x[0]), np.log(y[counted] - y[0]), 1)[0])


def shown(
    title: str, sizes: Sequence[int], run: Callable[[int], tuple[float, float | None]]
) -> None:
    """Run every size once, and print what it took."""
    found = []
    for size in sizes:
        found.append(run(size))
        print(f"{title} {size}: {found[-1]}", flush=True)
    seconds = [one[0] for one in found]
    memory = [one[1] for one in found if one[1] is not None]
    print(f"| {title} | {' · '.join(f'{size:,}' for size in sizes)} | "
          f"{' · '.join(f'{one:.3g}' for one in seconds)} | {exponent(sizes, seconds):.2f} | "
          f"{' · '.join(f'{one:.0f}' for one in memory) or '–'} | "
          f"{f'{exponent(sizes, memory):.2f}' if memory else '–'} |", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", nargs="*", default=["cases", "frames", "replicas"])
    parser.add_argument("--largest", type=int, default=100_000)
    options = parser.parse_args()
    decades = [10**power for power in range(1, 6) if 10**power <= options.largest]
    if "cases" in options.what:
        shown("cases", [12, *(one for one in decades[1:])], of_cases)
    if "frames" in options.what:
        shown("frames", decades[1:], of_frames)
    if "replicas" in options.what:
        shown("replicas", [1, 4, 16, 64], of_replicas)


if __name__ == "__main__":
    main()
