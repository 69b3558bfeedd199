"""Problems that several keys of a spec make together, and how pydantic is told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["CROSS_CHECK", "Problem", "raise_problems"]

Problem = tuple[tuple[str | int, ...], str]
"""Location within the model that is checked, and message."""

CROSS_CHECK: Final = "cross_check"
"""Type of pydantic errors raised here; their context has the location within the model."""


def raise_problems(problems: Iterable[Problem]) -> None:
    """Raise the first problem, if any, as an error that pydantic collects."""
    found = list(problems)
    if found:
        location, message = found[0]
        raise PydanticCustomError(
            CROSS_CHECK, "{message}", {"message": message, "at": location, "more": len(found) - 1}
        )
