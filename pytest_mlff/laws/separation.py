"""Far apart means independent: locality and size extensivity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.laws import tolerance
from pytest_mlff.laws.growing import isolated, merge
from pytest_mlff.laws.law import LawBase
from pytest_mlff.laws.numerics import mean_norm
from pytest_mlff.laws.structures import seeds, trials_of
from pytest_mlff.laws.trial import Questions, Reading, Trial, worst

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy
    from numpy.typing import NDArray

    from pytest_mlff.laws.context import Context

FAR = 100.0
"""Gap in Å for models that name no cutoff."""


def _gaps(context: Context) -> SearchStrategy[float]:
    cutoff = context.pool.cutoff
    return st.sampled_from([FAR] if cutoff is None else [1.01 * cutoff + 0.1, 3.0 * cutoff, FAR])


def _extent(frame: Frames) -> float:
    return float(np.linalg.norm(frame.positions, axis=1).max())


def _sum_rule(
    context: Context,
    parts: Frames,
    whole: Frames,
    seed: int,
    evidence: dict[str, float],
    *,
    what: str,
) -> Questions:
    """Energy of the whole is the sum over the parts; forces are those of the parts."""
    probed = tolerance.probed(whole, context.dtype, context.reach(whole), seed, parts)
    (answer,) = yield [probed.batch]
    base, noise, alone = probed.read(answer)
    copies = len(whole.numbers) // len(parts.numbers)
    # The parts' energies are rounded in their own sums, each as large as its share.
    evidence["mean_force_norm"] = mean_norm(base.forces)
    energies = float(copies * alone.energy.sum()), float(base.energy[0])
    return worst(
        Reading(
            1000.0 * abs(energies[1] - energies[0]),
            1000.0 * 2.0 * noise.energy,
            "meV",
            evidence,
            "energy",
            f"the energy of {what} is not the sum of its parts, but off by",
            facts=(f"sum of the parts: {energies[0]:.9g} eV", f"whole: {energies[1]:.9g} eV"),
        ),
        Reading(
            1000.0 * float(np.abs(base.forces - np.tile(alone.forces, (copies, 1))).max()),
            1000.0 * noise.forces,
            "meV/Å",
            evidence,
            "forces",
            f"in {what}, one part changes the forces on another by",
            1000.0 * evidence["mean_force_norm"],
        ),
    )


class Locality(LawBase):
    """E(A + B far away) = E(A) + E(B), and neither feels the other.

    Long-ranged physics (charges, dispersion beyond the cutoff) does break it: a model
    that has such terms on purpose leaves this law out.
    """

    id = "locality"
    title = "E(A + B far away) = E(A) + E(B), forces likewise"

    def trials(self, context: Context) -> SearchStrategy[Trial]:
        """Two grown molecules, a gap beyond the cutoff and a direction."""
        part = context.pool.molecules(1, 6)
        pair = st.tuples(part, part).map(Frames.concatenate)
        return trials_of(pair, gap=_gaps(context), direction_seed=seeds())

    def measure(self, context: Context, trial: Trial) -> Questions:
        """Compare the pair with its parts; the separation is in Å between bounding spheres."""
        seed, gap = int(trial.parameters["direction_seed"]), float(trial.parameters["gap"])
        first, second = trial.frames.select([0]), trial.frames.select([1])
        axis = np.random.default_rng([seed, 12]).normal(size=3)
        axis /= np.linalg.norm(axis)
        whole = merge(first, second, (_extent(first) + _extent(second) + gap) * axis)
        what = f"two molecules with {gap:.3g} Å between them"
        return _sum_rule(context, trial.frames, whole, seed, {"separation": gap}, what=what)


class SizeExtensivity(LawBase):
    """N copies far apart have N times the energy."""

    id = "size_extensivity"
    title = "N copies far apart have N times the energy and the same forces"
    required_evidence = ("mean_force_norm", "copies")

    def trials(self, context: Context) -> SearchStrategy[Trial]:
        """A grown molecule, a gap and a number of copies."""
        copies = st.sampled_from([2, 3, 5])
        return trials_of(
            context.pool.molecules(2, 8), gap=_gaps(context), copies=copies, probe_seed=seeds()
        )

    def measure(self, context: Context, trial: Trial) -> Questions:
        """Compare a row of copies with one."""
        frame, copies = trial.frames, int(trial.parameters["copies"])
        pitch = 2.0 * _extent(frame) + float(trial.parameters["gap"])
        places: NDArray[np.float64] = pitch * np.arange(copies)[:, None] * np.array([1.0, 0.0, 0.0])
        whole = isolated(
            np.tile(frame.numbers, copies),
            (frame.positions[None] + places[:, None]).reshape(-1, 3),
        )
        seed = int(trial.parameters["probe_seed"])
        what = f"{copies} copies of a molecule {pitch:.3g} Å apart"
        return _sum_rule(context, frame, whole, seed, {"copies": float(copies)}, what=what)
