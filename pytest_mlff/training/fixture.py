"""What a trainer is handed: the frames of one fixture variant, a seed and a budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames


@dataclass(frozen=True, eq=False)
class TrainingFixture:
    """First argument of ``fit(fixture, config, out_dir)``.

    Attributes
    ----------
    variant : str
        ``<suite>/<spec>/<variant>``.
    train : Frames
        Frames to train on: energies in eV, forces in eV/Å, positions in Å. Where the spec
        asks for reference energies, these have been subtracted from the energies.
    validation : Frames or None
        Frames the trainer may watch.
    train_file : Path
        The same frames as extended XYZ, every digit kept.
    validation_file : Path or None
        Likewise.
    species : tuple of str
        Chemical symbols in the training frames, alphabetically.
    seed : int
        Seed of weights and data order.
    budget_seconds : int
        Wall time the training may take, over all attempts.
    threads : int
        Threads the training may use.
    reference_energies : mapping of str to float
        Energy per atom in eV that was subtracted, by species; empty where none was.
    start : Path or None
        Checkpoint to begin with, where a stage follows from another.
    loss : mapping of str to mapping
        What a stage minimises, where not the trainer's own loss: its name (``bias_aware``,
        ``score_matching``, ``denoising``) with its settings; empty otherwise.
    """

    variant: str
    train: Frames
    validation: Frames | None
    train_file: Path
    validation_file: Path | None
    species: tuple[str, ...]
    seed: int
    budget_seconds: int
    threads: int
    reference_energies: Mapping[str, float]
    start: Path | None = None
    loss: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def weights(self) -> NDArray[np.float64] | None:
        """How much the forces of each training frame count, of mean one; shape (n_frames,).

        They stand in the file, too, as ``frame_weight``; None where all count alike.
        """
        return self.train.per_frame.get("frame_weight")
