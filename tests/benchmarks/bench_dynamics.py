"""Speed of batched dynamics against ASE's loop, as ratios measured in one run.

Compared are, in processor time of one thread and with neighbour lists included:

- **ours**: ``simulate``, all replicas as one batch;
- **ASE loop**: ASE's own velocity Verlet with the family's own calculator, one replica.

Both take turns, so that a slower moment of the machine hits both. *Our side* is what a step of
``simulate`` costs beyond the model's own ``predict``, velocities at the start and the stored
frame included.

    python tests/benchmarks/bench_dynamics.py [MODEL] [--replicas 16 64]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ase import units
from ase.md.verlet import VelocityVerlet

from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER, read_trajectory
from pytest_mlff.datasets.frames import Frames
from pytest_mlff.potentials import load_potential
from pytest_mlff.potentials.loading import DEMO_MODEL
from pytest_mlff.simulation import SimulationSettings, choose_starts, simulate

if TYPE_CHECKING:
    from pytest_mlff.potentials import Potential, PotentialInfo, Prediction


@dataclass
class Timed:
    """A potential that adds up the seconds it takes itself."""

    inner: Potential
    seconds: float = 0.0

    @property
    def info(self) -> PotentialInfo:
        return self.inner.info

    def predict(self, frames: Frames) -> Prediction:
        started = time.process_time()
        found = self.inner.predict(frames)
        self.seconds += time.process_time() - started
        return found


def ase_seconds(calculator: Any, start: Frames, steps: int) -> float:
    """Seconds per step of one replica in ASE's loop."""
    atoms: Any = start.atoms(0)
    atoms.calc = calculator
    dynamics = VelocityVerlet(atoms, 0.5 * units.fs)
    dynamics.run(3)
    started = time.process_time()
    dynamics.run(steps)
    return (time.process_time() - started) / steps


def our_seconds(potential: Timed, starts: Frames, replicas: int, steps: int) -> tuple[float, float]:
    """Seconds per step of all replicas, and the share of our side in them."""
    settings = SimulationSettings(
        ensemble="nvt_langevin", steps=steps, stride=steps, replicas=replicas, timestep_fs=0.5
    )
    potential.seconds = 0.0
    started = time.process_time()
    simulate(potential, choose_starts(starts, settings), settings)
    spent = time.process_time() - started
    return spent / (steps + 1), 1.0 - potential.seconds / spent


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Speed of batched dynamics, as ratios.")
    parser.add_argument("model", nargs="?", help="NequIP checkpoint or package; default: demo")
    parser.add_argument("--molecule", default="ethanol", help="embedded molecule")
    parser.add_argument("--replicas", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    import torch
    from nequip.integrations.ase import NequIPCalculator

    from pytest_mlff.potentials.families.nequip import library_state

    torch.set_num_threads(1)
    path = arguments.model or str(DEMO_MODEL)
    with library_state():
        calculator = NequIPCalculator._from_saved_model(
            path, chemical_species_to_atom_type_map=True
        )
    potential = Timed(load_potential(path, device="cpu"))
    trajectory = read_trajectory(EMBEDDED_FOLDER / f"{arguments.molecule}.npz")
    frames = Frames.of_one_molecule(trajectory.numbers, trajectory.positions)
    our_seconds(potential, frames, 16, 5)
    print("| replicas | ms per step | ASE loop, ms per step and replica | ratio | our side, % |")
    print("|---|---|---|---|---|")
    for replicas in arguments.replicas:
        ours, loop, side = [], [], []
        for _ in range(arguments.repetitions):
            loop.append(ase_seconds(calculator, frames.select([0]), arguments.steps))
            seconds, share = our_seconds(potential, frames, replicas, arguments.steps)
            ours.append(seconds)
            side.append(share)
        ratios = [replicas * b / a for a, b in zip(ours, loop, strict=True)]
        print(
            f"| {replicas} | {1e3 * statistics.median(ours):.1f} "
            f"| {1e3 * statistics.median(loop):.1f} | {statistics.median(ratios):.1f} "
            f"({min(ratios):.1f}–{max(ratios):.1f}) | {100 * statistics.median(side):.1f} "
            f"({100 * min(side):.1f}–{100 * max(side):.1f}) |",
            flush=True,
        )


if __name__ == "__main__":
    main()
