"""Stress is the derivative of the energy by strain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.laws import tolerance
from pytest_mlff.laws.law import LawBase
from pytest_mlff.laws.numerics import mean_over_path, path
from pytest_mlff.laws.structures import seeds, trials_of
from pytest_mlff.laws.trial import Reading, Trial
from pytest_mlff.laws.wording import vector

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy
    from numpy.typing import NDArray

    from pytest_mlff.laws.context import Context

DIRECTIONS = 3
"""Strains of a crystal; in each all six components differ."""


class StressConsistency(LawBase):
    """Work of the stress = gain of energy while a crystal is strained in all components at once."""

    id = "stress_consistency"
    title = "stress is the strain derivative of the energy per volume, all six components"
    required_evidence = ("numerical_stress",)
    uses_reference = False
    min_atoms = 1

    def trials(self, context: Context) -> SearchStrategy[Trial]:
        """Crystals in skewed cells."""
        context.require_stress()
        return trials_of(context.pool.crystals(), probe_seed=seeds())

    def examples(self, wanted: int) -> int:
        """Half as many: one trial is some fifty evaluations."""
        return max(4, wanted // 2)

    def measure(self, context: Context, trial: Trial) -> Reading:
        """Strain the crystal in some ways, in one batch."""
        frame, dtype = trial.frames, context.dtype
        half = 0.03 if dtype == np.float32 else 0.001
        reach, seed = context.coarse_reach(frame), int(trial.parameters["probe_seed"])
        strains = np.random.default_rng([seed, 17]).normal(size=(DIRECTIONS, 3, 3))
        strains = (strains + strains.transpose(0, 2, 1)) / 2
        strains /= np.linalg.norm(strains, axis=(1, 2), keepdims=True)
        strained = Frames.concatenate(
            [_strained(frame, size * strain) for strain in strains for size in path(half)]
        )
        probed = tolerance.probed(frame, dtype, reach, seed, strained)
        _, noise, answer = probed.read(context.predict(probed.batch))
        volume = abs(float(np.linalg.det(frame.cell[0])))
        energies = answer.energy.reshape(DIRECTIONS, -1)
        numeric = (energies[:, 0] - energies[:, -1]) / (2.0 * half * volume)
        assert answer.stress is not None  # require_stress
        power = _power(answer.stress, strained.cell, strains, half) / volume
        claimed = mean_over_path(power)
        allowed = claimed.error + noise.stress + noise.energy / (2.0 * half * volume)
        violation = np.abs(claimed.value - numeric)
        index = int(np.argmax(violation / allowed))
        return Reading(
            1000.0 * float(violation[index]),
            1000.0 * float(allowed[index]),
            "meV/Å³",
            {"numerical_stress": float(np.abs(numeric).mean())},
            "stress",
            "straining this crystal, stress and slope of the energy differ by",
            1000.0 * float(np.abs(numeric).mean()),
            (
                f"strain: {vector(strains[index].reshape(-1).round(3))} × ±{half:g}",
                f"work per volume and strain, from the stress: {claimed.value[index]:.6g} eV/Å³",
                f"work per volume and strain, from the energy: {numeric[index]:.6g} eV/Å³",
            ),
        )


def _power(
    stress: NDArray[np.float64],
    cells: NDArray[np.float64],
    strains: NDArray[np.float64],
    half: float,
) -> NDArray[np.float64]:
    """V σ : D along each strain, D the rate of deformation, shape (n_steps, n_directions)."""
    steps = path(half)
    rates = np.stack([[np.linalg.solve(np.eye(3) + t * s, s) for t in steps] for s in strains])
    volumes = np.abs(np.linalg.det(cells)).reshape(len(strains), -1)
    told = stress.reshape(len(strains), len(steps), 3, 3)
    return np.asarray(volumes * np.einsum("ktij,ktij->kt", told, rates)).T


def _strained(frame: Frames, strain: NDArray[np.float64]) -> Frames:
    change = np.eye(3) + strain
    return Frames(
        frame.numbers, frame.positions @ change, frame.counts, frame.cell @ change, frame.pbc
    )
