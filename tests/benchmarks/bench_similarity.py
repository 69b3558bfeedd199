"""Cost of the mean similarity of two sets: CPU time per frame and peak memory, by size.

Each size runs in a process of its own, so that its peak memory is its own. Frames are those
of the embedded aspirin, repeated and perturbed by 0.01 Å, so that no two are equal. The
number of pairs grows with the square of the sizes; time per frame should not grow at all.
For comparison each line says what the vectors would take if all were held at once.

    taskset -c 1 python tests/benchmarks/bench_similarity.py [--sizes 1000x200 50000x10000]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pytest_mlff.datasets import Frames, open_dataset
from pytest_mlff.similarity import SoapSettings, nearest, similarity

SIZES = ("1000x200", "5000x1000", "25000x5000", "50000x10000")


def perturbed(count: int, seed: int) -> Frames:
    """``count`` frames, each a little different from all others."""
    frames = open_dataset("embedded").load("aspirin").frames.without_labels()
    chosen = frames.select(np.arange(count) % len(frames))
    noise = np.random.default_rng(seed).normal(scale=0.01, size=chosen.positions.shape)
    return replace(chosen, positions=chosen.positions + noise, time_index=None)


def _peak_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def measure(size: str, with_nearest: bool) -> dict[str, float]:
    """One size, in this process."""
    n, m = (int(word) for word in size.split("x"))
    a, b = perturbed(n, 1), perturbed(m, 2)
    settings = SoapSettings().covering(a, b)
    similarity(a.select([0]), b.select([0]), settings)  # imports
    before = _peak_mib()
    started = time.process_time()
    if with_nearest:
        value = float(nearest(b, a, settings).best.mean())
    else:
        value = similarity(a, b, settings)
    # Processor time: other work on the machine does not count.
    seconds = time.process_time() - started
    return {
        "n": n, "m": m, "value": value, "seconds": seconds, "peak_mib": _peak_mib(),
        "grown_mib": _peak_mib() - before, "all_mib": (n + m) * settings.size * 8 / 2**20,
    }  # fmt: skip


def main() -> None:
    """Run every size and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", nargs="+", default=SIZES, metavar="NxM")
    parser.add_argument("--nearest", action="store_true", help="nearest frames instead")
    parser.add_argument("--one", metavar="NxM", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.nearest)))
        return
    print(f"{'frames':>14} {'pairs':>12} {'value':>9} {'CPU s':>7} {'ms/frame':>9} "
          f"{'peak MiB':>9} {'grown MiB':>10} {'all vectors MiB':>16}")  # fmt: skip
    for size in options.sizes:
        words = [sys.executable, __file__, "--one", size]
        words += ["--nearest"] if options.nearest else []
        run = subprocess.run(words, capture_output=True, text=True, check=True)
        one = json.loads(run.stdout)
        frames = one["n"] + one["m"]
        print(
            f"{size:>14} {one['n'] * one['m']:12.2e} {one['value']:9.6f} {one['seconds']:7.1f} "
            f"{1e3 * one['seconds'] / frames:9.3f} {one['peak_mib']:9.0f} "
            f"{one['grown_mib']:10.0f} {one['all_mib']:16.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
