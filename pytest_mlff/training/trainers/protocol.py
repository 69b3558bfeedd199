"""What a trainer is to the rest of the house, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pytest_mlff.training.fixture import TrainingFixture


@dataclass(frozen=True)
class Fit:
    """What a training left behind.

    Attributes
    ----------
    checkpoint : Path
        The file to test.
    steps : int or None
        Optimizer steps done, where the trainer says.
    loss : tuple of (int, float or None, float or None)
        Step, training loss, and the value watched on validation frames.
    planned_steps : int or None
        Steps that the configuration asks for, where it does.
    """

    checkpoint: Path
    steps: int | None = None
    loss: LossCurve = ()
    planned_steps: int | None = None


LossCurve = tuple[tuple[int, float | None, float | None], ...]


class Trainer(Protocol):
    """Fits models; see the module."""

    @property
    def name(self) -> str:
        """Name in reports."""

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions that the outcome depends on; part of the address in the store."""

    @property
    def heeds(self) -> Collection[str]:
        """What it heeds of a stage: ``from`` (`TrainingFixture.start`), and losses by name."""

    def fit(self, fixture: TrainingFixture, config: Mapping[str, Any], out_dir: Path) -> Fit:
        """Train, or go on with an interrupted training in ``out_dir``.

        Raises
        ------
        MlffError
            If the training fails.
        """
