"""A small valid spec and a way to write changed copies of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from pathlib import Path

VALID = """\
schema_version: 1
title: A title
source:
  paper: A paper
  section: Section 1
datasets:
  embedded:
  rmd17:
    axes: {samples: [400, 800]}
axes:
  molecule: [ethanol, aspirin]
  samples: [200, 100]
where: samples > 0
variant: "{molecule}-n{samples}"
frames:
  train: {molecules: "{molecule}", end: 80, pick: random, count: samples}
  test: {molecules: "{molecule}", start: 90}
cases:
  - metric: force_mae
    species: [all, each]
    thresholds:
      - max: 45
        unit: meV/Å
        provenance: {source: paper, reference: Table 1}
"""


class Writer(Protocol):
    """Writes the valid spec with texts replaced; each must occur exactly once."""

    def __call__(self, *changes: tuple[str, str], name: str = "spec.yaml") -> Path: ...


@pytest.fixture
def write_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Writer:
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def write(*changes: tuple[str, str], name: str = "spec.yaml") -> Path:
        text = VALID
        for old, new in changes:
            assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
            text = text.replace(old, new)
        path = folder / name
        path.write_text(text, encoding="utf-8")
        return path

    return write
