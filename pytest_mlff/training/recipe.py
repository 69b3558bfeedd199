"""Recipes: YAML that says how a trainer fits a model to the frames of a fixture variant."""

# pydantic reads the annotations when the classes are made.
# ruff: noqa: TC001

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator

from pytest_mlff.errors import MlffError
from pytest_mlff.potentials.card import interpreter
from pytest_mlff.potentials.source import RECIPE_FOLDER
from pytest_mlff.specs.expression import Expression, unknown_name
from pytest_mlff.specs.load import load_checked
from pytest_mlff.specs.model import Problem, SpecModel
from pytest_mlff.specs.operations import Scalar
from pytest_mlff.specs.template import fill, template_names
from pytest_mlff.specs.wording import shown
from pytest_mlff.specs.yaml_source import read_yaml
from pytest_mlff.store import digest_of
from pytest_mlff.training.code import code_of, modules_named
from pytest_mlff.training.stages import Stage, ends_of, stage_problems, unknown_stage


def _seed(value: Any) -> int | Expression:
    if isinstance(value, str):
        return Expression(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"must be a whole number, or an axis of the spec, is {value!r}")
    if value < 0:
        raise ValueError(f"must be at least 0, is {value}")
    return value


_Seed = Annotated[int | Expression, PlainValidator(_seed)]


class TrainingResources(SpecModel):
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


class RecipeFile(SpecModel):
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
    seed: _Seed = Field(
        default=0, description="Seed of weights and data order, or the axis of the spec that is it."
    )
    checkpoint: str | None = Field(
        default=None,
        min_length=1,
        description="File that the trainer leaves behind, relative to its output folder; for "
        "nequip best.ckpt, or last.ckpt where there is none.",
    )
    resources: TrainingResources = Field(
        default=TrainingResources(), description="What one training needs."
    )
    base: str | None = Field(
        default=None,
        min_length=1,
        description="Recipe beside this one, or a shipped one, whose configuration holds where "
        "`config` says nothing else.",
    )
    config: dict[str, Any] | str = Field(
        default={}, description="The trainer's own configuration, or the YAML file that holds it."
    )
    stages: dict[str, Stage] = Field(
        default={}, description="Trainings that follow from each other; without them there is one."
    )
    tested: str | None = Field(
        default=None,
        min_length=1,
        description="Stage whose model is tested, also as a template of axes such as {method}; by "
        "default the one that no other needs.",
    )

    def _problems(self) -> Iterator[Problem]:
        yield from stage_problems(self.stages, self.tested)


@dataclass(frozen=True)
class Recipe:
    """A recipe that has been read; its config comes from a file where it names one.

    ``python`` is an interpreter; None for that of the judge.
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
        if self.content.stages:
            stages = {name: one.model_dump() for name, one in self.content.stages.items()}
            key["stages"] = json.dumps(stages, default=lambda one: one.text, sort_keys=True)
        return digest_of({**key, "code": self.code} if self.code else key)

    def at(self, names: Mapping[str, Scalar]) -> Recipe:
        """The recipe with its seed worked out.

        Parameters
        ----------
        names : mapping of str to scalar
            Axes of a variant.

        Raises
        ------
        MlffError
            If the seed names no axis, or is no whole number of at least 0.
        """
        seed = self.content.seed
        if isinstance(seed, int):
            return self
        try:
            value = seed.number(names)
        except MlffError as error:
            raise MlffError(f"{shown(self.path)}: seed: {error}") from error
        if value < 0 or value != int(value):
            raise MlffError(f"{shown(self.path)}: seed: {seed.text!r} is {value:g}, no seed")
        return replace(self, content=self.content.model_copy(update={"seed": int(value)}))

    def tested(self, names: Mapping[str, Scalar]) -> str:
        """Stage whose model is tested at a variant.

        Raises
        ------
        MlffError
            If there is none of the name.
        """
        content = self.content
        if content.tested is None:
            return ends_of(content.stages)[0]
        at = f"{shown(self.path)}: tested"
        for name in template_names(content.tested):
            if name not in names:
                raise MlffError(f"{at}: {content.tested!r}: {unknown_name(name, dict(names))}")
        found = fill(content.tested, names)
        if found not in content.stages:
            raise MlffError(f"{at}: {unknown_stage(found, content.stages)}")
        return found

    def of_stage(self, name: str) -> Recipe:
        """What one stage is trained by, as a recipe without stages."""
        stage, content = self.content.stages[name], self.content
        changed: dict[str, Any] = {
            "stages": {},
            "tested": None,
            "trainer": stage.trainer or content.trainer,
            "budget": stage.budget or content.budget,
        }
        config = merged(self.config, stage.config)
        return replace(self, content=content.model_copy(update=changed), config=config)

    @cached_property
    def code(self) -> dict[str, str]:
        """Digests of the user's own source files that trainer and configuration name."""
        module = self.content.trainer.rpartition(":")[0]
        folder = self.path.parent
        file = folder / Path(module).expanduser()
        own = [file if module.endswith(".py") else module] if module else []
        return code_of((*own, *modules_named(self.config)), folder)


def merged(config: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with some keys replaced, mapping by mapping."""
    found = dict(config)
    for key, value in changes.items():
        inner = found.get(key)
        both = isinstance(value, dict) and isinstance(inner, dict)
        found[key] = merged(inner, value) if both else value  # type: ignore[arg-type]
    return found


def load_recipe(path: Path, *, above: tuple[Path, ...] = ()) -> Recipe:
    """Read and check a recipe.

    Parameters
    ----------
    path : Path
        The YAML file.
    above : tuple of Path
        Recipes that it is the base of.

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
        if not beneath.is_file():
            raise source.wrong(("config",), f"no such file: {beneath}")
        config = read_yaml(beneath).value
        if not isinstance(config, dict):
            raise MlffError(f"{shown(beneath)}:1: must be a mapping of the trainer's own keys")
    if content.base is not None:
        beside = path.parent / Path(content.base).expanduser()
        found = beside if beside.is_file() else RECIPE_FOLDER / content.base
        if not found.is_file():
            raise source.wrong(("base",), f"no such file: {beside}")
        if found.resolve() in (path.resolve(), *above):
            raise source.wrong(("base",), f"{content.base} is based on this recipe")
        config = merged(load_recipe(found, above=(*above, path.resolve())).config, config)
    try:
        digest_of({"config": config})
    except (TypeError, ValueError) as error:
        what = f"{error}; it may hold text, numbers, lists and mappings"
        raise source.wrong(("config",), what) from error
    python = None
    if content.python is not None:
        try:
            python = interpreter(content.python, path.parent)
        except MlffError as error:
            raise source.wrong(("python",), str(error)) from None
    return Recipe(path.stem, path, content, config, python)
