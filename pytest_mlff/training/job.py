"""One training as plain data: what it needs, what it leaves, and how that is loaded.

A job's address is the digest of everything the outcome depends on, so that a finished training
is never repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlff.errors import MlffError
from pytest_mlff.store import Store, digest_of
from pytest_mlff.training.stages import lineage
from pytest_mlff.training.trainers.registry import BUILTIN_TRAINERS, open_trainer

if TYPE_CHECKING:
    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.datasets.splits import FrameSets
    from pytest_mlff.potentials.host.load import LoadRequest
    from pytest_mlff.specs.operations import Scalar
    from pytest_mlff.training.recipe import Recipe
    from pytest_mlff.training.stages import Stage
    from pytest_mlff.training.trainers.protocol import LossCurve, Trainer

KIND = "trainings"


@dataclass(frozen=True, eq=False)
class TrainingJob:
    """What one training needs; picklable.

    Attributes
    ----------
    store_root : Path
        Folder of the store, absolute.
    key : dict
        Everything the outcome depends on.
    recipe : Recipe
        Trainer and its configuration.
    variant : str
        ``<suite>/<spec>/<variant>``, for messages; it is not part of the key, since
        variants with the same training frames share a training.
    train : Frames
        Energies in eV, forces in eV/Å.
    validation : Frames or None
        Frames the trainer may watch.
    reference : str
        ``regression`` to subtract reference energies, or ``none``.
    name : str
        Of the stage; empty where the recipe has none.
    stage : Stage or None
        What the stage does beside the trainer's own.
    parents : mapping of str to TrainingJob
        Stages that it needs, by name.
    """

    store_root: Path
    key: dict[str, Any]
    recipe: Recipe
    variant: str
    train: Frames
    validation: Frames | None
    reference: str
    name: str = ""
    stage: Stage | None = None
    parents: Mapping[str, TrainingJob] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What messages call it."""
        return f"{self.variant}, stage {self.name}" if self.name else self.variant

    @property
    def lineage(self) -> tuple[TrainingJob, ...]:
        """It and all that it needs, in the order in which they can be done, each once."""
        before = {one.digest: one for parent in self.parents.values() for one in parent.lineage}
        return (*before.values(), self)

    @property
    def digest(self) -> str:
        """Address of the training in the store."""
        return digest_of(self.key)

    @property
    def folder(self) -> Path:
        """Where the trainer works and leaves its files."""
        return Store(self.store_root).path(KIND, self.key, "")


@dataclass(frozen=True)
class TrainingResult:
    """A finished training.

    Attributes
    ----------
    checkpoint : Path
        The file to test.
    sha256 : str
        Digest of its content.
    digest : str
        Address in the store.
    trained : bool
        False where it was found in the store.
    seconds : float
        Wall time over all attempts.
    core_seconds : float
        Processor time, children's too; of an attempt that was killed its wall time.
    label_seconds : float
        Core-seconds that the labels of an oracle took when they were made.
    steps : int or None
        Optimizer steps done.
    planned_steps : int or None
        Those that the recipe asks for, where it does.
    loss : tuple of (int, float or None, float or None)
        Step, training loss, watched value.
    reference_energies : mapping of str to float
        Energy per atom in eV that was subtracted for training, by species.
    reference_note : str
        What has to be known of them.
    plus : str or None
        Oracle whose labels are to be added to what the model says.
    """

    checkpoint: Path
    sha256: str
    digest: str
    trained: bool
    seconds: float
    steps: int | None
    planned_steps: int | None
    loss: LossCurve
    reference_energies: Mapping[str, float]
    reference_note: str
    plus: str | None = None
    core_seconds: float = 0.0
    label_seconds: float = 0.0


def training_job(
    recipe: Recipe,
    trainer: Trainer,
    sets: FrameSets,
    *,
    store_root: Path,
    variant: str,
    reference: str = "none",
    names: Mapping[str, Scalar] | None = None,
) -> TrainingJob:
    """Make the job that trains a recipe on the frames of a variant.

    Parameters
    ----------
    recipe : Recipe
        Trainer, configuration, seed and budget.
    trainer : Trainer
        Opened from the recipe; its versions are part of the key.
    sets : FrameSets
        Frames of the variant.
    store_root : Path
        Folder of the store.
    variant : str
        ``<suite>/<spec>/<variant>``.
    reference : str
        ``none`` or ``regression``.
    names : mapping of str to scalar, optional
        Axes of the variant, which seed and stages may name.

    Returns
    -------
    TrainingJob
        Of a recipe with stages: the one that is tested, with those before it.

    Raises
    ------
    MlffError
        If the spec cuts no training frames for the variant, or they lack labels.
    """
    names = names or {}
    recipe = recipe.at(names)
    stages = recipe.content.stages
    made: dict[str, TrainingJob] = {}
    for name in lineage(stages, recipe.tested(names)) if stages else ("",):
        own, stage = recipe, None
        if name:
            own = recipe.of_stage(name)
            try:
                stage = stages[name].at(names)
            except MlffError as error:
                raise MlffError(f"{recipe.path}: stages.{name}: {error}") from error
            if own.content.trainer != trainer.name or own.config != recipe.config:
                trainer = open_trainer(own)
        made[name] = _job(
            own,
            trainer,
            sets,
            store_root=store_root.absolute(),
            variant=variant,
            reference=reference,
            name=name,
            stage=stage,
            made=made,
        )
    return made[name]


def _job(
    recipe: Recipe,
    trainer: Trainer,
    sets: FrameSets,
    *,
    store_root: Path,
    variant: str,
    reference: str,
    name: str,
    stage: Stage | None,
    made: Mapping[str, TrainingJob],
) -> TrainingJob:
    wanted = "train" if stage is None else stage.frames
    train = sets.named.get(wanted)
    if train is None or len(train) == 0:
        known = f" (sets: {', '.join(sets.named)})" if stage else ""
        raise MlffError(
            f"{variant}: the spec cuts no {'training' if wanted == 'train' else wanted} frames, so "
            f"{recipe.path.name} cannot be trained{known}"
        )
    validation = sets.validation
    labelled = stage is None or stage.needs_labels
    for role, one in (("training", train), ("validation", validation)):
        for quantity in ("energy", "forces") if labelled and one is not None else ():
            assert one is not None
            given = one.frames.labelled(quantity)
            if not given.all():
                raise MlffError(
                    f"{variant}: {len(given) - int(given.sum())} of {len(given)} {role} "
                    f"frames have no {quantity}; "
                    + ("a recipe" if stage is None else f"stage {name}")
                    + " trains on frames that have both"
                )
    parents = {} if stage is None else {one: made[one] for one in stage.parents}
    key = {
        "recipe": recipe.digest,
        "trainer": trainer.name,
        "versions": dict(trainer.versions),
        "train": train.digest,
        "validation": None if validation is None else validation.digest,
        "reference_energies": reference,
        "seed": recipe.content.seed,
        "budget": recipe.content.budget,
    }
    if stage is not None:
        roles = {"from": stage.start, "teacher": stage.teacher}
        digests = {role: parents[one].digest for role, one in roles.items() if one is not None}
        key |= {"stage": stage.key, "parents": digests}
    return TrainingJob(
        store_root=store_root,
        key=key,
        recipe=recipe,
        variant=variant,
        train=train.frames,
        validation=None if validation is None else validation.frames,
        reference=reference,
        name=name,
        stage=stage,
        parents=parents,
    )


def load_request(
    job: TrainingJob,
    result: TrainingResult,
    *,
    device: str = "auto",
    dtype: str | None = None,
    threads: int | None = None,
    shown: str | None = None,
) -> LoadRequest:
    """What it takes to load the model that a training left; see `LoadRequest`."""
    from pytest_mlff.potentials.host.load import LoadRequest

    return LoadRequest(
        str(result.checkpoint),
        str(job.recipe.path.parent),
        device=device,
        dtype=dtype,
        threads=threads,
        trained=True,
        # What NequIP wrote a moment ago in our own store needs no warning.
        trusted=job.recipe.content.trainer in BUILTIN_TRAINERS,
        name=job.recipe.name,
        shown=shown,
        reference_energies=result.reference_energies,
        plus=result.plus,
        surroundings={} if job.recipe.python else None,
    )
