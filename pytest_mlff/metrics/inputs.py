"""What a metric is given to measure a case: each part is made when it is first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.datasets.integrity.result import IntegrityResult
    from pytest_mlff.metrics.registry import Metric
    from pytest_mlff.metrics.simulated import Simulated
    from pytest_mlff.potentials.protocol import Potential, Prediction
    from pytest_mlff.specs.operations import Scalar
    from pytest_mlff.store import Store


class Inputs(Protocol):
    """What a case has.

    Asking for a prediction or the potential raises `MlffError` where there is no model, or the
    model cannot serve.
    """

    @property
    def metric(self) -> Metric:
        """What is measured."""

    @property
    def species(self) -> str | None:
        """Chemical symbol of the atoms it is taken over; None for all atoms."""

    @property
    def options(self) -> Mapping[str, Scalar]:
        """Settings of the case in its spec."""

    @property
    def frames(self) -> Frames:
        """Test frames with their labels; of one group alone where the case is of a group."""

    @property
    def training_frames(self) -> Frames | None:
        """Training frames; None where the spec cuts none."""

    @property
    def prediction(self) -> Prediction:
        """What the model says of `frames`; one pass serves all cases."""

    @property
    def whole(self) -> tuple[Frames, Prediction]:
        """All test frames, whatever their group, and what the model says of them."""

    def set_of(self, name: str) -> tuple[Frames, Prediction]:
        """Another set of frames of the spec by its name, and what the model says of them."""

    @property
    def potential(self) -> Potential:
        """The loaded model, which knows every species of `frames`."""

    @property
    def store(self) -> Store:
        """Where expensive results are kept."""

    @property
    def seed(self) -> int:
        """Seed of everything that is drawn."""

    @property
    def strictness(self) -> str | None:
        """How many trials of a law the command line asks for; None for what the spec says."""

    @property
    def axes(self) -> Mapping[str, Scalar]:
        """Where on the axes of its spec the case stands."""

    def axis(self, name: str) -> tuple[Scalar, ...]:
        """All values of an axis in this run, sorted as the variants are."""

    def across(self, **axes: Scalar) -> Inputs:
        """What the same case has at another variant: that with these values, and else most alike.

        Raises `MlffError` where there is none, or two are.
        """

    def training_cost(self) -> float:
        """Core-seconds that the model's training took, with stages before it and their labels.

        Raises `NotSupportedError` where the model was not trained by a recipe.
        """

    def data_check(self) -> IntegrityResult:
        """What the check of data `metric` finds."""

    def simulated(self) -> Simulated:
        """The simulation that the spec asks for; one serves all cases."""

    def other_precisions(self) -> Mapping[str, Potential]:
        """The same model in the other precisions that its format can be opened in."""

    def guard(self) -> AbstractContextManager[None]:
        """Within it, a lost GPU is noticed and nothing more is computed on it."""
