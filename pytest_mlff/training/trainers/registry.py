"""Trainers: what fits a model to a fixture, the builtin one and a repository's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlff.errors import MlffError
from pytest_mlff.training.trainers.function import CallableTrainer

if TYPE_CHECKING:
    from pytest_mlff.training.recipe import Recipe
    from pytest_mlff.training.trainers.protocol import Trainer

__all__ = ["BUILTIN_TRAINERS", "open_trainer"]

BUILTIN_TRAINERS = ("nequip",)


def open_trainer(recipe: Recipe) -> Trainer:
    """The trainer that a recipe names.

    Raises
    ------
    MlffError
        If there is no such trainer, or its module cannot be imported.
    MissingExtraError
        If its library is not installed.
    """
    name = recipe.content.trainer
    if name == "nequip":
        from pytest_mlff.training.trainers.nequip import NequipTrainer

        return NequipTrainer.open(recipe)
    module, colon, attribute = name.rpartition(":")
    if not colon:
        raise MlffError(
            f"recipe {recipe.path}: trainer: unknown trainer {name!r}; it is "
            f"{', '.join(BUILTIN_TRAINERS)}, module:callable or file.py:callable"
        )
    if recipe.python is not None:
        from pytest_mlff.training.trainers.apart import ApartTrainer

        return ApartTrainer.open(recipe)
    from pytest_mlff.potentials.factory import find_callable

    function = find_callable(
        module, attribute, said=f"recipe {recipe.path}: trainer {name!r}", cwd=recipe.path.parent
    )
    if not callable(function):
        raise MlffError(f"recipe {recipe.path}: trainer {name!r} is not callable")
    return CallableTrainer(name, function, recipe.content.checkpoint)
