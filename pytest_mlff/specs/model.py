"""What every part of a spec is: strict about types and unknown keys, and checked as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

Problem = tuple[tuple[str | int, ...], str]
"""Location within the model that is checked, and message."""

CROSS_CHECK: Final = "cross_check"
"""Type of pydantic errors raised here; their context has the location within the model."""


def as_tuple(value: Any) -> Any:
    """A list as a tuple; anything else as it is, for pydantic to judge."""
    return tuple(value) if isinstance(value, list) else value


class SpecModel(BaseModel):
    """A part of a spec."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def _problems(self) -> Iterator[Problem]:
        """What several keys make wrong together."""
        yield from ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Raise the first problem, if any, as an error that pydantic collects."""
        problems = list(self._problems())
        if problems:
            location, message = problems[0]
            raise PydanticCustomError(
                CROSS_CHECK,
                "{message}",
                {"message": message, "at": location, "more": len(problems) - 1},
            )
        return self
