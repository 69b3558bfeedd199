"""Evaluation: from a case and a model to a measurement and a verdict.

What several cases share is computed once: a model is loaded once, a variant's frames
are cut once, and one prediction pass serves all cases of a test set, through the store
also those of other processes and later runs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlff.errors import MlffError, NotSupportedError
from pytest_mlff.gate.outcome import Outcome
from pytest_mlff.gate.threshold import Judgement, Verdict, judge_reported, judge_threshold
from pytest_mlff.metrics.measurement import measurement_of
from pytest_mlff.metrics.registry import metric_named
from pytest_mlff.potentials.adapters import ModelReadsLabelsWarning
from pytest_mlff.run.data_checks import Soundness
from pytest_mlff.run.inputs import CaseInputs
from pytest_mlff.run.known_violations import excused
from pytest_mlff.run.levels import judged_by_level, with_offset
from pytest_mlff.run.models import Models
from pytest_mlff.run.predictions import PredictionPasses
from pytest_mlff.run.simulations import Simulations
from pytest_mlff.statistics.evidence import FrameSeries, Pooled, Replicates

if TYPE_CHECKING:
    from pytest_mlff.datasets.splits import FrameSets
    from pytest_mlff.metrics.measurement import Measurement
    from pytest_mlff.potentials.adapters import Adapter
    from pytest_mlff.potentials.protocol import Potential
    from pytest_mlff.run.options import Located, Options
    from pytest_mlff.run.plan import PlannedSpec
    from pytest_mlff.specs import Case, Variant
    from pytest_mlff.store import Store
    from pytest_mlff.training.job import TrainingJob, TrainingResult

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
        self.simulations = Simulations(
            store, contexts=self.models.contexts, trust=options.store_trust
        )
        self.soundness = Soundness(store)
        self._frame_sets: dict[tuple[str, str, str], FrameSets] = {}
        self._seen: dict[tuple[int, str], list[str]] = {}

    def potential(
        self, source: Located, variant: str | None = None, planned: PlannedSpec | None = None
    ) -> Potential:
        """Load a model source, once; see :meth:`pytest_mlff.run.models.Models.potential`."""
        return self.models.potential(source, variant, planned)

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

    def inputs(self, case: Case, planned: PlannedSpec, source: Located | None) -> CaseInputs:
        """What the case's metric is given; nothing is computed before it is asked for."""
        return CaseInputs(
            case,
            planned,
            source,
            self.frame_sets(planned, case.variant),
            self.models,
            self.passes.of,
            self.soundness,
            self.store,
            self.simulations,
        )

    def evaluate(self, case: Case, planned: PlannedSpec, source: Located | None) -> Outcome:
        """Measure a case and hold it against its threshold; what goes wrong becomes a verdict."""
        model = None if source is None else source.text
        try:
            if source is not None:
                model = self.models.name(source) or model
                if case.is_pooled:
                    return self._pooled(case, planned, source)
                self.require_sound(planned, case.variant)
                model = self.potential(source, case.variant.id, planned).info.name
            inputs = self.inputs(case, planned, source)
            measurement = inputs.measured()
            if source is not None and inputs.metric.labels is not None:
                self._warn_of_seen_labels(inputs)
            measurement = self._with_foresight(case, planned, measurement)
            judgement = _judged(case, measurement)
            card = None if source is None else self.models.card(source)
            if card is not None:
                judgement, measurement = excused(case.metric, judgement, measurement, card)
            if source is not None and inputs.metric.labels is not None:
                frames, prediction = inputs.frames, inputs.prediction
                measurement = with_offset(case.metric, measurement, frames, prediction)
                judgement, measurement = judged_by_level(
                    judgement,
                    measurement,
                    frames,
                    prediction,
                    model=self.level(source, inputs.potential, planned, case.variant),
                    labels=planned.test_level(case.variant),
                    own_data=planned.on_own_data(case.variant),
                )
        except NotSupportedError as error:
            return Outcome(case, Judgement(Verdict.UNSUPPORTED, str(error)), None, model)
        except MlffError as error:
            return Outcome(case, Judgement(Verdict.ERROR, str(error)), None, model)
        return Outcome(case, judgement, measurement, model)

    def _warn_of_seen_labels(self, inputs: CaseInputs) -> None:
        """Say once if the code of a model has read the labels that it is judged by.

        Raises
        ------
        MlffError
            Where the user's filters make the warning an error.
        """
        potential, test = inputs.potential, inputs.sets.test
        key = (id(potential), test.frames.structure_digest)
        # A model of this process has files in common with the judge.
        if key not in self._seen and hasattr(potential, "opened"):
            sources = {Path(one.source).absolute() for one in test.datasets.values()}
            inside = {one for source in sources if source.is_dir() for one in source.rglob("*")}
            self._seen[key] = potential.opened(sorted(str(one) for one in sources | inside))
        for file in self._seen.get(key, ()):
            text = (
                f"{potential.info.name}: its code has read {file}, which holds the labels that it "
                "is judged by; its training frames are better in a file of their own"
            )
            try:
                warnings.warn(text, ModelReadsLabelsWarning, stacklevel=2)
            except ModelReadsLabelsWarning as error:
                raise MlffError(text) from error

    def level(
        self, source: Located, potential: Potential, planned: PlannedSpec, variant: Variant
    ) -> str | None:
        """Level of theory of a model: as the user says, as it says, as its training data are."""
        known = self.options.level or potential.info.level
        if source.text == "demo":
            known = known or DEMO_LEVEL
        trained = self.models.recipe(source) is not None
        return known or (self.models.trained_level(source, planned, variant) if trained else None)

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
        """Where a spec asks for similarity: how well it would have warned of the error."""
        foretold = {metric_named(plan.metric).foretells for plan in planned.spec.cases}
        sets = self.frame_sets(planned, case.variant)
        series = measurement.series
        if case.metric not in foretold or case.species is not None or case.group is not None:
            return measurement
        if not isinstance(series, FrameSeries) or sets.train_frames is None:
            return measurement
        from pytest_mlff.run.early_warning import foresight

        found = foresight(sets.test_frames, sets.train_frames, series, self.store)
        return replace(measurement, evidence={**measurement.evidence, **found})

    def require_sound(self, planned: PlannedSpec, variant: Variant) -> None:
        """No model is trained or blamed where the variant's own data fail a check of the spec.

        Raises
        ------
        MlffError
            With the check and what it found.
        """
        sets = self.frame_sets(planned, variant)
        for plan in planned.spec.cases:
            if metric_named(plan.metric).kind != "data":
                continue
            try:
                found = self.soundness.check(plan.metric, sets)
            except NotSupportedError:
                continue  # the data cannot tell, which a case of its own says
            limit = max(one for threshold in plan.thresholds for one in threshold.limits)
            if not found.value <= limit:
                raise MlffError(f"the data are at fault: {plan.metric}: {found.reason}")


def _judged(case: Case, measurement: Measurement) -> Judgement:
    judgement = _held_against(case, measurement)
    labelled = measurement.evidence.get("labelled")
    if labelled is None:
        return judgement
    return replace(judgement, reason=f"{judgement.reason}; {labelled}")


def _held_against(case: Case, measurement: Measurement) -> Judgement:
    if case.threshold is not None:
        judgement = judge_threshold(measurement, case.threshold)
        return replace(judgement, reason=measurement.reason or judgement.reason)
    return judge_reported(measurement)
