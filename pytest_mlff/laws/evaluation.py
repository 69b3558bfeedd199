"""The answer for a frame is its own: batch, repetition and threads do not change it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.errors import MlffError, NotSupportedError
from pytest_mlff.laws import tolerance
from pytest_mlff.laws.law import LawBase
from pytest_mlff.laws.numerics import mean_norm
from pytest_mlff.laws.structures import seeds, trials_of
from pytest_mlff.laws.trial import Questions, Reading, Trial, worst
from pytest_mlff.laws.wording import kind_of
from pytest_mlff.potentials.failures import raise_if_poisoned

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from pytest_mlff.laws.context import Context
    from pytest_mlff.potentials.protocol import Prediction

REPEATS = 4
THREADS = 4
_MAGNIFIED = 1024.0


def _far_probes(context: Context, frame: Frames, seed: int) -> Frames:
    return tolerance.probes(frame, context.dtype, _MAGNIFIED * context.coarse_reach(frame), seed)


def _steady_noise(
    context: Context, frame: Frames, base: Prediction, answer: Prediction
) -> tolerance.Noise:
    """Rounding noise that random answers cannot enlarge.

    The probes move by 1024 ulp and their spread is divided by 1024: linear response stays as
    it was, scatter of the answers themselves does not hide what is looked for.
    """
    scaled = type(answer)(
        base.energy[0] + (answer.energy - base.energy[0]) / _MAGNIFIED,
        np.tile(base.forces, (tolerance.PROBES, 1))
        + (answer.forces - np.tile(base.forces, (tolerance.PROBES, 1))) / _MAGNIFIED,
    )
    plain = type(base)(base.energy, base.forces)
    return tolerance.noise_of(plain, scaled, frame, context.dtype, context.coarse_reach(frame))


def _difference(
    base: Prediction,
    other: Prediction,
    noise: tolerance.Noise,
    evidence: dict[str, float],
    deed: str,
) -> Reading:
    energies = float(base.energy[0]), float(other.energy[0])
    return worst(
        Reading(
            1000.0 * abs(energies[1] - energies[0]),
            1000.0 * noise.energy,
            "meV",
            evidence,
            "energy",
            f"{deed} changes the energy by",
            facts=(f"energy before: {energies[0]:.9g} eV", f"energy after:  {energies[1]:.9g} eV"),
        ),
        Reading(
            1000.0 * float(np.abs(other.forces - base.forces).max(initial=0.0)),
            1000.0 * noise.forces,
            "meV/Å",
            evidence,
            "forces",
            f"{deed} changes the forces by",
            1000.0 * mean_norm(base.forces),
        ),
    )


class BatchIndependence(LawBase):
    """A frame's answer does not depend on its neighbours in the batch or on the batch size."""

    id = "batch_independence"
    title = "a frame alone and in any batch gets the same answer"
    required_evidence = ("mean_force_norm", "companions")

    def trials(self, context: Context) -> SearchStrategy[Trial]:
        """A frame, one to five companions and its place among them."""
        pool = context.pool
        kinds = [st.lists(pool.finite(8), min_size=2, max_size=6)]
        if pool.periodic:
            kinds.append(st.lists(pool.crystals(), min_size=2, max_size=4))
        return st.builds(
            lambda frames, place, seed: Trial(
                Frames.concatenate(frames), {"place": place, "probe_seed": seed}
            ),
            st.one_of(kinds),
            st.integers(0, 5),
            seeds(),
        )

    def measure(self, context: Context, trial: Trial) -> Questions:
        """Compare the first frame alone with itself among the others."""
        frame = trial.frames.select([0])
        others = list(range(1, len(trial.frames)))
        place = int(trial.parameters["place"]) % (len(others) + 1)
        mixed = trial.frames.select([*others[:place], 0, *others[place:]])
        probes = _far_probes(context, frame, int(trial.parameters["probe_seed"]))
        base, answer, probed = yield [frame, mixed, probes]
        together = tolerance.part(answer, mixed, place, place + 1)
        noise = _steady_noise(context, frame, base, probed)
        evidence = {"mean_force_norm": mean_norm(base.forces), "companions": float(len(others))}
        deed = f"asking for the {kind_of(trial.frames)} in a batch of {len(others) + 1}"
        return _difference(base, together, noise, evidence, deed)


class Determinism(LawBase):
    """Same input, same bits; where bits differ, no more than rounding can explain."""

    id = "determinism"
    title = "the same frame gets the same answer again, also after other frames"
    required_evidence = ("mean_force_norm", "repeats")

    def trials(self, context: Context) -> SearchStrategy[Trial]:
        """A frame and another one to evaluate in between."""
        pair = st.tuples(context.pool.finite(10), context.pool.finite(6))
        return trials_of(pair.map(Frames.concatenate), probe_seed=seeds())

    def examples(self, wanted: int) -> int:
        """Half as many: one trial is some ten calls."""
        return max(4, wanted // 2)

    def measure(self, context: Context, trial: Trial) -> Questions:
        """Largest spread over the repeats; the evidence says how many agreed to the last bit."""
        frame, between = trial.frames.select([0]), trial.frames.select([1])
        probes = _far_probes(context, frame, int(trial.parameters["probe_seed"]))
        base, probed, *others = yield [frame, probes, *[between, frame] * REPEATS]
        noise = _steady_noise(context, frame, base, probed)
        readings, same = [], 0
        for again in others[1::2]:
            same += int(
                np.array_equal(again.energy, base.energy)
                and np.array_equal(again.forces, base.forces)
            )
            deed = f"asking for the {kind_of(trial.frames)} again after another one"
            readings.append(_difference(base, again, noise, {}, deed))
        evidence = {
            "mean_force_norm": mean_norm(base.forces),
            "repeats": float(REPEATS),
            "bitwise_equal_fraction": same / REPEATS,
        }
        return replace(worst(*readings), evidence=evidence)


class ThreadSafety(LawBase):
    """Threads that share a model do not disturb each other."""

    id = "thread_safety"
    title = "several threads evaluating at once get the answers that one thread gets"
    required_evidence = ("mean_force_norm", "threads")

    def trials(self, context: Context) -> SearchStrategy[Trial]:
        """One frame for each thread."""
        if not context.potential.info.capabilities.get("threads", True):
            raise NotSupportedError(
                f"{context.potential.info.name} keeps its last structure and results in itself, as "
                "every ASE calculator does, so threads cannot share it: give each its own"
            )
        frames = st.lists(context.pool.finite(8), min_size=THREADS, max_size=THREADS)
        return trials_of(frames.map(Frames.concatenate), probe_seed=seeds())

    def examples(self, wanted: int) -> int:
        """A tenth as many: one trial is some forty calls."""
        return max(2, wanted // 10)

    def measure(self, context: Context, trial: Trial) -> Reading:
        """Compare each thread's answers with those taken one after the other."""
        frames = [trial.frames.select([index]) for index in range(len(trial.frames))]
        seed = int(trial.parameters["probe_seed"])
        serial = [context.predict(frame) for frame in frames]
        probed = [context.predict(_far_probes(context, frame, seed)) for frame in frames]
        noises = [_steady_noise(context, *one) for one in zip(frames, serial, probed, strict=True)]
        evidence = {
            "mean_force_norm": float(np.mean([mean_norm(base.forces) for base in serial])),
            "threads": float(len(frames)),
        }
        try:
            answers = context.answers_of_threads(frames, REPEATS)
        except MlffError as error:
            raise_if_poisoned(error, context.potential.info.name)
            for frame in frames:
                context.predict(frame)  # what one thread can have, four must have too
            told = f"four threads at once meet an exception that one alone does not: {error}."
            return Reading(1.0, 0.5, "failed call", evidence, "exception only in threads", told)
        return worst(
            *(
                _difference(serial[index], one, noises[index], evidence, "sharing it among threads")
                for index in range(len(frames))
                for one in answers[index]
            )
        )
