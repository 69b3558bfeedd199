"""Templates: text with ``{axis}`` in it, for variant ids and names of molecules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from pytest_mlff.specs.operations import Scalar

SAFE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,119}")
"""What a variant id may look like: it becomes part of case ids and of file names."""

_FIELD = re.compile(r"\{(\w+)\}")


@lru_cache(maxsize=1024)
def _pieces(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split into literal texts and the names between them."""
    parts = _FIELD.split(text)
    literals, names = tuple(parts[::2]), tuple(parts[1::2])
    if any("{" in literal or "}" in literal for literal in literals):
        raise MlffError(f"{text!r}: braces hold the name of an axis and nothing else, as in {{n}}")
    return literals, names


def template_names(text: str) -> tuple[str, ...]:
    """Names in braces, in order; raises :class:`MlffError` if braces do not hold a name."""
    return _pieces(text)[1]


def fill(text: str, values: Mapping[str, Scalar]) -> str:
    """Put values in the places of their names; whole floats lose their ``.0``."""
    literals, names = _pieces(text)
    if not names:
        return text
    filled = literals[0]
    for name, literal in zip(names, literals[1:], strict=True):
        filled += _written(values[name]) + literal
    return filled


def _written(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return str(value)
