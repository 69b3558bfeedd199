"""Trainers: what fits a model to a fixture, the builtin one and a repository's own."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from pytest_mlff.errors import MlffError
from pytest_mlff.training.trainers.function import CallableTrainer

if TYPE_CHECKING:
    from pytest_mlff.training.recipe import Recipe
    from pytest_mlff.training.trainers.protocol import Trainer

BUILTIN_TRAINERS = ("nequip",)


def open_trainer(recipe: Recipe) -> Trainer:
    """The trainer that a recipe names; those of its stages are asked whether they can do them.

    Raises
    ------
    MlffError
        If there is no such trainer, its module cannot be imported, or a stage asks for what
        its trainer does not say that it heeds: such a stage would pass for what it is not.
    MissingExtraError
        If its library is not installed.
    """
    trainer = _opened(recipe)
    heeds: dict[str, Collection[str]] = {}
    for name, stage in recipe.content.stages.items():
        own = recipe.of_stage(name)
        by = own.content.trainer
        for one in stage.asks:
            if by not in heeds:
                heeds[by] = (trainer if by == trainer.name else _opened(own)).heeds
            if one not in heeds[by]:
                raise MlffError(
                    f"recipe {recipe.path}: stages.{name}: trainer {by} does not say that it heeds "
                    f"{one!r}; a function that does says so: fit.heeds = ({one!r},)"
                )
    return trainer


def _opened(recipe: Recipe) -> Trainer:
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
