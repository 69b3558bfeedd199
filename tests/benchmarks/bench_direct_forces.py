"""A published direct-force architecture under the laws: which of them it does not keep.

The architecture is e3nn's message passing network of gated equivariant convolutions (Geiger and
Smidt, arXiv:2207.09453; `e3nn.nn.models.v2106`), taken from the library as it is. It answers
energies (scalars, added up) and forces (vectors at the atoms) as two separate outputs, which
is what makes direct-force models fast, and it is trained here on the first frames of ethanol.
It is equivariant by construction, so rotation must pass; nothing makes its forces a gradient,
so conservativity and force consistency must not.

    python tests/benchmarks/bench_direct_forces.py [--steps 2500] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER, read_trajectory
from pytest_mlff.datasets.frames import Frames
from pytest_mlff.errors import NotSupportedError
from pytest_mlff.laws import StructurePool, run_law
from pytest_mlff.potentials.families.neighbours import neighbour_list
from pytest_mlff.potentials.protocol import PotentialInfo, Prediction

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

CUTOFF = 4.5
RADIAL = 8
SPECIES = ("C", "H", "O")
NUMBERS = np.array([6, 1, 8])
LAWS = (
    "rotation", "inversion", "translation", "permutation", "batch_independence", "net_force",
    "force_consistency", "conservativity",
)  # fmt: skip


def network() -> torch.nn.Module:
    """The library's network: species in, one scalar and one vector out at each atom."""
    from e3nn.nn.models.v2106.gate_points_message_passing import MessagePassing

    hidden = "24x0e + 8x0o + 12x1o + 12x1e + 6x2e"
    return MessagePassing(
        irreps_node_sequence=[f"{len(SPECIES)}x0e", hidden, hidden, "1x0e + 1x1o"],
        irreps_node_attr=f"{len(SPECIES)}x0e",
        irreps_edge_attr="1x0e + 1x1o + 1x2e",
        fc_neurons=[RADIAL, 32],
        num_neighbors=8.0,
    )


@dataclass(eq=False)
class DirectForces:
    """The network as a `Potential`, float32."""

    net: torch.nn.Module
    energy_per_atom: float

    @property
    def info(self) -> PotentialInfo:
        import e3nn

        return PotentialInfo(
            name="e3nn message passing, direct forces",
            family="e3nn",
            source="tests/benchmarks/bench_direct_forces.py",
            digest=None,
            species=SPECIES,
            cutoff=CUTOFF,
            device="cpu",
            dtype="float32",
            versions={"e3nn": e3nn.__version__},
        )

    def outputs(self, frames: Frames) -> tuple[torch.Tensor, torch.Tensor]:
        """Energies relative to the mean per atom, and forces."""
        import torch
        from e3nn import o3
        from e3nn.math import soft_one_hot_linspace

        edges = neighbour_list(frames, CUTOFF).index
        vectors = torch.as_tensor(frames.positions[edges[1]] - frames.positions[edges[0]])
        vectors = vectors.to(torch.float32)
        lengths = vectors.norm(dim=1)
        radial = soft_one_hot_linspace(
            lengths, 0.0, CUTOFF, RADIAL, basis="smooth_finite", cutoff=True
        ).mul(RADIAL**0.5)
        # The envelope also takes the harmonics smoothly to zero at the cutoff.
        envelope = (0.5 * (1.0 + torch.cos(torch.pi * lengths / CUTOFF)))[:, None]
        harmonics = envelope * o3.spherical_harmonics(
            "0e + 1o + 2e", vectors, normalize=True, normalization="component"
        )
        kinds = (frames.numbers[:, None] == NUMBERS[None]).astype(np.float32)
        nodes = torch.as_tensor(kinds)
        centre, neighbour = torch.as_tensor(edges[0]), torch.as_tensor(edges[1])
        out = self.net(nodes, nodes, neighbour, centre, harmonics, radial)
        energy = torch.zeros(len(frames), dtype=out.dtype)
        return energy.index_add(0, torch.as_tensor(frames.frame_of_atom), out[:, 0]), out[:, 1:]

    def predict(self, frames: Frames) -> Prediction:
        """Energies and forces of isolated frames."""
        import torch

        if frames.pbc.any():
            raise NotSupportedError("isolated structures only")
        if not np.isin(frames.numbers, NUMBERS).all():
            raise NotSupportedError(f"knows only {', '.join(SPECIES)}")
        with torch.no_grad():
            energy, forces = self.outputs(frames)
        shift = self.energy_per_atom * frames.counts
        return Prediction(
            energy.double().numpy() + shift, forces.double().numpy().reshape(-1, 3).copy()
        )


def ethanol(indices: NDArray[np.int64]) -> tuple[Frames, NDArray[np.float64], NDArray[np.float64]]:
    """Frames, energies and forces of the embedded ethanol trajectory."""
    found = read_trajectory(EMBEDDED_FOLDER / "ethanol.npz")
    labels = found.labels["gfn2-xtb"]
    count = len(found.numbers)
    frames = Frames(
        np.tile(found.numbers.astype(np.int64), len(indices)),
        found.positions[indices].astype(np.float64).reshape(-1, 3),
        np.full(len(indices), count, dtype=np.int64),
        np.zeros((len(indices), 3, 3)),
        np.zeros((len(indices), 3), dtype=bool),
    )
    return frames, labels.energy[indices], labels.forces[indices].reshape(-1, 3).astype(float)


def train(steps: int, batch: int = 8) -> tuple[DirectForces, dict[str, float]]:
    """Fit to the first 85 % of the trajectory; errors on the last 10 %."""
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)
    total = len(read_trajectory(EMBEDDED_FOLDER / "ethanol.npz").positions)
    known = np.linspace(0, int(0.85 * total) - 1, 800).round().astype(np.int64)
    unseen = np.linspace(int(0.9 * total), total - 1, 60).round().astype(np.int64)
    frames, energies, forces = ethanol(known)
    model = DirectForces(network(), float(energies.mean() / 9))
    size = float(forces.std())
    optimiser = torch.optim.Adam(model.net.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=steps)
    rng = np.random.default_rng(0)
    for _ in range(steps):
        chosen = rng.choice(len(known), batch, replace=False)
        energy, force = model.outputs(frames.select(chosen))
        wanted = torch.as_tensor(energies[chosen] - energies.mean(), dtype=torch.float32)
        target = torch.as_tensor(forces.reshape(-1, 9, 3)[chosen].reshape(-1, 3)).float()
        loss = ((force - target) / size).square().mean() + 0.1 * (energy - wanted).square().mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    model.net.eval()
    tested, _, truth = ethanol(unseen)
    error = np.abs(model.predict(tested).forces - truth)
    return model, {
        "force_mae_meV_per_A": 1000.0 * float(error.mean()),
        "force_scale_meV_per_A": 1000.0 * float(np.abs(truth).mean()),
    }


def main() -> int:
    """Train, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    start = time.perf_counter()
    model, errors = train(options.steps)
    found: dict[str, Any] = {"training_s": time.perf_counter() - start, **errors, "laws": {}}
    print(json.dumps(found, indent=2))
    reference, _, _ = ethanol(np.linspace(1800, 1999, 8).astype(np.int64))
    pool = StructurePool.for_potential(model, reference)
    for law in LAWS:
        result = run_law(law, model, structures=pool, strictness="ci", seed=options.seed)
        found["laws"][law] = {"excess": result.excess, "holds": result.holds}
        print(result.summary(), flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
