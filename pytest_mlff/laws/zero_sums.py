"""What must vanish: forces on one atom alone, net force, net torque."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.laws import tolerance
from pytest_mlff.laws.growing import isolated
from pytest_mlff.laws.law import LawBase
from pytest_mlff.laws.numerics import mean_norm
from pytest_mlff.laws.structures import seeds, trials_of
from pytest_mlff.laws.trial import Questions, Reading, Trial, worst
from pytest_mlff.laws.wording import kind_of, vector

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from pytest_mlff.laws.context import Context


class IsolatedAtom(LawBase):
    """One atom alone: finite energy wherever it stands, no force."""

    id = "isolated_atom"
    title = "a single atom has a finite energy, the same everywhere, and no force"
    required_evidence = ("atoms",)
    uses_reference = False
    min_atoms = 1

    def trials(self, context: Context) -> SearchStrategy[Trial]:
        """Each species in turn, at two places."""
        numbers = context.pool.numbers
        atoms = [isolated(one, np.zeros((1, 3))) for one in numbers[:, None]]
        which = st.integers(0, len(numbers) - 1)
        return trials_of(which.map(lambda index: atoms[index]), place_seed=seeds())

    def measure(self, context: Context, trial: Trial) -> Reading:
        """Evaluate the atom at the origin and up to 20 Å away."""
        frame, seed = trial.frames, int(trial.parameters["place_seed"])
        place = np.random.default_rng([seed, 13]).uniform(-20.0, 20.0, size=(1, 3))
        other = isolated(frame.numbers, frame.positions + place)
        batch = Frames.concatenate([frame, other])
        answer = context.predict(batch, finite=False)
        evidence = {"atoms": 1.0}
        bad = int((~np.isfinite(answer.energy)).sum() + (~np.isfinite(answer.forces)).sum())
        if bad:
            told = f"a single atom of {frame.species[0]} gets NaN or infinity."
            return Reading(float(bad), 0.5, "values", evidence, "values that are not finite", told)
        eps = float(np.finfo(context.dtype).eps)
        energy = float(np.abs(answer.energy).max())
        allowed = tolerance.FLOOR_ULPS * eps * (energy + 1.0)
        return worst(
            Reading(
                1000.0 * float(np.abs(answer.forces).max()),
                1000.0 * tolerance.FLOOR_ULPS * eps,
                "meV/Å",
                evidence,
                "force on a single atom",
                f"a single atom of {frame.species[0]} feels a force of",
            ),
            Reading(
                1000.0 * abs(float(answer.energy[1] - answer.energy[0])),
                1000.0 * allowed,
                "meV",
                evidence,
                "energy at another place",
                f"moving a single atom of {frame.species[0]} changes its energy by",
            ),
        )


class NetForce(LawBase):
    """Forces add up to zero; so do torques of an isolated structure."""

    id = "net_force"
    title = "forces add up to zero, and torques of an isolated structure too"

    def trials(self, context: Context) -> SearchStrategy[Trial]:
        """Structures of every kind."""
        return trials_of(context.pool.any(), probe_seed=seeds())

    def measure(self, context: Context, trial: Trial) -> Questions:
        """Sum forces and torques about the centre."""
        frame, seed = trial.frames, int(trial.parameters["probe_seed"])
        probed = tolerance.probed(frame, context.dtype, context.coarse_reach(frame), seed)
        (answer,) = yield [probed.batch]
        base, noise, _ = probed.read(answer)
        # Errors of single forces add up at random.
        root = float(np.sqrt(len(base.forces)))
        evidence = {"mean_force_norm": mean_norm(base.forces)}
        readings = [
            Reading(
                1000.0 * float(np.abs(base.forces.sum(axis=0)).max()),
                1000.0 * root * noise.forces,
                "meV/Å",
                evidence,
                "net force",
                f"the forces on this {kind_of(frame)} add up to",
                1000.0 * evidence["mean_force_norm"],
                (f"sum of all forces: {vector(base.forces.sum(axis=0), 'eV/Å')}",),
            )
        ]
        if not frame.pbc.any():
            arms = frame.positions - frame.positions.mean(axis=0)
            torque = np.cross(arms, base.forces).sum(axis=0)
            arm = float(np.linalg.norm(arms, axis=1).max())
            readings.append(
                Reading(
                    1000.0 * float(np.abs(torque).max()),
                    1000.0 * root * max(arm, 1e-9) * noise.forces,
                    "meV",
                    evidence,
                    "net torque",
                    f"the torques on this {kind_of(frame)} add up to",
                    1000.0 * evidence["mean_force_norm"] * max(arm, 1e-9),
                    (f"sum of all torques: {vector(torque, 'eV')}",),
                )
            )
        return worst(*readings)
