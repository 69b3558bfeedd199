"""``-n 2`` against ``-n 0``: a CPU-bound suite, one thread per worker.

    python tests/benchmarks/bench_xdist.py [--rounds 3] [--examples 300] [--model demo]

The suite is the physical laws of `quick` on seven molecules with many examples: nothing but model
evaluations, no store that a second run could draw on. Both sides run in turn in fresh processes.
Told are whole runs, start-up included, with their CPU time (which, unlike the ratio, means
something on a machine that others use, too), and, from the store of a run with error metrics, the
prediction passes made against the distinct pairs of model and test set.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SPEC = """\
schema_version: 1
title: Laws on seven molecules
source: {{paper: made for this benchmark, section: none}}
datasets:
  embedded:
axes:
  molecule: [aspirin, ethanol, malonaldehyde, naphthalene, salicylic_acid, toluene, uracil]
variant: "{{molecule}}"
frames:
  test: {{molecules: "{{molecule}}", start: 90}}
cases:
  - metric: rotation
    options: {{examples: {examples}}}
    thresholds: &large
      - {{max: 1.0e+9, unit: "1", provenance: {{source: physical_limit, reference: none meant}}}}
  - metric: translation
    options: {{examples: {examples}}}
    thresholds: *large
"""
HOOKS = Path(__file__).resolve().parents[1]


def run(folder: Path, *arguments: str) -> tuple[float, float]:
    """Seconds of a whole run, and CPU seconds of all its processes."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(HOOKS)}
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    shown = subprocess.run(
        [sys.executable, "-m", "pytest", "--mlff-only",
         "--mlff-report=report.json", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    whole = time.perf_counter() - begin
    if shown.returncode not in (0, 1) or not re.search(r"\d+ passed", shown.stdout):
        raise SystemExit(shown.stdout[-2000:] + shown.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return whole, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def passes(folder: Path, model: str) -> tuple[int, int]:
    """Prediction passes in the store after ``quick`` on two workers, and distinct test sets."""
    run(folder, f"--mlff-model={model}", "-n2", "--mlff-suite=quick", "--mlff-store=passes")
    found = len(list((folder / "passes").glob("predictions/*/*.npz")))
    cases = json.loads((folder / "report.json").read_text(encoding="utf-8"))["cases"]
    return found, len({(case["model"], case["variant"]) for case in cases})


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--examples", type=int, default=300)
    parser.add_argument("--model", default="demo")
    options = parser.parse_args()
    sides: dict[str, list[float]] = {"-n0": [], "-n2": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "laws.yaml").write_text(SPEC.format(examples=options.examples), encoding="utf-8")
        print(f"load before: {' '.join(f'{one:.2f}' for one in os.getloadavg())}")
        for _ in range(options.rounds):
            for side, taken in sides.items():
                whole, cpu = run(
                    folder, f"--mlff-model={options.model}", "--mlff-suite=laws.yaml", side
                )
                taken.append(whole)
                print(f"{side}: {whole:.1f} s, {cpu:.1f} s of CPU", flush=True)
        ratio = [a / b for a, b in zip(sides["-n0"], sides["-n2"], strict=True)]
        print(f"whole run, -n0 / -n2: {statistics.median(ratio):.2f} × "
              f"({min(ratio):.2f}–{max(ratio):.2f})")  # fmt: skip
        print(f"load after: {' '.join(f'{one:.2f}' for one in os.getloadavg())}")
        made, distinct = passes(folder, options.model)
        print(f"prediction passes: {made}, distinct (model, test set): {distinct}")
        if made != distinct:
            raise SystemExit("a pass was made twice, or not kept")


if __name__ == "__main__":
    main()
