"""Loading large files: time and memory as ratios to a bare reader.

``python tests/benchmarks/bench_loading.py``: 100,000 frames of 21 atoms as npz against
``numpy.load`` of every array, and 1,000 frames of 1,000 atoms as extended XYZ against
``ase.io.iread``. Each runs in a process of its own, in turn; memory is the peak of the process.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np


def _make(folder: Path) -> None:
    rng = np.random.default_rng(0)
    shape = (100_000, 21, 3)
    np.savez(
        folder / "many.npz", numbers=np.full(21, 6), positions=rng.normal(size=shape),
        energy=rng.normal(size=shape[0]), forces=rng.normal(size=shape), e_unit="eV",
    )  # fmt: skip
    from pytest_mlff.datasets.export import extxyz_text
    from pytest_mlff.datasets.frames import Frames

    rows = rng.normal(size=(1000, 1000, 3))
    frames = Frames.of_one_molecule(
        np.full(1000, 29), rows, energy=rng.normal(size=1000), forces=rows
    )
    (folder / "large.extxyz").write_text(extxyz_text(frames))


def _bare(path: Path) -> int:
    if path.suffix == ".npz":
        with np.load(path) as archive:
            return len([archive[key] for key in archive.files])
    from ase.io import iread

    return len(list(iread(path)))


def _ours(path: Path) -> int:
    from pytest_mlff.datasets import open_dataset
    from pytest_mlff.specs import DatasetOption

    return len(open_dataset("own", DatasetOption(path=str(path))).load(path.stem).frames)


def main() -> None:
    """Print one line a file."""
    if len(sys.argv) > 2 and sys.argv[1] == "make":
        _make(Path(sys.argv[2]))
        return
    if len(sys.argv) > 2:
        run = {"bare": _bare, "ours": _ours}[sys.argv[1]]
        start = time.process_time()
        run(Path(sys.argv[2]))
        seconds = time.process_time() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps([seconds, peak]))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Not here: a child's peak begins with what its parent holds.
        subprocess.run([sys.executable, __file__, "make", str(folder)], check=True)
        for file in ("many.npz", "large.extxyz"):
            found = {}
            for how in ("bare", "ours"):
                done = subprocess.run(
                    [sys.executable, __file__, how, str(folder / file)],
                    capture_output=True, text=True, check=True,
                )  # fmt: skip
                found[how] = json.loads(done.stdout)
            (bare, least), (ours, most) = found["bare"], found["ours"]
            print(
                f"{file}: CPU time {ours / bare:.2f} × ({ours:.1f} s), peak memory "
                f"{most / least:.2f} × ({most / 1e6:.2f} GB)"
            )


if __name__ == "__main__":
    main()
