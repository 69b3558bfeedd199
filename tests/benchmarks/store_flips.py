"""Random flips of 1 to 20 bits in files of a real store: does a number follow, or a traceback?

Run as ``python tests/benchmarks/store_flips.py --points 300``. The store is that of the demo
model on two molecules of ``quick``, of a recipe and a fixed model on a small spec, and of a
similarity. Each point flips bits in one to three files, measures every case anew from the
damaged store and holds it against the first measurement.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.faults import Scene
from support.flips import Bench, flip, problems

SIMILARITY = """\
  - metric: soap_similarity
"""


def main() -> None:
    """Flip, print a table by kind of file and every problem; exit with 1 if there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60.0, help="stop after so long")
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes
    flipped: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    done = warned = bad = 0
    with tempfile.TemporaryDirectory() as name:
        scene = Scene(Path(name))
        spec = scene.root / "specs" / "two.yaml"
        spec.write_text(spec.read_text(encoding="utf-8") + SIMILARITY, encoding="utf-8")
        bench = Bench(scene, models=("spring.yaml", "fixed.spring", "demo"),
                      suites=("specs/two.yaml", "quick"),
                      words=("specs/two", ":ethanol", ":uracil"))  # fmt: skip
        files = bench.files()
        print(f"{len(files)} files, {len(bench.truth)} values", flush=True)
        for number in range(options.points):
            if time.monotonic() > end:
                print(f"stopped after {options.minutes} minutes")
                break
            draw = random.Random(f"{options.seed} {number}")
            bench.restore()
            chosen = draw.sample(files, draw.randint(1, 3))
            for one in chosen:
                flip(scene.store / one, draw)
            wrong, told = problems(bench, chosen)
            done, warned = done + 1, warned + told
            flipped.update(one.parts[0] for one in chosen)
            if wrong:
                bad += 1
                failed.update({line.partition(":")[0] for line in wrong})
                print(f"{number}: {', '.join(map(str, chosen))}: {wrong[:3]}", flush=True)
    print(f"\n{done} points, seed {options.seed}: {bad} with a problem {dict(failed)}, "
          f"{warned} warnings; flipped {dict(flipped)}")  # fmt: skip
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
