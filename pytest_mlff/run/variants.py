"""What a report says of fixture variants and of the trainings that a recipe asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlff.errors import MlffError, NotSupportedError
from pytest_mlff.reports.model import (
    LossPoint,
    ModelRecord,
    TrainingRecord,
    VariantRecord,
    plain,
)

if TYPE_CHECKING:
    from pytest_mlff.run.plan import PlannedSpec
    from pytest_mlff.run.session import Session
    from pytest_mlff.specs import Variant
    from pytest_mlff.training.job import TrainingJob, TrainingResult


def variant_records(session: Session) -> list[VariantRecord]:
    """Every variant of the run with its place on the axes and its numbers of frames."""
    return [
        _variant_record(session, planned, variant)
        for planned in session.plan
        for variant in planned.variants
    ]


def _variant_record(session: Session, planned: PlannedSpec, variant: Variant) -> VariantRecord:
    train, test = variant.selections.train, variant.selections.test
    n_train = n_test = unsupported = None
    try:
        sets = session.evaluation.frame_sets(planned, variant)
    except NotSupportedError as error:
        unsupported = str(error)
    except MlffError:
        pass  # its cases say so
    else:
        n_train = None if sets.train is None else len(sets.train)
        n_test = len(sets.test)
    axes = {name: plain(value) for name, value in variant.values.items()}
    return VariantRecord(
        suite=planned.spec.suite,
        spec=planned.spec.name,
        variant=variant.id,
        dataset=variant.dataset,
        axes={name: value for name, value in axes.items() if value is not None},
        roles=variant.roles,
        train_molecules=[] if train is None else list(train.molecules or planned.source.molecules),
        test_molecules=list(planned.test_molecules(variant)),
        train_window=None if train is None else [float(train.start), float(train.end)],
        test_window=[float(test.start), float(test.end)],
        n_train=n_train,
        n_test=n_test,
        unsupported=unsupported,
    )


def training_records(session: Session) -> list[TrainingRecord]:
    """Every finished training that the run's recipes asked for, from the store."""
    from pytest_mlff.training.runner import stored_result

    models = session.evaluation.models
    found = []
    for source in session.options.models:
        if models.recipe(source) is None:
            continue
        for planned in session.plan:
            if planned.spec.frames.train is None:
                continue
            for variant in planned.variants:
                try:
                    job = models.job(source, planned, variant)
                except MlffError:
                    continue  # its cases say so
                result = None if job is None else stored_result(job)
                if job is None or result is None:
                    continue
                found += [
                    _training_record(planned, variant, one, done)
                    for one in job.lineage
                    if (done := stored_result(one)) is not None
                ]
    return found


def _training_record(
    planned: PlannedSpec, variant: Variant, job: TrainingJob, result: TrainingResult
) -> TrainingRecord:
    content = job.recipe.content
    return TrainingRecord(
        model=job.recipe.name,
        suite=planned.spec.suite,
        spec=planned.spec.name,
        variant=variant.id,
        stage=job.name,
        digest=result.digest,
        trainer=content.trainer,
        seed=int(job.key["seed"]),
        budget_seconds=content.budget,
        seconds=result.seconds,
        core_seconds=result.core_seconds,
        label_seconds=result.label_seconds,
        n_frames=len(job.train),
        steps=result.steps,
        planned_steps=result.planned_steps,
        reference_energies=dict(result.reference_energies),
        reference_note=result.reference_note,
        loss=[
            LossPoint(step=step, seconds=None, train_loss=loss, validation=watched)
            for step, loss, watched in result.loss
        ],
    )


def recipe_records(session: Session) -> list[ModelRecord]:
    """One entry for each recipe: its models are one model to a reader of the report."""
    found = []
    for source in session.options.models:
        opened = session.evaluation.models.recipe(source)
        if opened is None:
            continue
        recipe, trainer = opened
        found.append(
            ModelRecord(
                name=recipe.name,
                source=source.text,
                family=f"recipe: {trainer.name}",
                digest=recipe.digest,
                species=None,
                cutoff=None,
                device=session.options.device,
                dtype=session.options.dtype or "as trained",
                versions=dict(trainer.versions),
            )
        )
    return found
