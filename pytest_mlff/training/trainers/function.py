"""A repository's own trainer: a function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlff.errors import MlffError
from pytest_mlff.potentials.failures import one_line, raise_if_poisoned
from pytest_mlff.potentials.identity import installed_versions
from pytest_mlff.training.trainers.protocol import Fit

if TYPE_CHECKING:
    from pytest_mlff.training.fixture import TrainingFixture


@dataclass(frozen=True)
class CallableTrainer:
    """A repository's own trainer: ``fit(fixture, config, out_dir) -> checkpoint``.

    Attributes
    ----------
    name : str
        As in the recipe.
    function : callable
        Takes a :class:`TrainingFixture`, the recipe's ``config`` and a folder, and returns
        the path of a checkpoint. A folder that is not empty is that of an interrupted
        training of the same fixture.
    checkpoint : str or None
        File within the folder, for a function that should not have to name it.
    """

    name: str
    function: Callable[..., Any]
    checkpoint: str | None = None

    @property
    def versions(self) -> Mapping[str, str]:
        """Version of the distribution that holds the function; its code is part of the recipe."""
        module = inspect.getmodule(self.function)
        top = (getattr(module, "__name__", "") or "").partition(".")[0]
        return installed_versions(top) if top else {}

    @property
    def heeds(self) -> tuple[str, ...]:
        """What the function says that it heeds of a stage, as an attribute of the same name."""
        said = getattr(self.function, "heeds", ())
        return (said,) if isinstance(said, str) else tuple(said)

    def fit(self, fixture: TrainingFixture, config: Mapping[str, Any], out_dir: Path) -> Fit:
        """Call the function.

        Raises
        ------
        MlffError
            If it raises, or returns something else than the path of a file.
        """
        said = f"trainer {self.name} on {fixture.variant}"
        try:
            returned = self.function(fixture, dict(config), out_dir)
        except MlffError:
            raise
        except (Exception, SystemExit) as error:
            raise_if_poisoned(error, said)
            raise MlffError(f"{said}: raised {one_line(error)}") from error
        if returned is None and self.checkpoint is not None:
            returned = self.checkpoint
        if returned is None:
            raise MlffError(f"{said}: returned nothing; it must return the path of a checkpoint")
        if not isinstance(returned, str | Path):
            raise MlffError(
                f"{said}: returned a {type(returned).__name__}; it must return the path of a "
                "checkpoint"
            )
        path = out_dir / returned
        if not path.is_file():
            raise MlffError(f"{said}: returned {returned}, which is not a file")
        return Fit(path)
