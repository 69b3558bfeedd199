"""What a trainer is handed: the frames of one fixture variant, a seed and a budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_mlff.datasets.frames import Frames

__all__ = ["TrainingFixture"]


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
