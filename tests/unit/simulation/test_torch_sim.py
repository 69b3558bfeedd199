"""Our dynamics against torch-sim's, an implementation that shares nothing with ASE's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase import units
from scipy import stats
from support.closed_forms import PairPotential, morse, springs

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.simulation import SimulationSettings, simulate
from pytest_mlff.simulation.velocities import initial_momenta

torch = pytest.importorskip("torch")
torch_sim = pytest.importorskip("torch_sim")
KT = units.kB * 300.0


def as_model(potential: PairPotential) -> Any:
    """The same potential as torch-sim asks for it."""
    from torch_sim.models.interface import ModelInterface

    class Model(ModelInterface):
        def __init__(self) -> None:
            super().__init__()
            self._device, self._dtype = torch.device("cpu"), torch.float64
            self._compute_forces, self._compute_stress = True, False

        def forward(self, state: Any, **_: Any) -> dict[str, Any]:
            counts = torch.bincount(state.system_idx).numpy()
            found = potential.predict(
                Frames(
                    numbers=state.atomic_numbers.numpy(),
                    positions=state.positions.numpy(),
                    counts=counts,
                    cell=np.zeros((len(counts), 3, 3)),
                    pbc=np.zeros((len(counts), 3), dtype=bool),
                )
            )
            return {
                "energy": torch.from_numpy(found.energy),
                "forces": torch.from_numpy(found.forces),
            }

    return Model()


def as_state(begin: Frames) -> Any:
    return torch_sim.io.atoms_to_state(
        [begin.atoms(index) for index in range(len(begin))], torch.device("cpu"), torch.float64
    )


def number(value: float) -> Any:
    return torch.tensor(value, dtype=torch.float64)


def test_energies_are_torch_sims_step_by_step() -> None:
    potential = PairPotential(morse(depth=2.0, width=1.5, length=1.6))
    rng = np.random.default_rng(1)
    shape = 1.6 * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(8)
    begin = Frames.of_one_molecule(np.array([8, 6, 1, 1]), shape + rng.normal(0.0, 0.05, (3, 4, 3)))
    settings = SimulationSettings(
        ensemble="nve", steps=60, stride=1, replicas=3, timestep_fs=0.5, temperature_k=300.0
    )
    ours = simulate(potential, begin, settings)
    masses = begin.atoms(0).get_masses()
    noise = [
        np.random.default_rng([settings.seed, one]).standard_normal((4, 3)) for one in range(3)
    ]
    momenta = initial_momenta(
        np.stack(noise), masses, begin.positions.reshape(3, 4, 3), 300.0, rotates=False
    )
    start, step = torch_sim.integrators.nve(
        as_model(potential), dt=number(0.5 * units.fs), kT=number(KT)
    )
    state = start(as_state(begin))
    state.momenta = torch.from_numpy(np.concatenate(momenta))
    for index in range(settings.steps + 1):
        state = step(state) if index else state
        assert np.abs(state.energy.numpy() - ours.potential_energy[index]).max() < 1e-10
        kinetic = (state.momenta.numpy() ** 2).reshape(3, 4, 3).sum(axis=2) @ (0.5 / masses)
        assert np.abs(kinetic - ours.kinetic_energy[index]).max() < 1e-10


def test_a_thermostat_samples_as_torch_sims_does() -> None:
    """By distribution: potential energies of 500 oscillators; forces 1.5 times as large differ."""
    count, steps, stiffness = 500, 150, 1.0
    begin = Frames.of_one_molecule(
        np.array([18, 18]), np.tile([[0.0, 0, 0], [0.1, 0, 0]], (count, 1, 1))
    )
    start, step = torch_sim.integrators.nvt_langevin(
        as_model(PairPotential(springs(stiffness))),
        dt=number(2.0 * units.fs),
        kT=number(KT),
        gamma=number(50.0 / (1000.0 * units.fs)),
        seed=1,
    )
    state = start(as_state(begin))
    for _ in range(steps):
        state = step(state)
    between = np.diff(state.positions.numpy().reshape(count, 2, 3), axis=1)[:, 0]
    theirs = 0.5 * stiffness * (between**2).sum(axis=1)

    def ours(scale: float) -> np.ndarray:
        settings = SimulationSettings(
            steps=steps, stride=steps, replicas=count, timestep_fs=2.0, temperature_k=300.0,
            friction_per_ps=50.0, closest_angstrom=0.0,
        )  # fmt: skip
        potential = PairPotential(springs(stiffness), force_scale=scale)
        return simulate(potential, begin, settings).potential_energy[-1]

    assert stats.ks_2samp(ours(1.0), theirs).pvalue > 1e-3
    assert stats.ks_2samp(ours(1.5), theirs).pvalue < 1e-3
