"""Exported frames read back bit for bit, by this package and by ASE."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import ase.io
import numpy as np
import pytest

from pytest_mlff.datasets.dataset import Dataset
from pytest_mlff.datasets.export import export_frame_sets
from pytest_mlff.datasets.frames import Frames
from pytest_mlff.datasets.readers.npz import read_npz
from pytest_mlff.datasets.readers.structures import read_structures
from pytest_mlff.datasets.splits import FrameSets, cut
from pytest_mlff.errors import MlffError
from pytest_mlff.specs import ResolvedSelection, ResolvedSelections

if TYPE_CHECKING:
    from pathlib import Path


class _Source:
    """Random molecules, one of them periodic."""

    name = "random"
    molecules = ("water", "methane", "mixed")

    def load(self, molecule: str) -> Dataset:
        rng = np.random.default_rng(5)
        numbers = {"water": [8, 1, 1], "methane": [6, 1, 1, 1, 1], "mixed": [6, 8]}[molecule]
        n_frames, n_atoms = 20, len(numbers)
        tiled = np.tile(numbers, n_frames)
        if molecule == "mixed":
            tiled[:2] = 7
        periodic = molecule == "water"
        frames = Frames(
            numbers=tiled.astype(np.int64),
            positions=rng.normal(size=(n_frames * n_atoms, 3)) / 3,
            counts=np.full(n_frames, n_atoms),
            cell=rng.normal(size=(n_frames, 3, 3)) if periodic else np.zeros((n_frames, 3, 3)),
            pbc=np.full((n_frames, 3), periodic) & np.array([True, True, False]),
            energy=rng.normal(size=n_frames) * 1e4,
            forces=rng.normal(size=(n_frames * n_atoms, 3)),
            time_index=np.arange(n_frames) * 3,
        )
        return Dataset("random", molecule, frames, "noise", 0.5, "none", "rng", frames.digest)


def _sets(*molecules: str) -> FrameSets:
    def part(start: float, end: float) -> ResolvedSelection:
        return ResolvedSelection(molecules, start, end, "all", None)

    variant: Any = SimpleNamespace(
        id="v",
        spec=SimpleNamespace(seed=0),
        selections=ResolvedSelections(part(0, 50), None, part(90, 100)),
    )
    return cut(variant, _Source())  # type: ignore[arg-type]


def _equal(found: Frames, wanted: Frames) -> None:
    for name in ("numbers", "positions", "counts", "cell", "pbc", "energy", "forces"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name), err_msg=name)


def test_extxyz_keeps_every_bit(tmp_path: Path) -> None:
    sets = _sets("water", "methane")
    written = export_frame_sets(sets, tmp_path / "out", "extxyz", {"variant": "v"})
    assert [path.name for path in written] == ["train.extxyz", "test.extxyz", "split.json"]
    assert sets.train_frames is not None
    _equal(read_structures(tmp_path / "out" / "train.extxyz").frames, sets.train_frames)
    _equal(read_structures(tmp_path / "out" / "test.extxyz").frames, sets.test_frames)
    last = ase.io.read(tmp_path / "out" / "train.extxyz", -1)
    assert last.info["molecule"] == "methane"
    assert last.info["time_index"] == 27


def test_npz_keeps_every_bit(tmp_path: Path) -> None:
    sets = _sets("water")
    export_frame_sets(sets, tmp_path, "npz", {})
    content = read_npz(tmp_path / "test.npz")
    _equal(content.frames, sets.test_frames)
    assert np.asarray(content.frames.time_index).tolist() == [54, 57]
    assert content.level_of_theory == "noise"


def test_npz_of_several_molecules(tmp_path: Path) -> None:
    written = export_frame_sets(_sets("water", "methane"), tmp_path, "npz", {})
    assert [path.name for path in written] == [
        "train-water.npz", "train-methane.npz", "test-water.npz", "test-methane.npz", "split.json",
    ]  # fmt: skip


def test_split_file_says_which_frames(tmp_path: Path) -> None:
    sets = _sets("water")
    export_frame_sets(sets, tmp_path, "npz", {"variant": "v", "seed": 0})
    split = json.loads((tmp_path / "split.json").read_text())
    assert split["variant"] == "v"
    assert split["sets"]["test"]["digest"] == sets.test.digest
    assert split["sets"]["test"]["molecules"]["water"]["indices"] == [18, 19]
    assert split["sets"]["train"]["frames"] == 10
    assert "validation" not in split["sets"]


def test_npz_cannot_mix_compositions(tmp_path: Path) -> None:
    with pytest.raises(MlffError, match=r"frames differ in composition.*--format extxyz"):
        export_frame_sets(_sets("mixed"), tmp_path, "npz", {})
    export_frame_sets(_sets("mixed"), tmp_path, "extxyz", {})


def test_bad_format_and_folder(tmp_path: Path) -> None:
    with pytest.raises(MlffError, match="unknown format 'csv'; choose one of extxyz, npz"):
        export_frame_sets(_sets("water"), tmp_path, "csv", {})
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MlffError, match="cannot be written"):
        export_frame_sets(_sets("water"), tmp_path / "file", "npz", {})
