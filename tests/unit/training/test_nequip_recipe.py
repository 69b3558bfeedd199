"""What is filled into NequIP's configuration, and how its logs are read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.potentials.source import RECIPE_FOLDER
from pytest_mlff.training.fixture import TrainingFixture
from pytest_mlff.training.recipe import load_recipe
from pytest_mlff.training.trainers.nequip import fill, read_loss_curve


def _fixture(**changes: object) -> TrainingFixture:
    frames = Frames.of_one_molecule(
        np.array([8, 1, 6]), np.zeros((2, 3, 3)), energy=np.zeros(2), forces=np.zeros((2, 3, 3))
    )
    settings: dict[str, object] = {
        "variant": "s/s/v",
        "train": frames,
        "validation": frames,
        "train_file": Path("/x/train.extxyz"),
        "validation_file": Path("/x/validation.extxyz"),
        "species": frames.species,
        "seed": 7,
        "budget_seconds": 90061,
        "threads": 1,
        "reference_energies": {},
    }
    return TrainingFixture(**{**settings, **changes})  # type: ignore[arg-type]


def _leaves(node: object, at: tuple[object, ...] = ()) -> dict[tuple[object, ...], object]:
    if isinstance(node, dict):
        return {k: v for key, below in node.items() for k, v in _leaves(below, (*at, key)).items()}
    return {at: node}


def test_frames_type_names_seed_and_budget_are_filled_and_nothing_else() -> None:
    config = load_recipe(RECIPE_FOLDER / "nequip_small.yaml").config
    before = json.dumps(config)
    filled = fill(config, _fixture())
    assert json.dumps(config) == before
    old, new = _leaves(json.loads(before)), _leaves(filled)
    assert {at for at in old.keys() | new.keys() if old.get(at) != new.get(at)} == {
        ("model_type_names",),
        ("data", "seed"),
        ("data", "train_file_path"),
        ("data", "val_file_path"),
        ("trainer", "max_time"),
        ("training_module", "model", "seed"),
    }
    assert new["model_type_names",] == ["C", "H", "O"]
    assert new["data", "train_file_path"] == "/x/train.extxyz"
    assert new["training_module", "model", "seed"] == new["data", "seed"] == 7
    assert new["trainer", "max_time"] == "01:01:01:01"
    assert "???" not in json.dumps(filled)


def test_type_names_written_out_by_hand_are_left() -> None:
    config = {
        "data": {"transforms": [{"model_type_names": "???"}, {"type_names": ["Xx"]}]},
        "trainer": {},
        "training_module": {"model": {}},
    }
    filled = fill(config, _fixture(validation_file=None))
    assert filled["data"]["transforms"] == [
        {"model_type_names": ["C", "H", "O"]},
        {"type_names": ["Xx"]},
    ]


def test_without_validation_frames_nothing_is_watched() -> None:
    config = {"data": {}, "trainer": {}, "training_module": {"model": {}}}
    filled = fill(config, _fixture(validation_file=None))
    # NequIP wants a file; none of it is looked at.
    assert filled["data"]["val_file_path"] == "/x/train.extxyz"
    assert filled["trainer"]["limit_val_batches"] == 0
    split = {**config, "data": {"split_dataset": {"file_path": "a.extxyz", "val": 0.1}}}
    filled = fill(split, _fixture(validation_file=None))
    assert "val_file_path" not in filled["data"]
    assert "limit_val_batches" not in filled["trainer"]


def _log(path: Path, rows: list[tuple[int, str, str]]) -> Path:
    head = "epoch,step,train_loss_step/weighted_sum,val0_epoch/weighted_sum\n"
    path.write_text(head + "".join(f"0,{step},{loss},{val}\n" for step, loss, val in rows))
    return path


def test_a_resumed_training_gives_one_curve(tmp_path: Path) -> None:
    first = _log(tmp_path / "a.csv", [(0, "4.0", ""), (10, "3.0", ""), (10, "", "9.0"),
                                      (20, "2.5", "")])  # fmt: skip
    # Goes on from step 10, so step 20 of the first attempt was lost and is done again.
    second = _log(tmp_path / "b.csv", [(11, "2.9", ""), (21, "2.0", ""), (21, "", "nan")])
    assert read_loss_curve([first, second]) == (
        (0, 4.0, None),
        (10, 3.0, 9.0),
        (11, 2.9, None),
        (21, 2.0, None),
    )


def test_a_long_curve_is_thinned_out_but_keeps_validation_and_end(tmp_path: Path) -> None:
    rows = [(step, str(1.0 / (step + 1)), "5.0" if step == 333 else "") for step in range(1001)]
    curve = read_loss_curve([_log(tmp_path / "a.csv", rows)], points=50)
    assert len(curve) <= 53
    assert (333, 1.0 / 334, 5.0) in curve
    assert curve[-1] == (1000, 1.0 / 1001, None)
    assert [step for step, *_ in curve] == sorted(step for step, *_ in curve)


@pytest.mark.parametrize("text", ["", "epoch,step\n", "epoch,step,other\n0,1,2\n"])
def test_a_log_without_losses_gives_no_curve(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    assert read_loss_curve([path]) == ()
