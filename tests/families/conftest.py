"""The scripts of ``examples/families``, loaded as modules."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = Path(__file__).parents[2] / "examples" / "families"


@pytest.fixture
def example() -> Callable[[str], Any]:
    """Loads a script by its name."""

    def load(name: str) -> Any:
        found = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        assert found is not None
        assert found.loader is not None
        made = importlib.util.module_from_spec(found)
        found.loader.exec_module(made)
        return made

    return load
