"""What installed packages add: objects behind their entry points."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Iterator
from typing import Any

from pytest_mlff.errors import MlffError


def named_object(place: str) -> Any:
    """The object at ``"module:name"``."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def entry_points(group: str) -> Iterator[tuple[str, Any]]:
    """Objects that installed packages name in a group, each with where it comes from.

    Raises
    ------
    MlffError
        If one cannot be imported, with its package and what went wrong.
    """
    for point in sorted(importlib.metadata.entry_points(group=group), key=lambda one: one.name):
        package = "an installed package" if point.dist is None else point.dist.name
        place = f"{package} (entry point {group}: {point.name})"
        try:
            yield place, point.load()
        except Exception as error:
            why = " ".join(str(error).split())[:200]
            raise MlffError(f"{place} cannot be loaded: {type(error).__name__}: {why}") from error
