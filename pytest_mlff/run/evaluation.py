"""Evaluation: from a case and a model to a measurement and a verdict.

What several cases share is computed once: a model is loaded once, a variant's frames
are cut once, and one prediction pass serves all cases of a test set, through the store
also those of other processes and later runs.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.errors import MlffError, NotSupportedError
from pytest_mlff.gate.outcome import Outcome
from pytest_mlff.gate.threshold import Judgement, Verdict, judge_threshold
from pytest_mlff.metrics.errors import ERROR_METRICS, measure
from pytest_mlff.metrics.measurement import Measurement, measurement_of
from pytest_mlff.run.data_checks import Soundness
from pytest_mlff.run.levels import judged_by_level, with_offset
from pytest_mlff.run.models import Models, other_precisions
from pytest_mlff.run.predictions import PredictionPasses
from pytest_mlff.specs.metric_ids import DATA_IDS, LAW_IDS
from pytest_mlff.statistics.evidence import FrameSeries, Pooled, Replicates

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.datasets.splits import FrameSets
    from pytest_mlff.laws.law import LawResult
    from pytest_mlff.potentials.adapters import Adapter
    from pytest_mlff.potentials.protocol import Potential
    from pytest_mlff.run.options import Located, Options
    from pytest_mlff.run.plan import PlannedSpec
    from pytest_mlff.specs import Case, Variant
    from pytest_mlff.store import Store
    from pytest_mlff.training.runner import TrainingJob, TrainingResult

__all__ = ["Evaluation"]

_LAW_FRAMES = 8
DEMO_LEVEL = "GFN2-xTB"
"""Level of theory of the frames that the shipped model was trained on."""


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
    train : callable, optional
        From a training job to its result; runs it in this process if not given.
    """

    def __init__(
        self,
        options: Options,
        store: Store,
        adapters: Sequence[Adapter] = (),
        threads: int | None = None,
        train: Callable[[TrainingJob], TrainingResult] | None = None,
    ) -> None:
        self.options = options
        self.store = store
        self.models = Models(options, store, self.frame_sets, adapters, threads, train=train)
        self.passes = PredictionPasses(
            store, contexts=self.models.contexts, trust=options.store_trust
        )
        self.soundness = Soundness(store)
        self._frame_sets: dict[tuple[str, str, str], FrameSets] = {}

    def potential(
        self, source: Located, variant: str | None = None, planned: PlannedSpec | None = None
    ) -> Potential:
        """Load a model source, once; see :meth:`pytest_mlff.run.models.Models.potential`."""
        return self.models.potential(source, variant, planned)

    @property
    def loaded(self) -> tuple[Potential, ...]:
        """Models loaded so far, in that order."""
        return self.models.loaded

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
            self._frame_sets[key] = cut(variant, planned.source, planned.others)
        return self._frame_sets[key]

    def evaluate(self, case: Case, planned: PlannedSpec, source: Located | None) -> Outcome:
        """Measure a case and hold it against its threshold; what goes wrong becomes a verdict.

        Parameters
        ----------
        case : Case
            What to measure.
        planned : PlannedSpec
            Its spec.
        source : Located or None
            The model; None for a case that needs none.
        """
        model = None if source is None else source.text
        try:
            if source is None:
                return self._without_model(case, planned)
            found = self.models.recipe(source)
            model = model if found is None else found[0].name
            if case.is_pooled:
                return self._pooled(case, planned, source)
            self.require_sound(planned, case.variant)
            potential = self.potential(source, case.variant.id, planned)
            model = potential.info.name
            frames = self.frame_sets(planned, case.variant).test_frames
            measurement, result = self._measure(case, potential, frames, source)
            measurement = self._with_foresight(case, planned, measurement)
            judgement = _judged(case, measurement)
            if result is None:
                prediction = self.passes.of(potential, frames)
                measurement = with_offset(case.metric, measurement, frames, prediction)
                judgement, measurement = judged_by_level(
                    judgement,
                    measurement,
                    frames,
                    prediction,
                    model=self.level(source, potential, planned, case.variant),
                    labels=planned.test_level(case.variant),
                    own_data=planned.test_option(case.variant).path is not None,
                )
        except NotSupportedError as error:
            return Outcome(case, Judgement(Verdict.UNSUPPORTED, str(error)), None, model)
        except MlffError as error:
            return Outcome(case, Judgement(Verdict.ERROR, str(error)), None, model)
        if result is None:
            return Outcome(case, judgement, measurement, model)
        return Outcome(
            case, judgement, measurement, model, _law_detail(result), result.counterexample
        )

    def level(
        self, source: Located, potential: Potential, planned: PlannedSpec, variant: Variant
    ) -> str | None:
        """Level of theory of a model: as the user says, as it says, as its training data are."""
        known = self.options.level or potential.info.level
        if source.text == "demo":
            known = known or DEMO_LEVEL
        trained = self.models.recipe(source) is not None
        return known or (planned.training_level(variant) if trained else None)

    def _pooled(self, case: Case, planned: PlannedSpec, source: Located) -> Outcome:
        """Measure over all variants of a spec, from the passes that their own cases read."""
        parts: list[FrameSeries | Replicates] = []
        evidence: dict[str, float | int | str] = {}
        for variant in planned.variants:
            one = self.evaluate(replace(case, variant=variant), planned, source)
            measured = one.measurement
            if measured is None or not isinstance(measured.series, FrameSeries | Replicates):
                reason = f"{variant.id}: {one.judgement.reason}"
                return replace(one, case=case, judgement=replace(one.judgement, reason=reason))
            parts.append(measured.series)
            evidence |= {k: v for k, v in measured.evidence.items() if k == "level"}
            n_atoms, unit, model = measured.n_atoms, measured.unit, one.model
        measurement = measurement_of(Pooled(tuple(parts)), unit, n_atoms)
        measurement = replace(measurement, evidence={**measurement.evidence, **evidence})
        return Outcome(case, _judged(case, measurement), measurement, model)

    def _with_foresight(
        self, case: Case, planned: PlannedSpec, measurement: Measurement
    ) -> Measurement:
        """Where a spec asks for similarity: how well it would have warned of the force error."""
        asked = any(plan.metric == "soap_similarity" for plan in planned.spec.cases)
        headline = case.metric == "force_mae" and case.species is None
        sets = self.frame_sets(planned, case.variant)
        series = measurement.series
        if not (asked and headline and isinstance(series, FrameSeries)):
            return measurement
        if sets.train_frames is None:
            return measurement
        from pytest_mlff.run.early_warning import foresight

        found = foresight(sets.test_frames, sets.train_frames, series, self.store)
        return replace(measurement, evidence={**measurement.evidence, **found})

    def _without_model(self, case: Case, planned: PlannedSpec) -> Outcome:
        """Judge the data of a variant, or measure what depends on its frames alone."""
        sets = self.frame_sets(planned, case.variant)
        if case.metric in DATA_IDS:
            found = self.soundness.check(case.metric, sets)
            measurement = Measurement(found.value, found.unit, found.n_frames, 0)
            judgement = _judged(case, measurement)
            return Outcome(case, replace(judgement, reason=found.reason), measurement, None)
        if case.metric != "soap_similarity":
            raise NotSupportedError(f"metric {case.metric} is not available in this version")
        if sets.train_frames is None:
            raise NotSupportedError("the spec cuts no training frames to compare with")
        from pytest_mlff.similarity.windows import similarity

        value = similarity(sets.train_frames, sets.test_frames, store=self.store)
        measurement = Measurement(value, "1", len(sets.test), len(sets.test_frames.numbers))
        return Outcome(case, _judged(case, measurement), measurement, None)

    def require_sound(self, planned: PlannedSpec, variant: Variant) -> None:
        """No model is trained or blamed where the variant's own data fail a check of the spec.

        Raises
        ------
        MlffError
            With the check and what it found.
        """
        sets = self.frame_sets(planned, variant)
        for plan in planned.spec.cases:
            if plan.metric not in DATA_IDS:
                continue
            try:
                found = self.soundness.check(plan.metric, sets)
            except NotSupportedError:
                continue  # the data cannot tell, which a case of its own says
            limit = max(threshold.largest for threshold in plan.thresholds)
            if not found.value <= limit:
                raise MlffError(f"the data are at fault: {plan.metric}: {found.reason}")

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
        with self.models.contexts.guard(potential.info.device, potential.info.name):
            few_frames = frames.select(few).without_labels()
            result = run_law(
                case.metric,
                potential,
                structures=StructurePool.for_potential(potential, few_frames),
                strictness=self.options.strictness or str(case.options.get("strictness", "ci")),
                seed=self.options.seed,
                examples=None if examples is None or self.options.strictness else int(examples),
                alternatives=(
                    other_precisions(self.models, case.variant.id, potential, source)
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


def _judged(case: Case, measurement: Measurement) -> Judgement:
    judgement = _held_against(case, measurement)
    labelled = measurement.evidence.get("labelled")
    if labelled is None:
        return judgement
    return replace(judgement, reason=f"{judgement.reason}; {labelled}")


def _held_against(case: Case, measurement: Measurement) -> Judgement:
    if case.threshold is not None:
        return judge_threshold(measurement, case.threshold.max, case.threshold.unit)
    # Reported without a limit; what is not a number is no report.
    if not math.isfinite(measurement.value):
        return Judgement(Verdict.ERROR, f"the value is {measurement.value}")
    return Judgement(Verdict.REPORTED, f"{measurement.value:.4g}, reported without a threshold")


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
