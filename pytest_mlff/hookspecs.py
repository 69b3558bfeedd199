"""Hooks that a model repository or another plugin may implement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlff.potentials.adapters import Adapter

__all__ = ["pytest_mlff_adapters"]


@pytest.hookspec
def pytest_mlff_adapters(config: pytest.Config) -> Sequence[Adapter]:  # type: ignore[empty-body]
    """Return adapters for model families that this package does not know.

    They are asked before the builtin ones. See
    :class:`pytest_mlff.potentials.adapters.Adapter`.
    """
