"""The frames of a stage as it trains on them: labelled anew, subtracted from, shaken or weighed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.datasets.oracles import label_frames, oracle_named
from pytest_mlff.store import Store
from pytest_mlff.training.job import load_request
from pytest_mlff.training.losses import K_B, bias_aware_weights, denoising_forces, frame_distances

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.training.job import TrainingJob, TrainingResult


@dataclass(frozen=True, eq=False)
class StageFrames:
    """What a stage trains on, with the core-seconds of an oracle's labels.

    Frames carry the labels that the trainer reads, and weights as column ``frame_weight``.
    """

    train: Frames
    validation: Frames | None
    seconds: float = 0.0


def stage_frames(job: TrainingJob, before: Mapping[str, TrainingResult]) -> StageFrames:
    """Make the frames of a stage; its parents are known by name.

    Raises
    ------
    MlffError
        If an oracle or a teacher fails.
    """
    stage = job.stage
    assert stage is not None
    store = Store(job.store_root)
    train, spent = _labelled(job, job.train, store)
    validation = None
    if job.validation is not None:
        validation, more = _labelled(job, job.validation, store)
        spent += more
    loss = stage.loss
    if loss is not None and loss.score_matching is not None:
        # Zeros stand for labels, which a reader of the file asks for and the loss does not.
        nothing = np.zeros_like(train.positions)
        train = replace(train, energy=np.zeros(len(train)), forces=nothing, stress=None)
    if loss is not None and loss.denoising is not None:
        shaken, forces = denoising_forces(
            train.positions,
            loss.denoising.sigma,
            K_B * loss.denoising.temperature,
            seed=int(job.key["seed"]),
        )
        train = replace(
            train, positions=shaken, energy=np.zeros(len(train)), forces=forces, stress=None
        )
    if loss is None or loss.bias_aware is None:
        return StageFrames(train, validation, spent)
    assert train.forces is not None
    taught = _forces(job.parents[loss.bias_aware.teacher], before[loss.bias_aware.teacher], train)
    gamma = loss.bias_aware.gamma
    if gamma == "median":
        width = float(np.median(frame_distances(taught, train.forces, train.counts)))
    else:
        assert isinstance(gamma, float)  # expressions have been worked out
        width = gamma / 1000.0  # from meV/Å
    weights = bias_aware_weights(taught, train.forces, train.counts, width)
    columns = {**train.per_frame, "frame_weight": weights}
    return StageFrames(replace(train, per_frame=columns), validation, spent)


def _labelled(job: TrainingJob, frames: Frames, store: Store) -> tuple[Frames, float]:
    stage, spent = job.stage, 0.0
    assert stage is not None
    folder = job.recipe.path.parent
    if stage.labels is not None:
        found = label_frames(frames, oracle_named(stage.labels, folder), store)
        frames = replace(frames, energy=found.energy, forces=found.forces, stress=None)
        spent += found.seconds
    if stage.minus is not None:
        found = label_frames(frames, oracle_named(stage.minus, folder), store)
        assert frames.energy is not None
        assert frames.forces is not None
        frames = replace(
            frames,
            energy=frames.energy - found.energy,
            forces=frames.forces - found.forces,
            stress=None,
        )
        spent += found.seconds
    return frames, spent


def _forces(job: TrainingJob, result: TrainingResult, frames: Frames) -> NDArray[np.float64]:
    """What a finished stage says of frames, in eV/Å."""
    from pytest_mlff.potentials.batching import evaluate
    from pytest_mlff.potentials.process import Limits, start

    request = load_request(job, result, threads=job.recipe.content.resources.cpus)
    potential = start(request, limits=Limits(python=job.recipe.python))
    try:
        return evaluate(potential, frames.without_labels()).forces
    finally:
        if hasattr(potential, "close"):
            potential.close()
