"""One training, from a picklable job to a checkpoint in the store.

A job is plain data, so that it can run in this process, in another one or on another
machine that sees the same store. Its address is the digest of everything the outcome
depends on; a finished training is never repeated, an interrupted one goes on.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mlff.datasets.export import extxyz_text
from pytest_mlff.errors import MlffError
from pytest_mlff.products import FOLDER, Files, Product, find, once
from pytest_mlff.store import Store, digest_of, write_atomically
from pytest_mlff.training.fixture import TrainingFixture
from pytest_mlff.training.trainers.registry import open_trainer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.datasets.splits import FrameSets
    from pytest_mlff.training.recipe import Recipe
    from pytest_mlff.training.trainers.protocol import LossCurve, Trainer

__all__ = ["TrainingJob", "TrainingResult", "run_job", "stored_result", "training_job"]

KIND = "trainings"
_ATTEMPTS = "attempts.txt"


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
    """

    store_root: Path
    key: dict[str, Any]
    recipe: Recipe
    variant: str
    train: Frames
    validation: Frames | None
    reference: str

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


def training_job(
    recipe: Recipe,
    trainer: Trainer,
    sets: FrameSets,
    *,
    store_root: Path,
    variant: str,
    reference: str = "none",
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

    Raises
    ------
    MlffError
        If the spec cuts no training frames for the variant.
    """
    if sets.train is None or len(sets.train) == 0:
        raise MlffError(
            f"{variant}: the spec cuts no training frames, so {recipe.path.name} cannot be trained"
        )
    for name, one in (("training", sets.train), ("validation", sets.validation)):
        if one is None:
            continue
        for quantity in ("energy", "forces"):
            labelled = one.frames.labelled(quantity)
            if not labelled.all():
                raise MlffError(
                    f"{variant}: {len(labelled) - int(labelled.sum())} of {len(labelled)} {name} "
                    f"frames have no {quantity}; a recipe trains on frames that have both"
                )
    digests = sets.digests
    key = {
        "recipe": recipe.digest,
        "trainer": trainer.name,
        "versions": dict(trainer.versions),
        "train": digests["train"],
        "validation": digests.get("validation"),
        "reference_energies": reference,
        "seed": recipe.content.seed,
        "budget": recipe.content.budget,
    }
    assert sets.train_frames is not None
    return TrainingJob(
        store_root=store_root.absolute(),
        key=key,
        recipe=recipe,
        variant=variant,
        train=sets.train_frames,
        validation=sets.validation_frames,
        reference=reference,
    )


def _product(job: TrainingJob) -> Product[TrainingResult]:
    def plain(result: TrainingResult) -> Files:
        note = {
            "seconds": result.seconds,
            "steps": result.steps,
            "planned_steps": result.planned_steps,
            "loss": [list(point) for point in result.loss],
            "reference_energies": dict(result.reference_energies),
            "reference_note": result.reference_note,
            "recipe": job.recipe.name,
            "variant": job.variant,
            "sha256": result.sha256,
        }
        return Files(note, (result.checkpoint.relative_to(job.folder).as_posix(),))

    def back(files: Files) -> TrainingResult:
        (checkpoint,) = files.names
        note = files.note
        return TrainingResult(
            checkpoint=job.folder / checkpoint,
            sha256=str(note["sha256"]),
            digest=job.digest,
            trained=False,
            seconds=float(note["seconds"]),
            steps=note["steps"],
            planned_steps=note.get("planned_steps"),
            loss=tuple((step, loss, watched) for step, loss, watched in note["loss"]),
            reference_energies=dict(note["reference_energies"]),
            reference_note=str(note["reference_note"]),
        )

    return Product(KIND, job.key, FOLDER.of(plain, back), make=lambda: _train(job))


def stored_result(job: TrainingJob) -> TrainingResult | None:
    """The finished training from the store; None if there is none, or its checkpoint is damaged."""
    return find(Store(job.store_root), _product(job), quiet=True)


def run_job(job: TrainingJob) -> TrainingResult:
    """Train, unless the store has it.

    Processes that want the same training wait for the one that does it. What an
    interrupted attempt left in the job's folder is handed to the trainer again.

    Raises
    ------
    MlffError
        If the training fails, or its folder in the store cannot be written.
    """
    try:
        return once(Store(job.store_root), _product(job))
    except OSError as error:
        raise _not_kept(job, error) from error


def _train(job: TrainingJob) -> TrainingResult:
    trainer = open_trainer(job.recipe)
    fixture, note = _fixture(job)
    started = time.monotonic()
    before = _seconds_before(job.folder / _ATTEMPTS)
    fit = trainer.fit(fixture, job.recipe.config, job.folder)
    seconds = before + time.monotonic() - started
    checkpoint = fit.checkpoint.absolute()
    if not checkpoint.is_relative_to(job.folder):
        kept = job.folder / checkpoint.name
        write_atomically(kept, checkpoint.read_bytes())
        checkpoint = kept
    return TrainingResult(
        checkpoint=checkpoint,
        sha256=hashlib.sha256(checkpoint.read_bytes()).hexdigest(),
        digest=job.digest,
        trained=True,
        seconds=seconds,
        steps=fit.steps,
        planned_steps=fit.planned_steps,
        loss=fit.loss,
        reference_energies=dict(fixture.reference_energies),
        reference_note=note,
    )


def _fixture(job: TrainingJob) -> tuple[TrainingFixture, str]:
    """Write the frames where the trainer can read them; also what is to be known of energies."""
    train, validation = job.train, job.validation
    energies: dict[str, float] = {}
    note = ""
    if job.reference == "regression":
        from pytest_mlff.datasets.reference_energies import fit_reference_energies

        reference = fit_reference_energies(train)
        energies, note = dict(reference.energies), reference.note
        train = reference.subtract(train)
        validation = None if validation is None else reference.subtract(validation)
    files: dict[str, Path | None] = {"train": None, "validation": None}
    for role, frames in (("train", train), ("validation", validation)):
        if frames is not None:
            files[role] = job.folder / f"{role}.extxyz"
            write_atomically(job.folder / f"{role}.extxyz", extxyz_text(frames).encode())
    assert files["train"] is not None
    fixture = TrainingFixture(
        variant=job.variant,
        train=train,
        validation=validation,
        train_file=files["train"],
        validation_file=files["validation"],
        species=train.species,
        seed=job.recipe.content.seed,
        budget_seconds=job.recipe.content.budget,
        threads=job.recipe.content.resources.cpus,
        reference_energies=energies,
    )
    return fixture, note


def _not_kept(job: TrainingJob, error: OSError) -> MlffError:
    return MlffError(
        f"{job.variant}: the training cannot be kept in {job.store_root} "
        f"({error.strerror or error}); --mlff-store=DIR names another folder"
    )


def _seconds_before(path: Path) -> float:
    """Wall time of earlier attempts; notes that a new one begins.

    An attempt that was killed could not say how long it took: it lasted at least until the
    newest file in its folder was written.
    """
    now = time.time()
    spent = 0.0
    try:
        text = path.read_text(encoding="utf-8")
        if not text.endswith("\n"):
            raise ValueError("cut short")
        earlier, begun = (float(word) for word in text.split())
        newest = max(one.stat().st_mtime for one in path.parent.rglob("*") if one.is_file())
        spent = earlier + max(0.0, newest - begun)
    except (OSError, ValueError):
        pass  # the first attempt, or a damaged file: time is told, nothing depends on it
    write_atomically(path, f"{spent} {now}\n".encode())
    return spent
