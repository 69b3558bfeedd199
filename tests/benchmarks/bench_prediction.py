"""Speed of the prediction pass, as ratios measured in one run.

Compared are, with one thread and neighbour lists included everywhere:

- **ours**: ``evaluate`` as every case uses it, batch size probe included;
- **bare**: the least code that evaluates the same network in batches, at the batch size
  that is best in a sweep made beforehand (the sweep is not counted);
- **ASE loop**: the family's own ASE calculator, one structure after the other.

All three take turns, repeatedly, so that a slower moment of the machine hits all.

    python tests/benchmarks/bench_prediction.py MODEL [--frames 10000] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER, read_trajectory
from pytest_mlff.datasets.frames import Frames
from pytest_mlff.potentials import evaluate, load_potential
from pytest_mlff.potentials.families.neighbours import neighbour_list
from pytest_mlff.potentials.families.nequip import NequipPotential, library_state
from pytest_mlff.potentials.memory import keep_freed_memory

if TYPE_CHECKING:
    from collections.abc import Callable

SWEEP = (2, 4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True)
class Result:
    """Seconds per frame of each repetition, and their ratios within a repetition."""

    model: str
    frames: int
    ase_frames: int
    threads: int
    bare_batch: int
    ours: list[float]
    bare: list[float]
    ase: list[float]
    neighbour_lists: float
    machine: str

    @property
    def of_bare(self) -> list[float]:
        """Our speed as a fraction of the bare pass's."""
        return [b / a for a, b in zip(self.ours, self.bare, strict=True)]

    @property
    def of_ase(self) -> list[float]:
        """Our speed as a multiple of the ASE loop's."""
        return [b / a for a, b in zip(self.ours, self.ase, strict=True)]


def molecule(source: str, count: int) -> Frames:
    """``count`` frames of an embedded molecule or of an npz file, repeated where too few."""
    if source.endswith(".npz"):
        with np.load(source) as archive:
            keys = set(archive.files)
            numbers = archive["nuclear_charges" if "nuclear_charges" in keys else "z"]
            positions = archive["coords" if "coords" in keys else "R"]
    else:
        trajectory = read_trajectory(EMBEDDED_FOLDER / f"{source}.npz")
        numbers, positions = trajectory.numbers, trajectory.positions
    return Frames.of_one_molecule(numbers, positions[np.arange(count) % len(positions)])


def bare_pass(potential: NequipPotential, frames: Frames, batch: int) -> np.ndarray:
    """Slice, list neighbours, call the network, keep forces: nothing else."""
    import torch

    found = []
    for start in range(0, len(frames), batch):
        part = frames.select(slice(start, start + batch))
        edges = neighbour_list(part, potential.metadata.cutoff)
        out = potential.forward(
            {
                "pos": torch.tensor(part.positions),
                "atom_types": torch.tensor(potential.types[part.numbers]),
                "edge_index": torch.tensor(edges.index),
                "batch": torch.tensor(part.frame_of_atom),
                "num_atoms": torch.tensor(part.counts),
            }
        )
        found.append(out["forces"].detach().numpy())
    return np.concatenate(found)


def ase_loop(calculator: Any, frames: Frames) -> np.ndarray:
    """Forces of one structure after the other."""
    found = []
    for atoms in frames:
        atoms.calc = calculator
        found.append(atoms.get_forces())
    return np.concatenate(found)


def seconds(run: Callable[[], Any]) -> tuple[float, Any]:
    """Time one call."""
    started = time.perf_counter()
    value = run()
    return time.perf_counter() - started, value


def measure(model: Path, source: str, n_frames: int, n_ase: int, repetitions: int) -> Result:
    """Run everything once to warm up and check that all agree, then in turns."""
    import torch

    torch.set_num_threads(1)
    potential = load_potential(str(model), device="cpu")
    assert isinstance(potential, NequipPotential)
    from nequip.integrations.ase import NequIPCalculator

    with library_state():
        calculator = NequIPCalculator._from_saved_model(
            str(model), chemical_species_to_atom_type_map=True
        )
    frames = molecule(source, n_frames)
    few = frames.select(slice(0, n_ase))
    warm = frames.select(slice(0, min(256, n_frames)))
    # The bare pass gets what ``evaluate`` sets for the whole process, from its sweep on.
    keep_freed_memory()
    sweep: dict[int, float] = {}
    for _ in range(3):
        for batch in SWEEP:
            if batch <= len(warm):
                spent, _ = seconds(lambda batch=batch: bare_pass(potential, warm, batch))
                sweep[batch] = min(spent, sweep.get(batch, np.inf))
    best = min(sweep, key=lambda batch: sweep[batch])
    ours, bare, ase = [], [], []
    for turn in range(repetitions):
        runs: list[tuple[list[float], int, Callable[[], Any]]] = [
            (ours, n_frames, lambda: evaluate(potential, frames).forces),
            (bare, n_frames, lambda: bare_pass(potential, frames, best)),
            (ase, n_ase, lambda: ase_loop(calculator, few)),
        ]
        forces = []
        for times, count, run in runs if turn % 2 == 0 else reversed(runs):
            spent, value = seconds(run)
            times.append(spent / count)
            forces.append(value[: len(few.numbers)])
        largest = float(np.abs(forces[0]).max())
        for other in forces[1:]:
            assert np.abs(forces[0] - other).max() < 1e-4 * largest
    listing = min(
        seconds(lambda: neighbour_list(warm, potential.metadata.cutoff))[0] for _ in range(5)
    )
    return Result(
        model=model.name,
        frames=n_frames,
        ase_frames=n_ase,
        threads=torch.get_num_threads(),
        bare_batch=best,
        ours=ours,
        bare=bare,
        ase=ase,
        neighbour_lists=listing / len(warm),
        machine=f"{platform.machine()}, {platform.python_version()}, torch {torch.__version__}",
    )


def spread(values: list[float], digits: int, scale: float = 1.0) -> str:
    """Median and range."""
    scaled = [scale * value for value in values]
    low, high = min(scaled), max(scaled)
    return f"{statistics.median(scaled):.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def table(result: Result) -> str:
    """A markdown table of one result."""
    rows = [
        ("ours, ms per frame", spread(result.ours, 3, 1e3)),
        (f"bare at batch {result.bare_batch}, ms per frame", spread(result.bare, 3, 1e3)),
        (f"ASE loop ({result.ase_frames} frames), ms per frame", spread(result.ase, 3, 1e3)),
        ("neighbour lists, ms per frame", f"{1e3 * result.neighbour_lists:.4f}"),
        ("ours / bare (speed)", spread(result.of_bare, 3)),
        ("ours / ASE loop (speed)", spread(result.of_ase, 2)),
    ]
    lines = [
        f"{result.model}, {result.frames} frames, {result.threads} thread, "
        f"{len(result.ours)} repetitions; median (range)",
        "",
        "| what | value |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in rows),
    ]
    return "\n".join(lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Speed of the prediction pass, as ratios.")
    parser.add_argument("model", type=Path, nargs="+", help="NequIP checkpoint or package")
    parser.add_argument("--molecule", default="aspirin", help="embedded molecule, or an npz file")
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--ase-frames", type=int, default=300)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    results = []
    for model in arguments.model:
        n_ase = min(arguments.ase_frames, arguments.frames)
        result = measure(model, arguments.molecule, arguments.frames, n_ase, arguments.repetitions)
        print(table(result), end="\n\n", flush=True)
        results.append({**asdict(result), "of_bare": result.of_bare, "of_ase": result.of_ase})
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
