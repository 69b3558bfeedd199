"""Oracles: their labels are derivatives, are kept in portions, and fail in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_mlff.cli.main import main
from pytest_mlff.datasets import open_dataset, oracles
from pytest_mlff.datasets.oracles import ORACLES, computed_labels, label_frames, oracle_named
from pytest_mlff.errors import MissingExtraError, MlffError
from pytest_mlff.store import Store

if TYPE_CHECKING:
    from pathlib import Path

FRAMES = open_dataset("embedded").load("ethanol").frames


@pytest.mark.parametrize("name", ORACLES)
def test_forces_are_derivatives_of_energies(name: str) -> None:
    oracle = oracle_named(name)
    frame = FRAMES.select([700])
    rng = np.random.default_rng(0)
    along = rng.normal(size=frame.positions.shape)
    step = 1e-3
    ends = [
        computed_labels(type(frame)(**{**vars_of(frame), "positions": frame.positions + s * along}),
                        oracle).energy[0]
        for s in (step, -step)
    ]  # fmt: skip
    slope = -(ends[0] - ends[1]) / (2 * step)
    forces = computed_labels(frame, oracle).forces
    assert float((forces * along).sum()) == pytest.approx(slope, rel=2e-3)


def vars_of(frame) -> dict:
    names = ("numbers", "counts", "cell", "pbc")
    return {name: getattr(frame, name) for name in names}


def test_gfn2_is_the_method_of_the_embedded_labels_and_the_damaged_one_is_not() -> None:
    frames = FRAMES.select([0, 1000])
    found = computed_labels(frames, oracle_named("gfn2-xtb"))
    assert np.abs(found.forces - frames.forces).max() < 1e-4
    damaged = computed_labels(frames, oracle_named("gfn2-damaged"))
    assert np.abs(damaged.forces - frames.forces).mean() > 0.2


def test_what_is_labelled_is_not_labelled_again(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(oracles, "_CHUNK", 2)
    frames, oracle = FRAMES.select(range(5)), oracle_named("mmff94")
    store, seen = Store(tmp_path), []
    portions = oracles._computed

    def counted(some, which, first):
        seen.append(first)
        if len(seen) == 3:
            raise MlffError("killed")
        return portions(some, which, first)

    monkeypatch.setattr(oracles, "_computed", counted)
    with pytest.raises(MlffError, match="killed"):
        label_frames(frames, oracle, store)
    told = []
    found = label_frames(frames, oracle, store, lambda done, total: told.append((done, total)))
    assert seen == [0, 2, 4, 4]
    assert told == [(2, 5), (4, 5), (5, 5)]
    whole = computed_labels(frames, oracle)
    assert np.array_equal(found.energy, whole.energy)
    assert np.array_equal(found.forces, whole.forces)


def test_names_that_are_none(tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(MlffError, match="unknown oracle 'mmf94'; did you mean 'mmff94'"):
        oracle_named("mmf94")
    with pytest.raises(MlffError, match="oracle 'no_such_module:make'"):
        oracle_named("no_such_module:make")
    monkeypatch.setattr(oracles.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"gfnff.*not installed: pip install"):
        oracle_named("gfn-ff")


def test_the_command_labels_by_any_calculator(tmp_path: Path, monkeypatch, capsys) -> None:
    (tmp_path / "mine.py").write_text(
        "from ase.calculators.lj import LennardJones\n\n\ndef make():\n"
        "    return LennardJones(sigma=1.0, epsilon=0.01, rc=3.0)\n"
    )
    monkeypatch.chdir(tmp_path)
    arguments = ["data", "relabel", "embedded:ethanol", "--oracle", "mine:make", "--frames", "3"]
    assert main([*arguments, "--out", "new.extxyz"]) == 0
    said = capsys.readouterr().out
    assert "3 frames by mine:make" in said
    assert "force MAE against GFN2-xTB" in said
    assert (tmp_path / "new.extxyz").read_text().count("energy=") == 3
    assert main(["data", "relabel", "embedded:ethanol", "--oracle", "dft"]) == 4
    assert capsys.readouterr().err.count("\n") == 1
