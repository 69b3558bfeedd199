"""Sets of frames of a spec, and how each is cut."""

# pydantic reads the annotations when the classes are made.
# ruff: noqa: TC001

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, Final

from pydantic import ConfigDict, Field, model_validator

from pytest_mlff.specs.fields import DatasetName, NumberOrExpression, Pick, Words
from pytest_mlff.specs.model import Problem, SpecModel

_ROLES: Final = ("train", "validation", "test")
_SLIPS: Final = {"training": "train", "val": "validation", "valid": "validation", "tests": "test"}


def _systems_too(schema: dict[str, Any]) -> None:
    schema["properties"]["systems"] = schema["properties"]["molecules"]


class Selection(SpecModel):
    """Frames of one or several systems, cut from a window of their time-ordered trajectory."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, json_schema_extra=_systems_too
    )

    dataset: DatasetName | None = Field(
        default=None,
        description="Key in `datasets` that these frames come from; that of the run otherwise.",
    )
    molecules: Words = Field(
        default=(),
        description="Names, joined letters a-g, or templates such as {molecule}; `systems` is "
        "another word for it. Your own files are called after their names. Without it all.",
    )
    start: NumberOrExpression = Field(
        default=0, description="Begin of the window in percent of the trajectory."
    )
    end: NumberOrExpression = Field(
        default=100, description="End of the window in percent of the trajectory."
    )
    pick: Pick = Field(
        default="all",
        description="all; first: the earliest; evenly: equally spaced; random: the first `count` "
        "of one seeded permutation of the window, so that counts are nested.",
    )
    count: NumberOrExpression | None = Field(
        default=None, description="Frames per molecule; goes with every pick but all."
    )

    @model_validator(mode="before")
    @classmethod
    def _systems(cls, data: Any) -> Any:
        if isinstance(data, dict) and "systems" in data and "molecules" not in data:
            return {("molecules" if key == "systems" else key): one for key, one in data.items()}
        return data

    def _problems(self) -> Iterator[Problem]:
        """A count goes with every pick but ``all``."""
        if self.pick == "all" and self.count is not None:
            yield ("count",), "does not go with pick: all; choose first, evenly or random"
        if self.pick != "all" and self.count is None:
            yield ("count",), f"is missing; pick: {self.pick} needs it"


class FramesPlan(SpecModel):
    """Named sets of frames: which are trained on, validated on, tested on, and any further."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    __pydantic_extra__: dict[str, Selection]

    train: Selection | None = Field(default=None, description="Frames a recipe trains on.")
    validation: Selection | None = Field(
        default=None, description="Frames a trainer may watch while it trains."
    )
    test: Selection = Field(description="Frames that are judged.")

    def by_role(self) -> dict[str, Selection]:
        """The selections that are there, by ``train`` / ``validation`` / ``test``."""
        found = {"train": self.train, "validation": self.validation, "test": self.test}
        named = {role: selection for role, selection in found.items() if selection is not None}
        return named | self.__pydantic_extra__

    def _problems(self) -> Iterator[Problem]:
        """A set of another name is no slip for one of the three."""
        for name in self.by_role():
            if name in _ROLES:
                continue
            near = _SLIPS.get(name) or next(iter(get_close_matches(name, _ROLES, 1, 0.75)), None)
            if near is not None:
                yield (
                    (name,),
                    f"unknown set; did you mean {near!r}? (your own sets need names less like it)",
                )
            if not name.isidentifier():
                yield (name,), f"{name!r} cannot name a set; use letters, digits and _"
