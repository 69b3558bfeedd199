"""Evaluation: from a case and a model to a measurement and a verdict.

What several cases share is computed once: a model is loaded once, a variant's frames
are cut once, and one prediction pass serves all cases of a test set, through the store
also those of other processes and later runs.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.errors import MlffError, NotSupportedError
from pytest_mlff.gate.outcome import Outcome
from pytest_mlff.gate.threshold import Judgement, Verdict, judge_threshold
from pytest_mlff.metrics.errors import ERROR_METRICS, measure
from pytest_mlff.metrics.measurement import Measurement
from pytest_mlff.potentials.protocol import Prediction
from pytest_mlff.specs.metric_ids import LAW_IDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.datasets.splits import FrameSets
    from pytest_mlff.laws.law import LawResult
    from pytest_mlff.options import Located, Options
    from pytest_mlff.plan import PlannedSpec
    from pytest_mlff.potentials.adapters import Adapter
    from pytest_mlff.potentials.protocol import Potential
    from pytest_mlff.specs import Case, Variant
    from pytest_mlff.store import Store

__all__ = ["Evaluation", "PredictionPasses"]

_LAW_FRAMES = 8


@dataclass
class PredictionPasses:
    """Prediction passes of one process, shared with others through the store.

    Attributes
    ----------
    store : Store
        Where passes of models with a digest are kept.
    computed : int
        Passes that this process computed itself.
    """

    store: Store
    computed: int = 0
    _known: dict[tuple[int, str], Prediction] = field(default_factory=dict, repr=False)

    def of(self, potential: Potential, frames: Frames) -> Prediction:
        """The potential evaluated once on ``frames``.

        Raises
        ------
        MlffError
            If the model cannot be evaluated, or the store cannot be written.
        """
        key = (id(potential), frames.structure_digest)
        if key not in self._known:
            self._known[key] = self._stored(potential, frames)
        return self._known[key]

    def _stored(self, potential: Potential, frames: Frames) -> Prediction:
        info = potential.info
        if info.digest is None:
            # A factory's model may change behind the same name, so nothing of it is kept.
            return self._compute(potential, frames)
        key = {
            "model": info.digest,
            "family": info.family,
            "versions": dict(info.versions),
            "device": info.device,
            "dtype": info.dtype,
            "frames": frames.structure_digest,
        }
        with self.store.lock("predictions", key):
            arrays = self.store.get_arrays("predictions", key)
            if arrays is not None:
                return Prediction(arrays["energy"], arrays["forces"], arrays.get("stress"))
            prediction = self._compute(potential, frames)
            found = {"energy": prediction.energy, "forces": prediction.forces}
            if prediction.stress is not None:
                found["stress"] = prediction.stress
            self.store.put_arrays("predictions", key, found)
        return prediction

    def _compute(self, potential: Potential, frames: Frames) -> Prediction:
        from pytest_mlff.potentials.batching import evaluate

        self.computed += 1
        return evaluate(potential, frames.without_labels(), store=self.store)


class Evaluation:
    """Everything that cases of one process share.

    Parameters
    ----------
    options : Options
        What the user asked for.
    store : Store
        The store.
    adapters : sequence of Adapter
        Model adapters beyond the builtin ones.
    threads : int or None
        Threads per process for the model; None leaves the libraries' own choice.
    """

    def __init__(
        self,
        options: Options,
        store: Store,
        adapters: Sequence[Adapter] = (),
        threads: int | None = None,
    ) -> None:
        self.options = options
        self.adapters = tuple(adapters)
        self.threads = threads
        self.passes = PredictionPasses(store)
        self._potentials: dict[tuple[Located, str | None], Potential] = {}
        self._frame_sets: dict[tuple[str, str, str], FrameSets] = {}

    def potential(self, source: Located, variant: str | None = None) -> Potential:
        """Load a model source, once.

        Parameters
        ----------
        source : Located
            One ``--mlff-model``.
        variant : str, optional
            Id of the variant, for sources with one checkpoint per variant.

        Raises
        ------
        MlffError
            If the model cannot be loaded.
        """
        from pytest_mlff.potentials.loading import load_potential

        key = (source, variant if "{variant}" in source.text else None)
        if key not in self._potentials:
            self._prepare_threads()
            self._potentials[key] = load_potential(
                source.text,
                device=self.options.device,
                dtype=self.options.dtype,
                cwd=source.folder,
                adapters=self.adapters,
                variant=key[1],
            )
        return self._potentials[key]

    @property
    def loaded(self) -> tuple[Potential, ...]:
        """Models loaded so far, in that order."""
        return tuple(self._potentials.values())

    def _prepare_threads(self) -> None:
        # OpenMP's threads spin while they wait for each other. Where something else wants one
        # of the cores, a small model then takes 20 times as long; waiting passively costs an
        # idle machine nothing that could be measured. Read when torch is first imported.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        if self.threads is None:
            return
        try:
            import torch
        except ImportError:  # a model that needs no torch
            return
        torch.set_num_threads(self.threads)

    def frame_sets(self, planned: PlannedSpec, variant: Variant) -> FrameSets:
        """Training, validation and test frames of a variant, cut once.

        Raises
        ------
        NotSupportedError
            If a window holds fewer frames than asked for.
        """
        from pytest_mlff.datasets.splits import cut

        key = (planned.spec.suite, planned.spec.name, variant.id)
        if key not in self._frame_sets:
            self._frame_sets[key] = cut(variant, planned.source)
        return self._frame_sets[key]

    def evaluate(self, case: Case, planned: PlannedSpec, source: Located) -> Outcome:
        """Measure a case and hold it against its threshold; what goes wrong becomes a verdict."""
        model = source.text
        try:
            potential = self.potential(source, case.variant.id)
            model = potential.info.name
            frames = self.frame_sets(planned, case.variant).test_frames
            measurement, result = self._measure(case, potential, frames, source)
            judgement = judge_threshold(measurement, case.threshold.max, case.threshold.unit)
        except NotSupportedError as error:
            return Outcome(case, Judgement(Verdict.UNSUPPORTED, str(error)), None, model)
        except MlffError as error:
            return Outcome(case, Judgement(Verdict.ERROR, str(error)), None, model)
        if result is None:
            return Outcome(case, judgement, measurement, model)
        return Outcome(
            case, judgement, measurement, model, _law_detail(result), result.counterexample
        )

    def _measure(
        self, case: Case, potential: Potential, frames: Frames, source: Located
    ) -> tuple[Measurement, LawResult | None]:
        if case.metric in LAW_IDS:
            return self._measure_law(case, potential, frames, source)
        if case.metric not in ERROR_METRICS:
            raise NotSupportedError(f"metric {case.metric} is not available in this version")
        _require_species(potential, frames)
        prediction = self.passes.of(potential, frames)
        return measure(case.metric, frames, prediction, case.species), None

    def _measure_law(
        self, case: Case, potential: Potential, frames: Frames, source: Located
    ) -> tuple[Measurement, LawResult]:
        from pytest_mlff.laws.runner import run_law
        from pytest_mlff.laws.structures import StructurePool

        _require_species(potential, frames)
        few = np.linspace(0, len(frames) - 1, min(_LAW_FRAMES, len(frames))).round().astype(int)
        examples = case.options.get("examples")
        result = run_law(
            case.metric,
            potential,
            structures=StructurePool.for_potential(potential, frames.select(few).without_labels()),
            strictness=self.options.strictness or str(case.options.get("strictness", "ci")),
            seed=self.options.seed,
            examples=None if examples is None or self.options.strictness else int(examples),
            alternatives=(
                self._other_precisions(case, potential, source)
                if case.metric == "precision"
                else None
            ),
        )
        measurement = Measurement(
            value=float(result.excess),
            unit="1",
            n_frames=int(result.evidence["examples"]),
            n_atoms=0,
            evidence={
                "violation": float(result.violation),
                "tolerance": float(result.tolerance),
                "violation_unit": result.unit,
                **result.evidence,
            },
        )
        return measurement, result

    def _other_precisions(
        self, case: Case, potential: Potential, source: Located
    ) -> dict[str, Potential]:
        """The same model in the other precisions that its format can be opened in."""
        from pytest_mlff.potentials.loading import load_potential

        found: dict[str, Potential] = {}
        for dtype in ("float32", "float64"):
            if dtype == potential.info.dtype:
                continue
            with warnings.catch_warnings():
                # That opening the file runs its code was said when it was first opened.
                warnings.simplefilter("ignore")
                try:
                    found[dtype] = load_potential(
                        source.text,
                        device=self.options.device,
                        dtype=dtype,
                        cwd=source.folder,
                        adapters=self.adapters,
                        variant=case.variant.id,
                    )
                except MlffError:
                    continue  # a compiled model, say, keeps the precision it was made in
        return found


def _require_species(potential: Potential, frames: Frames) -> None:
    known = potential.info.species
    missing = [] if known is None else [s for s in frames.species if s not in known]
    if known is not None and missing:
        raise NotSupportedError(
            f"{potential.info.name} does not know {', '.join(missing)} "
            f"(it knows {', '.join(known)})"
        )


def _law_detail(result: LawResult) -> str:
    lines = [
        f"largest violation {result.violation:.3g} {result.unit}, "
        f"tolerance {result.tolerance:.3g} {result.unit}",
        f"{result.evidence['examples']} examples, seed {result.evidence['seed']}, "
        f"strictness {result.evidence['strictness']}",
    ]
    if result.counterexample is not None:
        lines.append(str(result.counterexample))
    return "\n".join(lines)
