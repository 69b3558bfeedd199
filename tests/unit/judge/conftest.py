"""Two branches of one repository."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from support.branches import FIRST, SPEC, baseline

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def branches(tmp_path: Path) -> tuple[Path, Path]:
    """A base branch and a request that changes nothing yet."""
    base, head = tmp_path / "base", tmp_path / "head"
    (base / "specs").mkdir(parents=True)
    (base / "specs" / "first.yaml").write_text(SPEC, encoding="utf-8")
    (base / "pytest.ini").write_text("[pytest]\naddopts = -q\nmlff_seed = 1\n")
    (base / "conftest.py").write_text("# nothing\n")
    (base / ".github" / "workflows").mkdir(parents=True)
    (base / ".github" / "workflows" / "mlff.yml").write_text("on: push\n")
    (base / "model.py").write_text("STRENGTH = 1\n")
    baseline(base, FIRST)
    shutil.copytree(base, head)
    return base, head
