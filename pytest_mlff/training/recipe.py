"""Recipes: YAML that says how a trainer fits a model to the frames of a fixture variant."""

# pydantic reads the annotations when the classes are made.
# ruff: noqa: TC003

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pytest_mlff.errors import MlffError
from pytest_mlff.potentials.card import interpreter
from pytest_mlff.specs.load import load_checked
from pytest_mlff.specs.wording import shown
from pytest_mlff.specs.yaml_source import read_yaml
from pytest_mlff.store import digest_of
from pytest_mlff.training.code import code_of, modules_named

__all__ = ["Recipe", "RecipeFile", "TrainingResources", "load_recipe"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TrainingResources(_Model):
    """What one training needs of a machine or a cluster."""

    cpus: int = Field(default=1, ge=1, description="Cores, and threads of the trainer.")
    gpus: int = Field(default=0, ge=0, description="GPUs.")
    memory_gb: float | None = Field(default=None, ge=0.1, description="Memory in GB.")
    minutes: int | None = Field(
        default=None, ge=1, description="Time limit of a job; it goes on in a further one."
    )
    partition: str | None = Field(default=None, min_length=1, description="Queue of a cluster.")
    extra: dict[str, str | int | float | bool] = Field(
        default={}, description="Further settings of the engine, by its own names."
    )


class RecipeFile(_Model):
    """The content of one recipe file."""

    schema_version: Literal[1] = Field(description="Version of this format.")
    trainer: str = Field(
        min_length=1, description="nequip, or module:callable / file.py:callable of your own."
    )
    python: str | None = Field(
        default=None,
        min_length=1,
        description="Interpreter, or folder of a virtual environment, that trains and evaluates.",
    )
    budget: int = Field(ge=1, description="Seconds of training, the same for every variant.")
    seed: int = Field(default=0, ge=0, description="Seed of weights and data order.")
    checkpoint: str | None = Field(
        default=None,
        min_length=1,
        description="File that the trainer leaves behind, relative to its output folder; for "
        "nequip best.ckpt, or last.ckpt where there is none.",
    )
    resources: TrainingResources = Field(
        default=TrainingResources(), description="What one training needs."
    )
    config: dict[str, Any] | str = Field(
        default={}, description="The trainer's own configuration, or the YAML file that holds it."
    )


@dataclass(frozen=True)
class Recipe:
    """A recipe that has been read.

    Attributes
    ----------
    name : str
        File name without suffix.
    path : Path
        The file.
    content : RecipeFile
        What it says.
    config : mapping
        The trainer's own configuration, read from its file where the recipe names one.
    python : str or None
        Path of the interpreter; None for that of the judge.
    """

    name: str
    path: Path
    content: RecipeFile
    config: Mapping[str, Any]
    python: str | None = None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what decides the outcome apart from frames, seed and budget.

        Resources are left out: where a model was trained is not what it is.
        """
        key = {
            "trainer": self.content.trainer,
            "checkpoint": self.content.checkpoint,
            "config": self.config,
        }
        return digest_of({**key, "code": self.code} if self.code else key)

    @cached_property
    def code(self) -> dict[str, str]:
        """Digests of the user's own source files that trainer and configuration name."""
        module = self.content.trainer.rpartition(":")[0]
        folder = self.path.parent
        file = folder / Path(module).expanduser()
        own = [file if module.endswith(".py") else module] if module else []
        return code_of((*own, *modules_named(self.config)), folder)


def load_recipe(path: Path) -> Recipe:
    """Read and check a recipe.

    Parameters
    ----------
    path : Path
        The YAML file.

    Raises
    ------
    MlffError
        With one line ``file:line: key: what is wrong``.
    """
    path = path.absolute()
    content, source = load_checked(path, RecipeFile)
    config = content.config
    if isinstance(config, str):
        beneath = path.parent / Path(config).expanduser()
        line = source.line(("config",))
        if not beneath.is_file():
            raise MlffError(f"{shown(path)}:{line}: config: no such file: {beneath}")
        config = read_yaml(beneath).value
        if not isinstance(config, dict):
            raise MlffError(f"{shown(beneath)}:1: must be a mapping of the trainer's own keys")
    try:
        digest_of({"config": config})
    except (TypeError, ValueError) as error:
        raise MlffError(
            f"{shown(path)}:{source.line(('config',))}: config: {error}; it may hold text, "
            "numbers, lists and mappings"
        ) from error
    python = None
    if content.python is not None:
        try:
            python = interpreter(content.python, path.parent)
        except MlffError as error:
            where = f"{shown(path)}:{source.line(('python',))}: python"
            raise MlffError(f"{where}: {error}") from None
    return Recipe(path.stem, path, content, config, python)
