"""Measure on a GPU what CPUs cannot show; called by ``run.sh``, which says how.

Each part runs in a process of its own and within its own time, so one that fails, hangs or
loses the GPU costs no other. What it says goes to ``OUT/gpu.md`` as soon as it ends, its
figures to ``OUT/gpu.json``; the exit code is 1 if something did not hold.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE)]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_mlff.datasets.frames import Frames

DRY = bool(os.environ.get("MLFF_GPU_DRY"))
DEVICE = "cpu" if DRY else "cuda"
MANY = 200 if DRY else 10_000
LADDER = (1, 8, 64) if DRY else (1, 8, 64, 256, 1024, 4096)
SECONDS: Final = {
    "float32 against the CPU": 110.0,
    "a lost CUDA context": 60.0,
    "out of memory": 75.0,
    "two model processes": 60.0,
    "throughput": 110.0,
    "slots under -n auto": 110.0,
}
"""The most that each part may take; all together are ended by ``run.sh``."""


class Part:
    """One part: what it says, the figures that it leaves, a folder that is thrown away."""

    def __init__(self, title: str, scratch: Path) -> None:
        self.scratch = scratch / title.replace(" ", "_")
        self.scratch.mkdir(parents=True, exist_ok=True)

    def say(self, text: str, **figures: object) -> None:
        """One line for the reader, and figures by name."""
        print(f"- {' '.join(text.split())}", flush=True)
        if figures:
            print(f"= {json.dumps(figures)}", flush=True)


def molecule(name: str, count: int) -> Frames:
    import numpy as np

    from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER, read_trajectory
    from pytest_mlff.datasets.frames import Frames

    found = read_trajectory(EMBEDDED_FOLDER / f"{name}.npz")
    chosen = np.arange(count) % len(found.positions)
    return Frames.of_one_molecule(found.numbers, found.positions[chosen])


@contextlib.contextmanager
def opened(source: str, device: str = DEVICE) -> Iterator[Any]:
    from pytest_mlff.potentials.process import open_potential

    potential: Any = open_potential(source, device=device, cwd=HERE)
    try:
        yield potential
    finally:
        potential.close()


def seconds(act: Callable[[], object]) -> float:
    """After once that does not count."""
    act()
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def largest(one: Any, other: Any) -> float:
    return float(abs(one - other).max())


def agreement(part: Part) -> bool:
    """float32 on the GPU against float32 on the CPU, and the CPU against float64."""
    few = molecule("aspirin", 50)
    with opened("demo") as gpu, opened("demo", "cpu") as cpu:
        where = gpu.info.device, gpu.info.dtype
        one, other = gpu.predict(few), cpu.predict(few)
    energy = largest(one.energy, other.energy) / 21 * 1e3
    forces = largest(one.forces, other.forces) * 1e3
    part.say(
        f"{' '.join(where)}, 50 frames of aspirin: largest difference to the CPU {energy:.2g} "
        f"meV/atom, {forces:.2g} meV/Å",
        energy_mev_per_atom=energy, forces_mev_per_angstrom=forces,
    )  # fmt: skip
    return where[0].startswith(DEVICE) and energy < 0.1 and forces < 1.0


def throughput(part: Part) -> bool:
    """Frames per second by batch size, against the ASE loop and in-process."""
    from pytest_mlff.potentials import evaluate, load_potential

    frames = molecule("aspirin", MANY)
    here = load_potential("demo", device=DEVICE)
    with opened("demo") as apart:
        for batch in LADDER:
            some = frames.select(slice(0, min(MANY, max(64, 4 * batch))))
            took = seconds(lambda b=batch, f=some: evaluate(apart, f, batch=b))  # type: ignore[misc]
            rate = len(some) / took
            part.say(f"batch {batch}: {rate:.0f} frames/s", **{f"batch_{batch}": rate})
        sides = {"process": apart, "in-process": here}
        times = dict.fromkeys(sides, math.inf)
        for turn in range(4):
            for name, one in sides.items():
                begun = time.perf_counter()
                evaluate(one, frames)
                if turn:  # the first does not count
                    times[name] = min(times[name], time.perf_counter() - begun)
    rates = {name: MANY / took for name, took in times.items()}
    single = frames.select(slice(0, 20 if DRY else 200))
    rates["ASE loop"] = len(single) / seconds(ase_loop(single))
    part.say(
        f"{MANY} frames, batch size found on the way: "
        + ", ".join(f"{name} {rate:.0f} frames/s" for name, rate in rates.items()),
        **rates,
    )
    own = rates["process"] / rates["in-process"]
    loop = rates["process"] / rates["ASE loop"]
    part.say(f"process / in-process {own:.2f}, process / ASE loop {loop:.1f} (speed)",
             process_to_in_process=own, process_to_ase_loop=loop)  # fmt: skip
    return DRY or (loop >= 10 and own >= 0.95)


def ase_loop(frames: Frames) -> Callable[[], None]:
    """NequIP's own calculator, one structure after the other."""
    from ase import Atoms
    from nequip.integrations.ase import NequIPCalculator

    from pytest_mlff.potentials.families.nequip import library_state
    from pytest_mlff.potentials.loading import DEMO_MODEL

    with library_state():
        calculator = NequIPCalculator._from_saved_model(
            str(DEMO_MODEL), device=DEVICE, chemical_species_to_atom_type_map=True
        )
    places = [slice(a, b) for a, b in zip(frames.offsets, frames.offsets[1:], strict=False)]
    atoms = [Atoms(frames.numbers[one], frames.positions[one]) for one in places]

    def loop() -> None:
        for one in atoms:
            one.calc = calculator
            one.get_potential_energy()
            one.get_forces()

    return loop


def two_processes(part: Part) -> bool:
    """Two models on one GPU at once: the numbers of each alone."""
    from pytest_mlff.potentials import evaluate

    frames = molecule("ethanol", MANY // 2)
    with opened("demo") as first, opened("demo") as second:
        pids = {first.pid, second.pid}
        alone = [evaluate(one, frames, batch=256) for one in (first, second)]
        one_alone = seconds(lambda: evaluate(first, frames, batch=256))
        found: list[Any] = [None, None]

        def work(place: int, potential: Any) -> None:
            found[place] = evaluate(potential, frames, batch=256)

        begun = time.perf_counter()
        threads = [threading.Thread(target=work, args=pair) for pair in enumerate((first, second))]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        took = time.perf_counter() - begun
    off = max(largest(a.forces, b.forces) for a, b in zip(alone, found, strict=True))
    part.say(
        f"{len(frames)} frames of ethanol each: both at once {took:.2f} s, one alone "
        f"{one_alone:.2f} s; forces differ by {off:.1e} eV/Å",
        both=took, alone=one_alone, differ=off,
    )  # fmt: skip
    return len(pids) == 2 and off < 1e-3


def out_of_memory(part: Part) -> bool:
    """A batch that does not fit is halved, and the numbers stay."""
    from pytest_mlff.potentials import evaluate

    frames = molecule("aspirin", MANY)
    told = part.scratch / "batches"
    os.environ["MLFF_GPU_BATCHES"] = str(told)
    with opened("demo") as plain:
        right = evaluate(plain, frames, batch=64)
    with opened("models.py:short_of_memory", "auto") as short:
        found = evaluate(short, frames, batch=MANY)
    asked = [int(line) for line in told.read_text().split()]
    off = largest(found.forces, right.forces)
    part.say(
        f"{MANY} frames asked for in one batch: batches of {', '.join(map(str, asked[:12]))} …; "
        f"forces differ by {off:.1e} eV/Å",
        first=asked[0], smallest=min(asked[:-1]), differ=off,
    )  # fmt: skip
    return asked[0] == MANY and sum(asked) > MANY and off < 1e-3  # what did not fit came again


def lost_context(part: Part) -> bool:
    """A device-side assert costs the model's process, and nothing else."""
    from pytest_mlff.potentials.failures import ModelFailure

    uracil, ethanol = molecule("uracil", 3), molecule("ethanol", 3)
    with opened("models.py:loses_its_context", "auto") as potential:
        before, pid = potential.predict(ethanol), potential.pid
        try:
            potential.predict(uracil)
        except ModelFailure as error:
            part.say(str(error))
        else:
            part.say("nothing was lost")
            return False
        after = potential.predict(ethanol)
        part.say(f"process {pid} went, {potential.pid} answers")
        anew = potential.pid != pid
    return anew and largest(before.forces, after.forces) < 1e-4


def slots(part: Part) -> bool:
    """``-n auto`` with two workers on each GPU."""
    import torch

    workers = 2 if DRY else 2 * torch.cuda.device_count()
    report = part.scratch / "slots.json"
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "xdist.plugin", "-p", "pytest_mlff.plugin.hooks",
         "-p", "no:cacheprovider", "--mlff-model=demo", "--mlff-suite=quick", "--mlff-only",
         "--mlff-level=GFN2-xTB", *(["-n2"] if DRY else ["-nauto", "--mlff-per-gpu=2"]),
         f"--mlff-device={DEVICE}", f"--mlff-store={part.scratch / 'store'}", "-k", "ethanol",
         f"--mlff-report={report}"],
        cwd=part.scratch, capture_output=True, text=True, check=False,
    )  # fmt: skip
    took = time.perf_counter() - begun
    lines = done.stdout.splitlines()
    part.say(next((line for line in lines if "workers" in line), "no workers"))
    part.say(f"{lines[-1] if lines else done.stderr[-500:]} ({took:.0f} s)", seconds=took)
    if not report.exists():
        part.say(f"no report: {done.stdout[-500:]} {done.stderr[-500:]}")
        return False
    content = json.loads(report.read_text(encoding="utf-8"))
    where = {str(model.get("device")) for model in content["models"]}
    red = [case for case in content["cases"] if case["verdict"] not in ("passed", "reported")]
    for case in red[:5]:
        part.say(f"{case['case_id']}: {case['verdict']}: {case['reason']}")
    part.say(f"{len(content['cases'])} cases on {', '.join(sorted(where))}, {len(red)} red")
    created = any(f"{workers}/{workers} workers" in line for line in lines)
    return created and not red and all(one.startswith(DEVICE) for one in where)


PARTS: Final[dict[str, Callable[[Part], bool]]] = dict(
    zip(
        SECONDS,
        (agreement, lost_context, out_of_memory, two_processes, throughput, slots),
        strict=True,
    )
)


def run_part(title: str, scratch: Path) -> tuple[bool, list[str], dict[str, Any]]:
    """One part in a process of its own; whether it held, what it said, its figures."""
    log = scratch / "stderr"
    with log.open("wb") as stream:
        child = subprocess.Popen(
            [sys.executable, __file__, str(scratch), str(scratch), title],
            stdout=subprocess.PIPE, stderr=stream, start_new_session=True, text=True,
        )  # fmt: skip
        try:
            text, _ = child.communicate(timeout=SECONDS[title] * (5 if DRY else 1))
            why = ""
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            text, _ = child.communicate()
            why = f"ended after {SECONDS[title]:g} s"
    lines = text.splitlines()
    figures: dict[str, Any] = {}
    for line in lines:
        if line.startswith("= "):
            figures |= json.loads(line[2:])
    said = [line for line in lines if line.startswith("- ")]
    if child.returncode not in (0, 1) or why:
        errors = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        why = why or f"exit code {child.returncode}"
        said.append(f"- {why}; last lines: {' | '.join(errors[-12:])}")
    return child.returncode == 0, said, figures


def about() -> str:
    import torch

    name = "CPU (dry run)" if DRY else torch.cuda.get_device_name(0)
    return f"{name}, torch {torch.__version__}, Python {platform.python_version()}"


def main(out: Path, scratch: Path) -> int:
    lines = [about(), "", "| part | | seconds |", "|---|---|---|"]
    print(lines[0], flush=True)
    details: list[str] = []
    results: dict[str, Any] = {"machine": lines[0]}
    held = True
    for title in PARTS:
        print(title, flush=True)
        begun = time.monotonic()
        good, said, figures = run_part(title, scratch)
        took = time.monotonic() - begun
        held &= good
        word = "holds" if good else "DOES NOT HOLD"
        print("\n".join([*said, f"{word} ({took:.0f} s)"]), flush=True)
        lines.append(f"| {title} | {word} | {took:.0f} |")
        details += ["", f"**{title}**", "", *said]
        results[title] = {"holds": good, "seconds": took, **figures}
        (out / "gpu.md").write_text("\n".join([*lines, *details]) + "\n", encoding="utf-8")
        (out / "gpu.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return int(not held)


if __name__ == "__main__":
    folder, scratch, *chosen = sys.argv[1:]
    if chosen:
        # 1 is said by a part that ran to its end; what raises must not look like it.
        try:
            code = int(not PARTS[chosen[0]](Part(chosen[0], Path(scratch))))
        except Exception:
            import traceback

            traceback.print_exc()
            code = 2
        sys.exit(code)
    sys.exit(main(Path(folder).absolute(), Path(scratch).absolute()))
