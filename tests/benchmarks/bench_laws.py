"""Cost of the laws beside the bare model calls that they contain.

Each law is run with the calls to the model recorded, then the same frames are evaluated again
without the law. Both take turns, so that a slower moment of the machine hits both.

    python tests/benchmarks/bench_laws.py MODEL [--evaluations 1000] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pytest_mlff.laws import StructurePool, run_law
from pytest_mlff.laws.selftest import built_in

if TYPE_CHECKING:
    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.potentials.protocol import Potential, PotentialInfo, Prediction

LAWS = ("rotation", "permutation", "force_consistency", "net_force", "size_extensivity")


class Recording:
    """A potential that remembers what it was asked."""

    def __init__(self, potential: Potential) -> None:
        self.potential = potential
        self.asked: list[Frames] = []

    @property
    def info(self) -> PotentialInfo:
        return self.potential.info

    def predict(self, frames: Frames) -> Prediction:
        self.asked.append(frames)
        return self.potential.predict(frames)


def measure(potential: Potential, evaluations: int, repeats: int) -> dict[str, Any]:
    """Seconds of all laws and of their model calls alone, and the ratio of each repetition."""
    recording = Recording(potential)
    pool = StructurePool.for_potential(potential)
    run_law("rotation", potential, structures=pool, examples=5)
    each = max(1, evaluations // len(LAWS))
    with_laws, bare, ratios, done = [], [], [], 0
    for seed in range(repeats):
        recording.asked.clear()
        start = time.perf_counter()
        done = 0
        for law in LAWS:
            found = run_law(law, recording, structures=pool, examples=each, seed=seed)
            done += int(found.evidence["examples"])
        with_laws.append(time.perf_counter() - start)
        start = time.perf_counter()
        for frames in recording.asked:
            potential.predict(frames)
        bare.append(time.perf_counter() - start)
        ratios.append(with_laws[-1] / bare[-1])
    return {
        "model": potential.info.name,
        "evaluations": done,
        "model_calls": len(recording.asked),
        "with_laws_s": with_laws,
        "bare_s": bare,
        "ratio": ratios,
        "median_ratio": statistics.median(ratios),
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="as for --mlff-model; also exact:NAME")
    parser.add_argument("--evaluations", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    potential = built_in(options.model)
    if potential is None:
        from pytest_mlff.potentials import load_potential

        potential = load_potential(options.model, device="cpu", cwd=Path.cwd())
    found = measure(potential, options.evaluations, options.repeats)
    print(json.dumps(found, indent=2))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
