"""Which trainings a run needs: each once, with the variants that share it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlff.errors import MlffError, NotSupportedError

if TYPE_CHECKING:
    from pytest_mlff.run.evaluation import Evaluation
    from pytest_mlff.run.options import Located
    from pytest_mlff.run.plan import PlannedSpec
    from pytest_mlff.specs import Variant
    from pytest_mlff.training.job import TrainingJob


@dataclass(frozen=True)
class Wanted:
    """One training with every variant that shares it.

    ``tested`` are those at which its model is the one that is tested, and not a stage before it.
    """

    job: TrainingJob
    variants: tuple[str, ...]
    tested: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trainings:
    """What a run needs, each training once, stages after those they follow from; and what it lacks.

    A line for each variant whose frames cannot be cut, or whose data fail a check of its spec.
    """

    wanted: tuple[Wanted, ...]
    unsupported: tuple[str, ...]
    at_fault: tuple[str, ...]


def wanted_trainings(
    evaluation: Evaluation, places: Iterable[tuple[Located, PlannedSpec, Variant]]
) -> Trainings:
    """Distinct trainings behind some variants.

    Parameters
    ----------
    evaluation : Evaluation
        Models and data of the run.
    places : iterable of (Located, PlannedSpec, Variant)
        Models with the variants they are needed for; models that are no recipes and specs
        that cut no training frames are passed over.

    Raises
    ------
    MlffError
        If a recipe or the data are not in order.
    """
    jobs: dict[str, TrainingJob] = {}
    names: dict[str, dict[str, None]] = {}
    tested: dict[str, dict[str, None]] = {}
    unsupported: dict[str, None] = {}
    at_fault: dict[str, None] = {}
    models = evaluation.models
    for source, planned, variant in places:
        if planned.spec.frames.train is None or models.recipe(source) is None:
            continue
        of = f"{planned.spec.suite}/{planned.spec.name}"
        try:
            job = models.job(source, planned, variant)
        except NotSupportedError as error:
            unsupported.setdefault(f"{of}: {error}")
            continue
        assert job is not None
        try:
            evaluation.require_sound(planned, variant)
        except MlffError as error:
            at_fault.setdefault(f"{of}/{variant.id}: {error}")
            continue
        tested.setdefault(job.digest, {}).setdefault(f"{of}/{variant.id}")
        for one in job.lineage:
            jobs.setdefault(one.digest, one)
            names.setdefault(one.digest, {}).setdefault(f"{of}/{variant.id}")
    wanted = tuple(
        Wanted(job, tuple(names[digest]), tuple(tested.get(digest, ())))
        for digest, job in jobs.items()
    )
    return Trainings(wanted, tuple(unsupported), tuple(at_fault))
