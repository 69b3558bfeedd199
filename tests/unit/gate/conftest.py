"""A written baseline for tests of the gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.baselines import CASES, record, written

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "baselines" / "demo.json"
    written(path, *(record(name) for name in CASES))
    return path
