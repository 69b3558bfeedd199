"""One training, from a picklable job to a checkpoint in the store.

A job is plain data, so that it can run in this process, in another one or on another
machine that sees the same store. A finished training is never repeated, an interrupted one
goes on; stages that it follows from are done first.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlff.datasets.export import extxyz_text
from pytest_mlff.errors import MlffError
from pytest_mlff.products import FOLDER, Files, Product, find, once
from pytest_mlff.store import Store, file_digest, write_atomically
from pytest_mlff.training.fixture import TrainingFixture
from pytest_mlff.training.job import KIND, TrainingResult
from pytest_mlff.training.stage_frames import stage_frames
from pytest_mlff.training.trainers.registry import open_trainer

if TYPE_CHECKING:
    from pytest_mlff.training.job import TrainingJob

_ATTEMPTS = "attempts.txt"


def _product(job: TrainingJob) -> Product[TrainingResult]:
    def plain(result: TrainingResult) -> Files:
        note = {
            "seconds": result.seconds,
            "steps": result.steps,
            "planned_steps": result.planned_steps,
            "loss": [list(point) for point in result.loss],
            "reference_energies": dict(result.reference_energies),
            "reference_note": result.reference_note,
            "plus": result.plus,
            "core_seconds": result.core_seconds,
            "label_seconds": result.label_seconds,
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
            plus=note.get("plus"),
            core_seconds=float(note.get("core_seconds", note["seconds"])),
            label_seconds=float(note.get("label_seconds", 0.0)),
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
    before = {name: run_job(parent) for name, parent in job.parents.items()}
    # Before anything is written: the newest file says how long an attempt lasted.
    earlier = _seconds_before(job.folder / _ATTEMPTS)
    fixture, note, label_seconds = _fixture(job, before)
    started, worked = time.monotonic(), _processor_time()
    fit = trainer.fit(fixture, job.recipe.config, job.folder)
    seconds = earlier + time.monotonic() - started
    checkpoint = fit.checkpoint.absolute()
    if not checkpoint.is_relative_to(job.folder):
        kept = job.folder / checkpoint.name
        write_atomically(kept, checkpoint.read_bytes())
        checkpoint = kept
    return TrainingResult(
        checkpoint=checkpoint,
        sha256=file_digest(checkpoint),
        digest=job.digest,
        trained=True,
        seconds=seconds,
        steps=fit.steps,
        planned_steps=fit.planned_steps,
        loss=fit.loss,
        reference_energies=dict(fixture.reference_energies),
        reference_note=note,
        plus=None if job.stage is None else job.stage.minus,
        core_seconds=earlier * fixture.threads + (_processor_time() - worked),
        label_seconds=label_seconds,
    )


def _processor_time() -> float:
    """Of this process and of its children that have ended, in s."""
    return sum(os.times()[:4])


def _fixture(
    job: TrainingJob, before: Mapping[str, TrainingResult]
) -> tuple[TrainingFixture, str, float]:
    """Write the frames where the trainer can read them.

    With a note on energies, if there is one, and the core-seconds of labels.
    """
    train, validation = job.train, job.validation
    seconds = 0.0
    if job.stage is not None:
        ready = stage_frames(job, before)
        train, validation, seconds = ready.train, ready.validation, ready.seconds
    energies: dict[str, float] = {}
    note = ""
    if job.reference == "regression" and (job.stage is None or job.stage.has_energies):
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
    begin = None if job.stage is None or job.stage.start is None else before[job.stage.start]
    fixture = TrainingFixture(
        variant=job.title,
        train=train,
        validation=validation,
        train_file=files["train"],
        validation_file=files["validation"],
        species=train.species,
        seed=int(job.key["seed"]),
        budget_seconds=job.recipe.content.budget,
        threads=job.recipe.content.resources.cpus,
        reference_energies=energies,
        start=None if begin is None else begin.checkpoint,
        loss={} if job.stage is None or job.stage.loss is None else job.stage.loss.said,
    )
    return fixture, note, seconds


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
