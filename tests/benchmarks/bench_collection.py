"""How long it takes to import the plugin and collect 10,000 cases, against bare pytest.

Run as ``python tests/benchmarks/bench_collection.py``. Both sides run in turn in fresh
processes, so their ratio holds when the machine's speed drifts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SPEC = """\
schema_version: 1
title: Many cases
source: {{paper: a benchmark of collection, section: none}}
datasets:
  embedded:
axes:
  count: [{counts}]
variant: "n{{count}}"
frames:
  train: {{molecules: ethanol, end: 90, pick: random, count: count}}
  test: {{molecules: ethanol, start: 90}}
cases:
  - metric: force_mae
    species: [all, each]
    thresholds: [{{max: 45, unit: meV/Å, provenance: {{source: physical_limit, reference: none}}}}]
"""
BARE = """\
import pytest

@pytest.mark.parametrize("x", range({items}))
def test_x(x):
    pass
"""


def seconds(folder: Path, *arguments: str) -> float:
    """Wall time of one fresh pytest process that only collects."""
    start = time.perf_counter()
    shown = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-qq", "-p", "no:cacheprovider",
         *arguments],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    taken = time.perf_counter() - start
    if shown.returncode != 0:
        raise SystemExit(shown.stdout[-2000:] + shown.stderr)
    return taken


def main() -> None:
    """Measure and print medians, ranges and the ratio pair by pair."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    # Four cases a variant: all atoms, C, H and O.
    variants = options.items // 4
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        ours, bare = root / "ours", root / "bare"
        ours.mkdir()
        bare.mkdir()
        counts = ", ".join(str(k + 1) for k in range(variants))
        (ours / "many.yaml").write_text(SPEC.format(counts=counts))
        (bare / "test_many.py").write_text(BARE.format(items=options.items))
        rows = {"bare": [], "bare, plugin off": [], "ours": []}
        for turn in range(options.repeats + 1):
            taken = {
                "bare, plugin off": seconds(bare, "-p", "no:mlff"),
                "bare": seconds(bare),
                "ours": seconds(ours, "--mlff-model=demo", "--mlff-suite=many.yaml"),
            }
            if turn:  # the first turn fills the disk's cache
                for side, value in taken.items():
                    rows[side].append(value)
    print(f"{options.items} items, {options.repeats} repeats, seconds (median, range)\n")
    print("| run | median | range |\n|---|---|---|")
    for side, values in rows.items():
        print(f"| {side} | {statistics.median(values):.2f} | {min(values):.2f}–{max(values):.2f} |")
    ratio = [a / b for a, b in zip(rows["ours"], rows["bare, plugin off"], strict=True)]
    idle = [a / b for a, b in zip(rows["bare"], rows["bare, plugin off"], strict=True)]
    for title, values in (("ours / bare", ratio), ("unrelated run with / without plugin", idle)):
        print(f"| {title} | {statistics.median(values):.2f} × | "
              f"{min(values):.2f}–{max(values):.2f} |")  # fmt: skip
    print(json.dumps({"seconds": rows, "ratio": ratio}))


if __name__ == "__main__":
    main()
