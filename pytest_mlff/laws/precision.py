"""The model computes as finely as it says, and all its variants agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.laws import tolerance
from pytest_mlff.laws.context import dtype_of
from pytest_mlff.laws.force_consistency import displaced
from pytest_mlff.laws.growing import moved
from pytest_mlff.laws.law import LawBase
from pytest_mlff.laws.numerics import mean_norm, roughness
from pytest_mlff.laws.structures import seeds, trials_of
from pytest_mlff.laws.trial import Reading, Trial, worst

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.laws.context import Context
    from pytest_mlff.potentials.protocol import Potential

POINTS = 12
ALLOWED_ULPS = 2.0**12
"""Loss that is granted: sums of thousands of terms cancel; float32 inside float64 loses 2^29."""
_PLACES = 3
_ASIDE = 0.02
"""Å: to another place where the same rounding must show, if it is rounding."""


class Precision(LawBase):
    """Answers along a tiny line are a smooth curve to the last places of the claimed dtype.

    The line is some square roots of eps long: nothing but a cubic is left of any potential
    there, so what a cubic fit leaves is rounding, and a coarser dtype inside shows as steps.
    A model loaded otherwise (other dtype, compiled, eager) must agree within the
    noise measured for both.
    """

    id = "precision"
    compares_precisions = True
    title = "rounding is that of the claimed dtype; other backends agree within their noise"

    def trials(self, context: Context) -> SearchStrategy[Trial]:
        """Isolated structures and a direction."""
        return trials_of(context.pool.finite(10), direction_seed=seeds())

    def examples(self, wanted: int) -> int:
        """Half as many."""
        return max(4, wanted // 2)

    def measure(self, context: Context, trial: Trial) -> Reading:
        """Resolution of the model itself, then agreement with each alternative."""
        frame, seed = trial.frames, int(trial.parameters["direction_seed"])
        found = self._resolution(context, frame, seed)
        for place in range(1, _PLACES):
            if found.excess <= 1.0:
                break
            # Rounding is the same all around; a jump of the force, no matter of rounding, is not.
            aside = np.random.default_rng([seed, 19, place]).normal(size=frame.positions.shape)
            there = moved(frame, frame.positions + _ASIDE * aside)
            found = min(found, self._resolution(context, there, seed), key=lambda one: one.excess)
        readings = [found]
        for name, other in sorted(context.alternatives.items()):
            readings.append(self._agreement(context, frame, name, other, seed))
        return worst(*readings)

    def _resolution(self, context: Context, frame: Frames, seed: int) -> Reading:
        dtype = context.dtype
        reach = context.coarse_reach(frame)
        ulp, eps = float(np.spacing(dtype.type(reach))), float(np.finfo(dtype).eps)
        direction = np.random.default_rng([seed, 14]).choice([-1.0, 1.0], frame.positions.shape)
        steps = 4.0 * float(np.sqrt(eps)) * np.arange(POINTS, dtype=np.float64)
        answer = context.predict(displaced(frame, direction[None], steps))
        forces = answer.forces.reshape(POINTS, -1)
        # How much one ulp of each coordinate can move the forces, by the secant.
        response = float(np.abs(forces[-1] - forces[0]).max()) / float(steps[-1]) * ulp
        force_max, force_sum = float(np.abs(forces[0]).max()), float(np.abs(forces[0]).sum())
        evidence = {
            "mean_force_norm": mean_norm(forces[0].reshape(-1, 3)),
            "alternatives": float(len(context.alternatives)),
        }
        line = f"moving the atoms of this molecule along {float(steps[-1]):.1g} Å,"
        return worst(
            Reading(
                1000.0 * roughness(answer.energy[:, None]),
                1000.0
                * ALLOWED_ULPS
                * (eps * (abs(float(answer.energy[0])) + 1.0) + ulp * force_sum),
                "meV",
                evidence,
                "rounding of the energy",
                f"{line} the energy scatters about a smooth curve by",
            ),
            Reading(
                1000.0 * roughness(forces),
                1000.0 * ALLOWED_ULPS * (eps * (force_max + 1.0) + response),
                "meV/Å",
                evidence,
                "rounding of the forces",
                f"{line} the forces scatter about a smooth curve by",
                1000.0 * evidence["mean_force_norm"],
            ),
        )

    def _agreement(
        self, context: Context, frame: Frames, name: str, other: Potential, seed: int
    ) -> Reading:
        reach = context.coarse_reach(frame)
        answers, noises = [], []
        for potential in (context.potential, other):
            own = potential is context.potential
            dtype = context.dtype if own else dtype_of(potential)
            probed = tolerance.probed(frame, dtype, reach, seed)
            base, noise, _ = probed.read(context.predict(probed.batch, potential=potential))
            answers.append(base)
            noises.append(noise)
        return worst(
            Reading(
                1000.0 * abs(float(answers[1].energy[0] - answers[0].energy[0])),
                1000.0 * (noises[0].energy + noises[1].energy),
                "meV",
                {},
                f"energy against {name}",
                f"loaded as {name}, the same model differs in the energy by",
            ),
            Reading(
                1000.0 * float(np.abs(answers[1].forces - answers[0].forces).max()),
                1000.0 * (noises[0].forces + noises[1].forces),
                "meV/Å",
                {},
                f"forces against {name}",
                f"loaded as {name}, the same model differs in the forces by",
                1000.0 * mean_norm(answers[0].forces),
            ),
        )
