from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_mlff.errors import MlffError
from pytest_mlff.potentials.source import (
    Card,
    Checkpoint,
    CheckpointSet,
    Demo,
    Factory,
    ModelSource,
    RecipeFile,
    parse_source,
)

if TYPE_CHECKING:
    from pathlib import Path

FAMILIES = ("nequip", "other")


def parse(text: str, cwd: Path) -> ModelSource:
    return parse_source(text, cwd=cwd, families=FAMILIES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("ckpt.pth", "a:b.ckpt", "make.py", "neither.yaml"):
        (tmp_path / name).write_text("x")
    (tmp_path / "train.yaml").write_text("trainer: nequip\n")
    (tmp_path / "card.yml").write_text("model: demo\n")
    (tmp_path / "misspelt.yaml").write_text("modle: demo\n")
    (tmp_path / "models").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    "text, kind",
    [
        ("demo", Demo),
        ("ckpt.pth", Checkpoint),
        ("nequip:ckpt.pth", Checkpoint),
        ("a:b.ckpt", Checkpoint),
        ("models/{variant}.ckpt", CheckpointSet),
        ("nequip:models/{variant}.ckpt", CheckpointSet),
        ("train.yaml", RecipeFile),
        ("nequip_small.yaml", RecipeFile),
        ("card.yml", Card),
        ("make.py:build", Factory),
        ("package.module:build", Factory),
        ("package.module:Class.make", Factory),
    ],
)
def test_forms(folder: Path, text: str, kind: type) -> None:
    source = parse(text, folder)
    assert type(source) is kind
    assert source.text == text


def test_parts_of_a_source(folder: Path) -> None:
    assert parse("ckpt.pth", folder) == Checkpoint("ckpt.pth", folder / "ckpt.pth", None)
    forced = parse("other:ckpt.pth", folder)
    assert forced == Checkpoint("other:ckpt.pth", folder / "ckpt.pth", "other")
    assert parse("make.py:build", folder) == Factory("make.py:build", folder / "make.py", "build")
    assert parse("pkg.mod:f", folder) == Factory("pkg.mod:f", "pkg.mod", "f")


def test_absolute_paths(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = folder / "ckpt.pth"
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    source = parse(str(path), elsewhere)
    assert isinstance(source, Checkpoint)
    assert source.path == path


def test_a_set_gives_one_path_per_variant(folder: Path) -> None:
    source = parse("nequip:models/{variant}/{variant}.ckpt", folder)
    assert isinstance(source, CheckpointSet)
    assert source.path_for("aspirin-n200") == folder / "models/aspirin-n200/aspirin-n200.ckpt"
    assert source.checkpoint_for("b").family == "nequip"


@pytest.mark.parametrize(
    "text, part",
    [
        ("", "is empty"),
        ("none.ckpt", "no such checkpoint"),
        ("models", "is a directory"),
        ("nequip:none.ckpt", "no such checkpoint"),
        ("nequip:", "no path after nequip:"),
        ("unknown:ckpt.pth", "unknown adapter 'unknown'; choices: nequip, other"),
        ("unknown:models/ckpt.pth", "unknown adapter 'unknown'; choices: nequip, other"),
        ("none.yaml", "no such recipe or model card"),
        ("neither.yaml", "neither.yaml:1: is no model card (key `model`), no recipe (key `train"),
        ("misspelt.yaml", "; did you mean 'model'?"),
        ("none.py:build", "no such file"),
        ("make.py:not a name", "is not the name of a callable"),
        ("models/{molecule}.ckpt", "unknown placeholder {molecule}"),
    ],
)
def test_bad_sources_are_one_line(folder: Path, text: str, part: str) -> None:
    with pytest.raises(MlffError) as caught:
        parse(text, folder)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)
