"""Model cards: YAML that names a model with its interpreter, limits and what is known of it."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from pytest_mlff.errors import MlffError, did_you_mean
from pytest_mlff.metrics.registry import metrics
from pytest_mlff.specs.load import load_checked
from pytest_mlff.specs.wording import shown

_UNITS: Final = {"MB": 10**6, "GB": 10**9, "MiB": 2**20, "GiB": 2**30}
_MEMORY: Final = re.compile(rf"(\d+(?:\.\d+)?) ?({'|'.join(_UNITS)})")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _as_text(value: Any) -> Any:
    """A number as it is written: YAML knows ``OMP_NUM_THREADS: 2`` as one."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number else value


class Capabilities(_Model):
    """What a model can be asked; what it cannot is `unsupported` and not tried."""

    periodic: bool = Field(default=True, description="Takes periodic cells.")
    stress: bool = Field(default=True, description="Gives the stress of periodic cells.")
    threads: bool = Field(default=True, description="Threads can share it.")


class KnownViolation(_Model):
    """A law that the model is known to break."""

    law: str = Field(min_length=1, description="Id of the law.")
    reason: str = Field(min_length=1, description="Why it breaks it, for whoever reads the report.")


class CardFile(_Model):
    """The content of one model card."""

    schema_version: Literal[1] = Field(default=1, description="Version of this format.")
    model: str = Field(
        min_length=1,
        description="A checkpoint, FAMILY:PATH, dir/{variant}.ckpt, module:callable or "
        "file.py:callable; paths start from the card's folder.",
    )
    name: str | None = Field(
        default=None, min_length=1, description="Name in reports; the card's file name without it."
    )
    python: str | None = Field(
        default=None,
        min_length=1,
        description="Interpreter, or folder of a virtual environment, that the model runs in.",
    )
    device: Literal["cpu", "cuda"] | None = Field(
        default=None, description="Where it computes, unless --mlff-device says otherwise."
    )
    dtype: Literal["float32", "float64"] | None = Field(
        default=None, description="What it computes in, unless --mlff-dtype says otherwise."
    )
    env: dict[str, Annotated[str, BeforeValidator(_as_text)]] = Field(
        default={}, description="Variables of the model's process."
    )
    timeout: float | None = Field(
        default=None,
        ge=0,
        allow_inf_nan=False,
        description="Seconds a call, instead of --mlff-timeout; 0 for no limit.",
    )
    memory: str | None = Field(
        default=None, description="Most private memory of the process, such as 8 GB."
    )
    capabilities: Capabilities = Field(
        default=Capabilities(), description="What the model can be asked."
    )
    known_violations: tuple[KnownViolation, ...] = Field(
        default=(), description="Laws that it is known to break: shown, not red."
    )
    level: str | None = Field(
        default=None, min_length=1, description="Level of theory of the labels it was trained on."
    )


@dataclass(frozen=True)
class ModelCard:
    """A model card that has been read.

    ``python`` is an interpreter, None for the judge's own; ``memory`` the bytes of private memory
    that the model may take.
    """

    path: Path
    content: CardFile
    python: str | None
    memory: int | None

    @property
    def name(self) -> str:
        """Name of the model in reports."""
        return self.content.name or self.path.stem

    @property
    def runs_apart(self) -> bool:
        """Whether it asks for what only a process of its own can have."""
        return bool(self.python or self.content.env or self.memory)

    def known_violation(self, law: str) -> str | None:
        """Why the model is known to break a law; None if it is not."""
        found = (one.reason for one in self.content.known_violations if one.law == law)
        return next(found, None)


def load_card(path: Path) -> ModelCard:
    """Read and check a model card.

    Raises
    ------
    MlffError
        With one line ``file:line: key: what is wrong``.
    """
    path = path.absolute()
    content, source = load_checked(path, CardFile)

    def wrong(key: str, what: str, *further: str | int) -> MlffError:
        return MlffError(f"{shown(path)}:{source.line((key, *further))}: {key}: {what}")

    if content.model.lower().endswith((".yaml", ".yml")):
        raise wrong(
            "model", f"{content.model!r} must be a checkpoint or a factory, not another YAML file"
        )
    python = None
    if content.python is not None:
        try:
            python = interpreter(content.python, path.parent)
        except MlffError as error:
            raise wrong("python", str(error)) from None
    memory = None
    if content.memory is not None:
        found = _MEMORY.fullmatch(content.memory)
        if found is None:
            units = ", ".join(_UNITS)
            raise wrong(
                "memory", f"must be a number and a unit ({units}) as 8 GB, is {content.memory!r}"
            )
        memory = int(float(found[1]) * _UNITS[found[2]])
    for name in content.env:
        if not name or "=" in name or "\0" in name + content.env[name]:
            raise wrong("env", f"{name!r} cannot be the name of a variable", name)
    laws = metrics("law")
    known: set[str] = set()
    for index, one in enumerate(content.known_violations):
        if one.law not in laws:
            what = f"{one.law!r} is no law{did_you_mean(one.law, laws)} (mlff laws list)"
            raise wrong("known_violations", what, index, "law")
        if one.law in known:
            raise wrong("known_violations", f"{one.law!r} stands there twice", index, "law")
        known.add(one.law)
    return ModelCard(path, content, python, memory)


def interpreter(text: str, folder: Path) -> str:
    """Path of the interpreter that a card or recipe names.

    Parameters
    ----------
    text : str
        An interpreter, the folder of a virtual environment, or a name to be found on ``PATH``.
    folder : Path
        Where relative paths start.

    Raises
    ------
    MlffError
        If there is none.
    """
    # The link of a virtual environment is what tells Python where it is: it is not resolved.
    path = folder / Path(text).expanduser()
    if path.is_dir():
        places = (path / "bin" / "python", path / "Scripts" / "python.exe")
        found = next((one for one in places if one.is_file()), None)
        if found is None:
            raise MlffError(f"{path} is no virtual environment: there is no bin/python in it")
        return os.path.normpath(found)
    if path.is_file():
        if not os.access(path, os.X_OK):
            raise MlffError(f"{path} cannot be executed")
        return os.path.normpath(path)
    on_path = shutil.which(text) if Path(text).name == text else None
    if on_path is None:
        raise MlffError(f"no such interpreter or virtual environment: {path}")
    return on_path
