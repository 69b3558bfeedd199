"""Frames by name: files, variants, molecules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ase.io
import numpy as np
import pytest

from pytest_mlff.datasets.export import extxyz_text
from pytest_mlff.errors import MlffError
from pytest_mlff.similarity.frame_source import frames_named

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlff.datasets import Frames

SPEC = """\
schema_version: 1
title: a spec
source: {paper: none, section: none}
datasets: {embedded: {}}
axes: {samples: [3, 5000]}
variant: "ethanol-n{samples}"
frames:
  train: {molecules: ethanol, end: 85, pick: first, count: samples}
  test: {molecules: ethanol, start: 99}
cases:
  - metric: force_mae
    thresholds:
      - {max: 50, unit: meV/Å, provenance: {source: paper, reference: none}}
"""


@pytest.fixture
def folder(tmp_path: Path, ethanol: Frames) -> Path:
    frames = ethanol.select(slice(0, 4))
    (tmp_path / "labelled.extxyz").write_text(extxyz_text(frames), encoding="utf-8")
    ase.io.write(tmp_path / "bare.xyz.gz", list(frames))
    (tmp_path / "words.xyz").write_text("no structures here\n")
    (tmp_path / "mine.yaml").write_text(SPEC, encoding="utf-8")
    return tmp_path


def test_a_molecule(folder: Path, ethanol: Frames) -> None:
    found = frames_named("embedded:ethanol", cwd=folder)
    assert found.structure_digest == ethanol.structure_digest
    assert found.energy is None


def test_a_variant(folder: Path, ethanol: Frames) -> None:
    train = frames_named("mine.yaml:ethanol-n3:train", cwd=folder)
    assert train.structure_digest == ethanol.select([0, 1, 2]).structure_digest
    test = frames_named("mine.yaml:ethanol-n3:test", cwd=folder)
    assert test.structure_digest == ethanol.select(slice(1980, 2000)).structure_digest


@pytest.mark.parametrize("name", ["labelled.extxyz", "bare.xyz.gz"])
def test_a_file_with_or_without_labels(folder: Path, ethanol: Frames, name: str) -> None:
    found = frames_named(name, cwd=folder)
    np.testing.assert_allclose(found.positions, ethanol.select(slice(0, 4)).positions, atol=1e-7)


@pytest.mark.parametrize(
    "text, part",
    [
        ("none.xyz", "none.xyz: no such file"),
        (".", "is a folder"),
        ("words.xyz", "words.xyz: cannot be read as a structure file"),
        ("nothing:ethanol", "'nothing' is no dataset (3bpa, acac, "),
        ("embedded:water", "has no molecule 'water'"),
        ("mine.yaml:ethanol-n3:tests", "'tests' names no set of frames; choose one of train"),
        ("mine.yaml:ethanol-n4:train", "no variant 'ethanol-n4'; did you mean 'ethanol-n3'?"),
        ("mine.yaml:ethanol-n3:validation", "variant ethanol-n3 has no validation frames"),
        ("mine.yaml:ethanol-n5000:train", "asks for 5000 frames, its window holds 1700"),
        ("yours.yaml:ethanol-n3:train", "no spec file yours.yaml"),
    ],
)
def test_what_names_nothing_is_one_line(folder: Path, text: str, part: str) -> None:
    with pytest.raises(MlffError) as caught:
        frames_named(text, cwd=folder)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)
