"""No holes in the potential: squeezed atoms repel, and every answer is finite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.laws import tolerance
from pytest_mlff.laws.growing import isolated, radii_of
from pytest_mlff.laws.law import LawBase
from pytest_mlff.laws.structures import seeds, trials_of
from pytest_mlff.laws.trial import Reading, Trial, worst

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from pytest_mlff.laws.context import Context

SQUEEZED = (0.30, 0.35, 0.40, 0.45, 0.50, 0.55, 0.60)
"""Distances in sums of covalent radii at which every pair repels: the shortest bonds known
(N₂, CO) are 0.77 of that sum."""


class NoHoles(LawBase):
    """Pairs squeezed to 0.3–0.6 of a single bond repel; squeezed or stretched, all is finite."""

    id = "no_holes"
    title = "squeezed pairs repel; squeezed and stretched structures have finite answers"
    required_evidence = ("mean_force_norm",)

    def trials(self, context: Context) -> SearchStrategy[Trial]:
        """Grown molecules; their first two atoms are the pair that is squeezed."""
        return trials_of(context.pool.molecules(2, 8), direction_seed=seeds())

    def measure(self, context: Context, trial: Trial) -> Reading:
        """Squeeze the pair and the whole molecule; stretch the molecule beyond the cutoff."""
        from ase.data import chemical_symbols

        frame, dtype = trial.frames, context.dtype
        seed = int(trial.parameters["direction_seed"])
        axis = np.random.default_rng([seed, 15]).normal(size=3)
        axis /= np.linalg.norm(axis)
        both = frame.numbers[:2]
        total = float(radii_of(both).sum())
        pairs = [isolated(both, np.stack([0 * axis, f * total * axis])) for f in SQUEEZED]
        # Stretched far, a molecule falls apart into single atoms.
        far = (2.0, context.pool.range) if context.pool.lonely else (1.3,)
        factors = (0.4, 0.7, *far)
        whole = [isolated(frame.numbers, factor * frame.positions) for factor in factors]
        # The noise of the tightest pair is the largest, so it serves for all.
        reach = context.coarse_reach(pairs[0])
        probes = tolerance.probes(pairs[0], dtype, reach, seed)
        batch = Frames.concatenate([*pairs, *whole, probes])
        answer = context.predict(batch, finite=False)
        answers = [tolerance.part(answer, batch, index, index + 1) for index in range(len(batch))]
        bad = [
            index
            for index, one in enumerate(answers)
            if not (np.isfinite(one.energy).all() and np.isfinite(one.forces).all())
        ]
        pushes = np.array([float(one.forces[1] @ axis) for one in answers[: len(pairs)]])
        shown = pushes[np.isfinite(pushes)]
        evidence = {"mean_force_norm": float(np.abs(shown).mean()) if len(shown) else 0.0}
        if bad:
            evidence["mean_force_norm"] = max(evidence["mean_force_norm"], 1.0)
            told = f"{len(bad)} of {len(batch)} squeezed or stretched structures get NaN."
            return Reading(float(len(bad)), 0.5, "frames", evidence, "answers not finite", told)
        probed = tolerance.part(answer, batch, len(batch) - tolerance.PROBES, len(batch))
        noise = tolerance.noise_of(answers[0], probed, pairs[0], dtype, reach)
        pair = "–".join(chemical_symbols[int(number)] for number in both)
        return worst(
            *(
                Reading(
                    1000.0 * max(0.0, -float(push)),
                    1000.0 * noise.forces,
                    "meV/Å",
                    evidence,
                    f"attraction at {factor * total:.3f} Å",
                    f"{pair} at {factor * total:.3f} Å, {factor:.2f} of a single bond, attract by",
                    facts=tuple(
                        f"force at {f * total:.3f} Å: {push:+.4g} eV/Å (+ repels)"
                        for f, push in zip(SQUEEZED, pushes, strict=True)
                    ),
                )
                for factor, push in zip(SQUEEZED, pushes, strict=True)
            )
        )
