"""Mutate a hundred files of every format: each must read as one line or as its own numbers.

python tests/benchmarks/fuzz_files.py [--count 100] [FORMAT ...]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.mutated import FORMATS, faults

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("formats", nargs="*", metavar="FORMAT", help=", ".join(FORMATS))
    parser.add_argument("--count", type=int, default=100)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    worst = 0
    for name in options.formats or FORMATS:
        with tempfile.TemporaryDirectory() as folder:
            found = faults(name, Path(folder), options.count)
        print(f"{name}: {options.count} files, {len(found)} read wrongly", flush=True)
        for seed, fault in found.items():
            print(f"  seed {seed}: {fault}", flush=True)
        worst |= bool(found)
    sys.exit(worst)
