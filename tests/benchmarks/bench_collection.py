"""What it takes to collect and to report many cases, against bare pytest.

``python tests/benchmarks/bench_collection.py`` imports the plugin and collects 10,000 cases;
``… --report --items 100000 --repeats 1`` runs and reports them: CPU time and peak memory
per case, above those of a run with 120. Both sides run in turn in fresh processes, so their
ratio holds when the machine's speed drifts.
"""

from __future__ import annotations

import argparse
import json
import os
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


# Every variant is tested on the same two frames, so that all share one prediction pass: what
# is measured is what a case costs, and not what a model does.
SHARED = """\
schema_version: 1
title: Many cases
source: {{paper: a benchmark of reporting, section: none}}
datasets:
  embedded:
axes:
  ten: [{tens}]
  one: [{ones}]
variant: "v{{ten}}-{{one}}"
frames:
  test: {{molecules: ethanol, start: 99.9}}
cases:
  - metric: force_mae
    species: [all, each]
    thresholds:
      - {{max: 100000, unit: meV/Å, provenance: {{source: physical_limit, reference: none}}}}
"""
MODEL = """\
import numpy as np
from ase.calculators.calculator import Calculator

class Nothing(Calculator):
    implemented_properties = ["energy", "forces"]

    def calculate(self, atoms=None, properties=None, system_changes=None):
        self.results = {"energy": 0.0, "forces": np.zeros((len(atoms), 3))}

def make():
    return Nothing()
"""
STEP = 40  # ten values on one axis, four cases a variant
FEW = 3 * STEP


def cost(folder: Path, *arguments: str, items: int) -> tuple[float, float]:
    """CPU time in s and peak memory in MiB of a fresh pytest process that runs everything.

    The process has one thread; its CPU time says the same as a clock does on an idle
    machine, and also on a busy one.
    """
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
            cwd=folder, stdout=output, stderr=subprocess.STDOUT,
            env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    said = (folder / "output.txt").read_text()[-2000:]
    if process.returncode or f"{items} passed" not in said:
        raise SystemExit(said)
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def reporting(items: int, repeats: int, *, with_junit: bool = True) -> None:
    """Run many cases and few on each side; print what one costs, and the ratios."""
    mlff = ("-p", "pytest_mlff.plugin.hooks", "--mlff-model=model.py:make", "--mlff-device=cpu",
            "--mlff-only", "--mlff-suite=many.yaml", "--mlff-level=GFN2-xTB")  # fmt: skip
    items = max(items // STEP, FEW // STEP + 1) * STEP
    report, junit = "--mlff-report=report.json", "--junitxml=junit.xml"
    sides: dict[str, tuple[str, ...]] = {
        "bare": (),
        "bare, JUnit": (junit,),
        "ours, JSON": (*mlff, report),
        "ours, JSON and JUnit": (*mlff, report, junit),
    }
    sides = {side: how for side, how in sides.items() if with_junit or junit not in how}
    rows: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as name:
        folders = {}
        for count in (FEW, items):
            folder = folders[count] = Path(name) / str(count)
            folder.mkdir()
            tens, ones = (", ".join(map(str, range(n))) for n in (10, count // STEP))
            (folder / "many.yaml").write_text(SHARED.format(tens=tens, ones=ones))
            (folder / "model.py").write_text(MODEL)
            (folder / "test_many.py").write_text(BARE.format(items=count))
        for _ in range(repeats):
            for side, arguments in sides.items():
                base = cost(folders[FEW], *arguments, items=FEW)
                whole = cost(folders[items], *arguments, items=items)
                rows[side].append(
                    (1e3 * (whole[0] - base[0]) / (items - FEW),
                     1024 * (whole[1] - base[1]) / (items - FEW))
                )  # fmt: skip
                print(f"{side}: {whole[0]:.1f} s, {whole[1]:.0f} MiB ({FEW}: {base[0]:.1f} s, "
                      f"{base[1]:.0f} MiB)", flush=True)  # fmt: skip
        written = (folders[items] / "report.json").stat().st_size / items
        found = len(json.loads((folders[items] / "report.json").read_text())["cases"])
    print(f"\n{items} cases, {repeats} repeats (median); {found} in the report, "
          f"{written:.0f} bytes each\n")  # fmt: skip
    print("| run | ms per case | KiB per case | time against bare | memory against bare |\n"
          "|---|---|---|---|---|")  # fmt: skip
    for side, values in rows.items():
        middle = [statistics.median(one[k] for one in values) for k in (0, 1)]
        ratio = [statistics.median(a[k] / b[k] for a, b in zip(values, rows["bare"], strict=True))
                 for k in (0, 1)]  # fmt: skip
        print(f"| {side} | {middle[0]:.3f} | {middle[1]:.2f} | {ratio[0]:.2f} × | "
              f"{ratio[1]:.2f} × |")  # fmt: skip


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
    parser.add_argument("--report", action="store_true", help="run and report the cases, too")
    parser.add_argument("--no-junit", action="store_true", help="leave the JUnit files out")
    options = parser.parse_args()
    if options.report:
        reporting(options.items, options.repeats, with_junit=not options.no_junit)
        return
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
