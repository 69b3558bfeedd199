"""Forces come from a potential at all: symmetric Jacobian, no work round a closed loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.laws import tolerance
from pytest_mlff.laws.force_consistency import displaced, first_step
from pytest_mlff.laws.law import LawBase
from pytest_mlff.laws.numerics import offsets, richardson
from pytest_mlff.laws.structures import seeds, trials_of
from pytest_mlff.laws.trial import Reading, Trial, worst

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.laws.context import Context

LEVELS = 3
ATOMS = 4
"""Atoms whose block of the Jacobian is taken: a block on the diagonal is symmetric too."""
LOOP_POINTS = 24
RADIUS = 0.05
"""Largest displacement of one atom on the loop, in Å."""


class Conservativity(LawBase):
    """The force Jacobian is symmetric, and a closed loop costs no work.

    Needs forces only, so it also judges models whose forces are a separate output.
    """

    id = "conservativity"
    title = "the force Jacobian is symmetric; no work is done round a closed loop"
    required_evidence = ("jacobian_norm",)

    def trials(self, context: Context) -> SearchStrategy[Trial]:
        """Structures of every kind; the seed chooses atoms and the loop's plane."""
        return trials_of(context.pool.any(8), direction_seed=seeds())

    def examples(self, wanted: int) -> int:
        """A third as many: one trial is some ninety evaluations."""
        return max(4, wanted // 3)

    def measure(self, context: Context, trial: Trial) -> Reading:
        """Both parts in one batch."""
        frame, dtype = trial.frames, context.dtype
        seed = int(trial.parameters["direction_seed"])
        rng = np.random.default_rng([seed, 11])
        count = int(frame.counts[0])
        chosen = np.sort(rng.permutation(count)[:ATOMS])
        units = np.zeros((3 * len(chosen), count, 3))
        units[np.arange(3 * len(chosen)), np.repeat(chosen, 3), np.tile([0, 1, 2], len(chosen))] = 1
        plane, _ = np.linalg.qr(rng.normal(size=(3 * count, 2)))
        step, reach = first_step(dtype), context.coarse_reach(frame)
        moved, loop = displaced(frame, units, offsets(step, LEVELS)), _loop(frame, plane)
        probed = tolerance.probed(frame, dtype, reach, seed, moved, loop)
        _, noise, answer = probed.read(context.predict(probed.batch))
        forces, on_loop = np.split(answer.forces, [len(moved.positions)])
        forces = forces.reshape(len(units), 2 * LEVELS, count, 3)[:, :, chosen]
        return worst(
            _asymmetry(forces.reshape(len(units), 2 * LEVELS, -1), step, noise.forces),
            _work(on_loop, plane, noise.forces),
        )


def _asymmetry(forces: NDArray[np.float64], step: float, noise: float) -> Reading:
    jacobian = richardson(np.swapaxes(forces, 0, 1), step, LEVELS, noise / tolerance.SAFETY)
    norm = float(np.linalg.norm(jacobian.value))
    odd = (jacobian.value - jacobian.value.T) / 2
    evidence = {"jacobian_norm": norm}
    if norm == 0.0:
        return Reading(0.0, 1.0, "meV/Å²", evidence)
    bound = tolerance.SAFETY * float(np.linalg.norm(jacobian.error))
    return Reading(
        1000.0 * float(np.linalg.norm(odd)),
        1000.0 * max(bound, float(np.finfo(np.float64).eps) * norm),
        "meV/Å²",
        evidence,
        "antisymmetric part of the force Jacobian",
        "the derivatives of these forces come from no energy: the antisymmetric part is",
        1000.0 * norm,
    )


def _angles() -> NDArray[np.float64]:
    return 2.0 * np.pi * np.arange(LOOP_POINTS) / LOOP_POINTS


def _radius(plane: NDArray[np.float64]) -> float:
    sizes = np.linalg.norm(plane.reshape(-1, 3, 2), axis=1).max()
    return float(RADIUS / sizes)


def _loop(frame: Frames, plane: NDArray[np.float64]) -> Frames:
    circle = np.stack([np.cos(_angles()), np.sin(_angles())])
    directions = (_radius(plane) * plane @ circle).T.reshape(LOOP_POINTS, -1, 3)
    return displaced(frame, directions, np.ones(1))


def _work(forces: NDArray[np.float64], plane: NDArray[np.float64], noise: float) -> Reading:
    """Work of the forces round the circle.

    The trapezoid rule converges faster than any power on a smooth periodic integrand, so
    every second and every third point do nearly as well. All five such rules together
    estimate the error: one alone agrees by accident now and then.
    """
    tangent = _radius(plane) * plane @ np.stack([-np.sin(_angles()), np.cos(_angles())])
    power = np.einsum("pc,cp->p", forces.reshape(LOOP_POINTS, -1), tangent)
    width = 2.0 * np.pi / LOOP_POINTS
    full = width * power.sum()
    fewer = [n * width * power[first::n].sum() for n in (2, 3) for first in range(n)]
    error = float(np.abs(np.array(fewer) - full).max())
    length = 2.0 * np.pi * _radius(plane)
    rounding = LOOP_POINTS * np.finfo(np.float64).eps * float(np.abs(power).sum() * width)
    return Reading(
        1000.0 * abs(float(full)),
        1000.0 * (3.0 * error + noise * length + rounding),
        "meV",
        {"work_scale": float(np.abs(power).sum() * width)},
        "work round a closed loop",
        f"moving the atoms round a closed loop of radius {RADIUS} Å costs work of",
    )
