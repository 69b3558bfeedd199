"""What ``--mlff-model`` names: parsing of source strings, nothing loaded yet.

==========================  =====================================================
``demo``                    the shipped model
``ckpt.pth``                a checkpoint; its format is told by content
``FAMILY:PATH``             a checkpoint, opened by that family's adapter
``dir/{variant}.ckpt``      one checkpoint per fixture variant
``recipe.yaml``             train, then test; a shipped one needs no path
``card.yaml``               a model with its own interpreter and limits (key ``model``)
``routed.yaml``             several models, each frame to the most similar (key ``routed``)
``module:callable``         a factory, importable from the working directory
``file.py:callable``        a factory in a file
==========================  =====================================================
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pytest_mlff.errors import MlffError, did_you_mean

RECIPE_FOLDER: Final = Path(__file__).resolve().parents[1] / "recipes"
"""Recipes that come with the package; each can be named without a path."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_VARIANT = "variant"


@dataclass(frozen=True)
class Demo:
    """The model that ships with the package."""

    text: str


@dataclass(frozen=True)
class Checkpoint:
    """One file; ``family`` is set where the source forces an adapter."""

    text: str
    path: Path
    family: str | None = None


@dataclass(frozen=True)
class CheckpointSet:
    """One file per fixture variant; ``template`` contains ``{variant}``."""

    text: str
    template: str
    cwd: Path
    family: str | None = None

    def path_for(self, variant_id: str) -> Path:
        """Where the checkpoint of a variant lies; it need not exist."""
        return self.cwd / self.template.replace(f"{{{_VARIANT}}}", variant_id)

    def checkpoint_for(self, variant_id: str) -> Checkpoint:
        """The checkpoint of a variant as a source of its own."""
        path = self.path_for(variant_id)
        text = str(path) if self.family is None else f"{self.family}:{path}"
        return Checkpoint(text, path, self.family)


@dataclass(frozen=True)
class RecipeFile:
    """A file that says how to train models."""

    text: str
    path: Path


@dataclass(frozen=True)
class Routed:
    """A file that lists models and the frames they were trained on."""

    text: str
    path: Path


@dataclass(frozen=True)
class Card:
    """A file that names a model and says how to run it."""

    text: str
    path: Path


@dataclass(frozen=True)
class Factory:
    """A callable that returns a model; ``module`` is a dotted name or a file."""

    text: str
    module: str | Path
    attribute: str


ModelSource = Demo | Checkpoint | CheckpointSet | RecipeFile | Card | Routed | Factory

_YAML: Final = (".yaml", ".yml")
_KINDS: Final[dict[str, type[RecipeFile | Card | Routed]]] = {
    "routed": Routed,
    "model": Card,
    "trainer": RecipeFile,
}
"""What a YAML file is, by the key that it has."""


def _yaml_kind(path: Path) -> type[RecipeFile | Card | Routed]:
    """What a YAML file that stands for a model is.

    Raises
    ------
    MlffError
        If it cannot be read, or is none of those.
    """
    from pytest_mlff.specs.wording import shown
    from pytest_mlff.specs.yaml_source import read_yaml

    content = read_yaml(path).value
    keys = [str(key) for key in content] if isinstance(content, dict) else []
    for key, kind in _KINDS.items():
        if key in keys:
            return kind
    near = (did_you_mean(key, _KINDS) for key in keys)
    raise MlffError(
        f"{shown(path)}:1: is no model card (key `model`), no recipe (key `trainer`) and no "
        f"routed source (key `routed`){next((one for one in near if one), '')}"
    )


def names_recipe(text: str, cwd: Path) -> bool:
    """Whether a model source is a recipe, without asking whether it is in order."""
    if Path(text).suffix.lower() not in _YAML:
        return False
    try:
        return _yaml_kind(_yaml_path(text, cwd)) is RecipeFile
    except MlffError:  # whoever opens it says what is wrong with it
        return False


def _yaml_path(location: str, cwd: Path) -> Path:
    """The file that is meant: the user's own before one that comes with the package."""
    path = cwd / location
    shipped = RECIPE_FOLDER / location
    return shipped if not path.is_file() and shipped.is_file() else path


def _file(text: str, location: str, cwd: Path, family: str | None) -> ModelSource:
    placeholders = _PLACEHOLDER.findall(location)
    if placeholders and not (cwd / location).exists():
        unknown = sorted(set(placeholders) - {_VARIANT})
        if unknown:
            raise MlffError(
                f"model source {text!r}: unknown placeholder {{{unknown[0]}}}; "
                f"the only one is {{{_VARIANT}}}"
            )
        return CheckpointSet(text, location, cwd, family)
    path = cwd / location
    if path.suffix.lower() in _YAML and family is None:
        path = _yaml_path(location, cwd)
        if not path.is_file():
            shipped = ", ".join(sorted(one.name for one in RECIPE_FOLDER.glob("*.yaml")))
            raise MlffError(
                f"model source {text!r}: no such recipe or model card: {path} "
                f"(shipped recipes: {shipped})"
            )
        return _yaml_kind(path)(text, path)
    if not path.exists():
        raise MlffError(
            f"model source {text!r}: no such checkpoint: {path} "
            "(a source is demo, a file, FAMILY:PATH, module:callable or file.py:callable)"
        )
    if path.is_dir():
        raise MlffError(
            f"model source {text!r} is a directory: name one checkpoint in it, "
            f"or {location.rstrip('/')}/{{{_VARIANT}}}.ckpt for one per fixture variant"
        )
    return Checkpoint(text, path, family)


def parse_source(text: str, *, cwd: Path, families: Sequence[str]) -> ModelSource:
    """Tell what a source string names.

    Parameters
    ----------
    text : str
        What ``--mlff-model`` said.
    cwd : Path
        Folder that relative paths start from.
    families : sequence of str
        Names of the adapters that exist, for ``FAMILY:PATH``.

    Raises
    ------
    MlffError
        If a named file does not exist or the string has none of the known forms.
    """
    if not text.strip():
        raise MlffError("model source is empty: name demo, a checkpoint or a factory")
    if text == "demo":
        return Demo(text)
    head, colon, tail = text.partition(":")
    # A path may contain a colon (Windows drives do), so what exists is a path.
    if not colon or (cwd / text).exists() or (len(head) == 1 and tail[:1] in ("\\", "/")):
        return _file(text, text, cwd, None)
    if head in families:
        if not tail:
            raise MlffError(f"model source {text!r}: no path after {head}:")
        return _file(text, tail, cwd, head)
    # The last colon: the file's own path may hold one.
    module, _, attribute = text.rpartition(":")
    if module.endswith(".py"):
        path = cwd / module
        if not path.is_file():
            raise MlffError(f"model source {text!r}: no such file: {path}")
        if not _DOTTED.fullmatch(attribute):
            raise MlffError(f"model source {text!r}: {attribute!r} is not the name of a callable")
        return Factory(text, path, attribute)
    looks_like_path = "/" in tail or "\\" in tail or (cwd / tail).exists()
    if not looks_like_path and _DOTTED.fullmatch(head) and _DOTTED.fullmatch(tail):
        return Factory(text, head, tail)
    raise MlffError(
        f"model source {text!r}: unknown adapter {head!r}; choices: {', '.join(sorted(families))} "
        "(or module:callable, file.py:callable)"
    )
