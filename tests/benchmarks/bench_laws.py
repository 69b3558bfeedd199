"""Cost of the laws beside the bare model calls that they contain.

Each law is run with the calls to the model recorded, then the same frames are evaluated again
without the law. Both take turns of about a second, so that a slower moment of the machine hits
both; the ratio of processor times is given too, for machines that do other things beside.

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

TURN = 40
"""Examples of a law in one turn: as many as at strictness ``ci``."""
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
    """Seconds of all laws and of their model calls alone, and the ratio of each repetition.

    One turn is one law at ``TURN`` examples, then its model calls alone: seconds later, so
    that both see the same machine. A repetition adds its turns up.
    """
    recording = Recording(potential)
    pool = StructurePool.for_potential(potential)
    run_law("rotation", potential, structures=pool, examples=5)
    turns = max(1, round(evaluations / (TURN * len(LAWS))))
    found: dict[str, list[float]] = {name: [] for name in ("laws", "bare", "laws_cpu", "bare_cpu")}
    done = calls = 0
    for repeat in range(repeats):
        spent = dict.fromkeys(found, 0.0)
        done = calls = 0
        for turn in range(turns):
            for law in LAWS:
                recording.asked.clear()
                seed = repeat * turns + turn
                wall, cpu = time.perf_counter(), time.process_time()
                result = run_law(law, recording, structures=pool, examples=TURN, seed=seed)
                spent["laws"] += time.perf_counter() - wall
                spent["laws_cpu"] += time.process_time() - cpu
                done += int(result.evidence["examples"])
                calls += len(recording.asked)
                wall, cpu = time.perf_counter(), time.process_time()
                for frames in recording.asked:
                    potential.predict(frames)
                spent["bare"] += time.perf_counter() - wall
                spent["bare_cpu"] += time.process_time() - cpu
        for name, seconds in spent.items():
            found[name].append(seconds)
    ratios = [a / b for a, b in zip(found["laws"], found["bare"], strict=True)]
    cpu_ratios = [a / b for a, b in zip(found["laws_cpu"], found["bare_cpu"], strict=True)]
    return {
        "model": potential.info.name,
        "evaluations": done,
        "model_calls": calls,
        "with_laws_s": found["laws"],
        "bare_s": found["bare"],
        "ratio": ratios,
        "median_ratio": statistics.median(ratios),
        "cpu_ratio": cpu_ratios,
        "median_cpu_ratio": statistics.median(cpu_ratios),
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
