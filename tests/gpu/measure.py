"""Measure on a GPU what CPUs cannot show; called by ``run.sh``, which says how.

Each part prints its figures and whether what has to hold holds. What it prints goes to
``OUT/gpu.md``; the exit code is 1 if something did not hold.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import torch
from models import DEVICE, DRY

from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER, read_trajectory
from pytest_mlff.datasets.frames import Frames
from pytest_mlff.potentials import evaluate, load_potential
from pytest_mlff.potentials.failures import PoisonedContextError
from pytest_mlff.potentials.process import open_potential

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_mlff.potentials import Potential

HERE = Path(__file__).resolve().parent
MANY = 200 if DRY else 10_000
LADDER = (1, 8, 64) if DRY else (1, 8, 64, 256, 1024, 4096)


def molecule(name: str, count: int) -> Frames:
    found = read_trajectory(EMBEDDED_FOLDER / f"{name}.npz")
    chosen = np.arange(count) % len(found.positions)
    return Frames.of_one_molecule(found.numbers, found.positions[chosen])


@contextlib.contextmanager
def opened(source: str, device: str = DEVICE) -> Iterator[Any]:
    potential: Any = open_potential(source, device=device, cwd=HERE)
    try:
        yield potential
    finally:
        potential.close()


def seconds(act: Callable[[], object]) -> float:
    act()
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def agreement(say: Callable[[str], None]) -> bool:
    """float32 on the GPU against float32 on the CPU."""
    few = molecule("aspirin", 50)
    with opened("demo") as gpu, opened("demo", "cpu") as cpu:
        one, other = gpu.predict(few), cpu.predict(few)
    energy = float(np.abs(one.energy - other.energy).max()) / 21 * 1e3
    forces = float(np.abs(one.forces - other.forces).max()) * 1e3
    say(f"largest difference: {energy:.2g} meV/atom, {forces:.2g} meV/Å")
    return energy < 0.1 and forces < 1.0


def throughput(say: Callable[[str], None]) -> bool:
    """Frames per second by batch size, against the ASE loop and in-process."""
    frames = molecule("aspirin", MANY)
    here = load_potential("demo", device=DEVICE)
    with opened("demo") as apart:
        for batch in LADDER:
            some = frames.select(slice(0, min(MANY, max(64, 4 * batch))))
            took = seconds(lambda b=batch, f=some: evaluate(apart, f, batch=b))  # type: ignore[misc]
            say(f"batch {batch}: {len(some) / took:.0f} frames/s")
        ours = seconds(lambda: evaluate(apart, frames)) / MANY
        inside = seconds(lambda: evaluate(here, frames)) / MANY
    single = frames.select(slice(0, 50 if DRY else 200))
    loop = seconds(lambda: one_by_one(here, single)) / len(single)
    say(f"process {1 / ours:.0f} frames/s, in-process {1 / inside:.0f}, one by one {1 / loop:.0f}")
    say(f"process / in-process {inside / ours:.2f} (speed), against one by one {loop / ours:.1f}")
    return DRY or (loop / ours >= 10 and inside / ours >= 0.95)


def one_by_one(potential: Potential, frames: Frames) -> None:
    for index in range(len(frames)):
        potential.predict(frames.select([index]))


def two_processes(say: Callable[[str], None]) -> bool:
    """Two models on one GPU at once: the numbers of each alone."""
    frames = molecule("ethanol", MANY // 5)
    with opened("demo") as first, opened("demo") as second:
        alone = [evaluate(one, frames, batch=64) for one in (first, second)]
        found: list[Any] = [None, None]

        def work(place: int, potential: Potential) -> None:
            found[place] = evaluate(potential, frames, batch=64)

        begun = time.perf_counter()
        threads = [threading.Thread(target=work, args=pair) for pair in enumerate((first, second))]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        took = time.perf_counter() - begun
        one_alone = seconds(lambda: evaluate(first, frames, batch=64))
    off = max(float(np.abs(a.forces - b.forces).max()) for a, b in zip(alone, found, strict=True))
    say(f"both at once {took:.2f} s, one alone {one_alone:.2f} s, forces differ by {off:.1e} eV/Å")
    return off < 1e-3


def out_of_memory(say: Callable[[str], None]) -> bool:
    """A batch that does not fit is halved, and the numbers stay."""
    frames = molecule("aspirin", MANY)
    batches: list[int] = []
    with opened("demo") as plain, opened("models.py:short_of_memory", "auto") as short:
        right = evaluate(plain, frames, batch=64)
        found = evaluate(short, frames, batch=MANY, progress=lambda done, _: batches.append(done))
    off = float(np.abs(found.forces - right.forces).max())
    say(f"{MANY} frames in one batch went on in smaller ones; forces differ by {off:.1e} eV/Å")
    return off < 1e-3


def lost_context(say: Callable[[str], None]) -> bool:
    """A device-side assert costs the model's process, and nothing else."""
    uracil, ethanol = molecule("uracil", 3), molecule("ethanol", 3)
    with opened("models.py:loses_its_context", "auto") as potential:
        before, pid = potential.predict(ethanol), potential.pid
        try:
            potential.predict(uracil)
        except PoisonedContextError as error:
            say(str(error))
        else:
            return False
        after = potential.predict(ethanol)
        say(f"process {pid} went, {potential.pid} answers")
        anew = potential.pid != pid
    return anew and float(np.abs(before.forces - after.forces).max()) < 1e-4


def slots(say: Callable[[str], None], out: Path) -> bool:
    """``-n auto`` with two workers on each GPU."""
    workers = "2" if DRY else "auto"
    more = [] if DRY else ["--mlff-per-gpu=2"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--mlff-model=demo",
         "--mlff-suite=quick", "--mlff-only", "--mlff-level=GFN2-xTB", f"-n{workers}", *more,
         f"--mlff-device={DEVICE}", f"--mlff-store={out / 'store'}", "-k", "ethanol",
         f"--mlff-report={out / 'slots.json'}"],
        cwd=out, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    wanted = 2 * (1 if DRY else torch.cuda.device_count())
    say(next((line for line in lines if "workers" in line), "no workers"))
    say(lines[-1] if lines else done.stderr[-300:])
    return done.returncode == 0 and any(f"{wanted}/{wanted} workers" in line for line in lines)


def main(out: Path) -> int:
    out.mkdir(parents=True, exist_ok=True)
    name = "CPU (dry run)" if DRY else torch.cuda.get_device_name(0)
    lines = [f"{name}, torch {torch.__version__}"]
    print(lines[0], flush=True)
    held = True

    def say(text: str) -> None:
        lines.append(f"- {text}")
        print(f"  {text}", flush=True)

    parts: dict[str, Callable[[], bool]] = {
        "float32 against the CPU": lambda: agreement(say),
        "a lost CUDA context": lambda: lost_context(say),
        "out of memory": lambda: out_of_memory(say),
        "two model processes": lambda: two_processes(say),
        "throughput": lambda: throughput(say),
        "slots under -n auto": lambda: slots(say, out),
    }
    for title, part in parts.items():
        begun = time.monotonic()
        lines.append(f"\n**{title}**\n")
        print(title, flush=True)
        try:
            good = part()
        except Exception:
            good = False
            say(traceback.format_exc(limit=3).replace("\n", " | "))
        held = held and good
        say(f"{'holds' if good else 'DOES NOT HOLD'} ({time.monotonic() - begun:.0f} s)")
        (out / "gpu.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return int(not held)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute()))
