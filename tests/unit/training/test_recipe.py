"""Recipes: what they may say, and the one line for what they may not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_mlff.errors import MlffError
from pytest_mlff.potentials.source import RECIPE_FOLDER
from pytest_mlff.training.recipe import load_recipe
from pytest_mlff.training.trainers.registry import open_trainer

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """\
schema_version: 1
trainer: trainers.py:fit
budget: 5
config: {size: 3}
"""

BAD = [
    ("unknown key", ("budget: 5", "budgets: 5"),
     "recipe.yaml:3: budgets: unknown key; did you mean 'budget'? (keys: base, budget, checkpoint, "
     "config, python, resources, schema_version, seed, stages, tested, trainer) (and 1 more)"),
    ("no budget", ("budget: 5\n", ""), "recipe.yaml:1: budget: is missing"),
    ("budget of 0 s", ("budget: 5", "budget: 0"),
     "recipe.yaml:3: budget: must be at least 1, is 0"),
    ("negative budget", ("budget: 5", "budget: -3"),
     "recipe.yaml:3: budget: must be at least 1, is -3"),
    ("budget as text", ("budget: 5", "budget: 5 min"),
     "recipe.yaml:3: budget: must be a whole number, is '5 min'"),
    ("unknown resource", ("config:", "resources: {cpu: 2}\nconfig:"),
     "recipe.yaml:4: resources.cpu: unknown key; did you mean 'cpus'? (keys: cpus, extra, gpus, "
     "memory_gb, minutes, partition)"),
    ("no cores", ("config:", "resources: {cpus: 0}\nconfig:"),
     "recipe.yaml:4: resources.cpus: must be at least 1, is 0"),
    ("negative seed", ("config:", "seed: -1\nconfig:"),
     "recipe.yaml:4: seed: must be at least 0, is -1"),
    ("a base that is not there", ("config:", "base: other.yaml\nconfig:"),
     "recipe.yaml:4: base: no such file: "),
    ("a base of itself", ("config:", "base: recipe.yaml\nconfig:"),
     "recipe.yaml:4: base: recipe.yaml is based on this recipe"),
    ("config file that is not there", ("config: {size: 3}", "config: other.yaml"),
     "recipe.yaml:4: config: no such file: "),
    ("another version", ("schema_version: 1", "schema_version: 2"),
     "recipe.yaml:1: schema_version: must be 1, is 2"),
]  # fmt: skip

BAD_TRAINERS = [
    ("trainers.py:fit", "mace", "trainer: unknown trainer 'mace'; it is nequip, module:callable"),
    ("trainers.py:fit", "gone.py:fit", "trainer 'gone.py:fit': no such file: "),
    ("trainers.py:fit", "trainers.py:train", "trainers.py has no 'train'"),
    ("trainers.py:fit", "no_such_module:fit", "no module named 'no_such_module'"),
    ("trainers.py:fit", "trainers.py:NUMBER", "is not callable"),
    ("trainers.py:fit", "nequip", "config: run is missing; NequIP's configuration needs run, data"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "trainers.py").write_text(
        "NUMBER = 3\n\n\ndef fit(fixture, config, out_dir):\n    return None\n"
    )
    return tmp_path


def _written(folder: Path, old: str = "", new: str = "") -> Path:
    assert old in GOOD
    path = folder / "recipe.yaml"
    path.write_text(GOOD.replace(old, new) if old else GOOD)
    return path


def test_a_good_recipe(folder: Path) -> None:
    recipe = load_recipe(_written(folder))
    assert (recipe.name, recipe.content.budget, recipe.content.seed) == ("recipe", 5, 0)
    assert recipe.config == {"size": 3}
    assert callable(open_trainer(recipe).fit)


@pytest.mark.parametrize("change, message", [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_slips(folder: Path, change: tuple[str, str], message: str) -> None:
    with pytest.raises(MlffError) as caught:
        load_recipe(_written(folder, *change))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("old, new, message", BAD_TRAINERS, ids=[row[1] for row in BAD_TRAINERS])
def test_trainers_that_are_not_there(folder: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(MlffError) as caught:
        open_trainer(load_recipe(_written(folder, old, new)))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_digest_is_of_what_decides_the_outcome(folder: Path) -> None:
    one = load_recipe(_written(folder)).digest
    assert load_recipe(_written(folder, "budget: 5", "budget: 6")).digest == one
    assert load_recipe(_written(folder, "config:", "resources: {cpus: 2}\nconfig:")).digest == one
    assert load_recipe(_written(folder, "size: 3", "size: 4")).digest != one
    assert load_recipe(_written(folder, "trainers.py:fit", "trainers.py:other")).digest != one


TRAINER = """\
import numpy as np

import rates
from shapes.layers import WIDTH


def fit(fixture, config, out_dir):
    from late import finish

    return finish(np.ones(WIDTH) * rates.RATE)
"""
FILES = {
    "trainers.py": TRAINER,
    "rates.py": "RATE = 3\n",
    "late.py": "import importlib\nimport gone\n\n\ndef finish(x):\n    return None\n",
    "shapes/__init__.py": "",
    "shapes/layers.py": "from .sizes import WIDTH\nfrom . import more\n",
    "shapes/sizes.py": "WIDTH = 4\n",
    "shapes/more.py": "",
    "building.py": "import plain.inner.deep\n\nclass Net: ...\n",
    # Folders without __init__.py, one in another.
    "plain/inner/deep.py": "",
    "unused.py": "",
}


def test_code_of_the_user_is_part_of_the_digest(folder: Path) -> None:
    (folder / "shapes").mkdir()
    (folder / "plain" / "inner").mkdir(parents=True)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    written = _written(folder, "{size: 3}", "{model: {_target_: building.Net}, by: ase.Atoms}")

    def digest() -> str:
        return load_recipe(written).digest

    assert set(load_recipe(written).code) == {
        "trainers", "rates", "late", "shapes", "shapes.layers", "shapes.sizes", "shapes.more",
        "building", "plain.inner.deep",
    }  # fmt: skip
    before = digest()
    for name, text in FILES.items():
        (folder / name).write_text(f"{text}# changed\n")
        assert (digest() != before) is (name != "unused.py"), name
        (folder / name).write_text(text)
        assert digest() == before


def test_an_installed_trainer_is_told_by_its_version(folder: Path) -> None:
    written = _written(folder, "trainers.py:fit", "ase.io:read")
    assert load_recipe(written).code == {}


def test_a_config_in_its_own_file_is_read_from_there(folder: Path) -> None:
    (folder / "other.yaml").write_text("size: 3\n")
    inside = load_recipe(_written(folder))
    beside = load_recipe(_written(folder, "config: {size: 3}", "config: other.yaml"))
    assert beside.config == inside.config
    assert beside.digest == inside.digest


@pytest.mark.parametrize("name", ["nequip_small", "nequip_medium", "nequip_long", "nequip_large"])
def test_a_shipped_recipe_opens(name: str) -> None:
    pytest.importorskip("nequip")
    recipe = load_recipe(RECIPE_FOLDER / f"{name}.yaml")
    assert open_trainer(recipe).name == "nequip"


def test_a_base_holds_where_the_recipe_says_nothing_else(folder: Path) -> None:
    inner = "{size: 3, rate: {first: 1, last: 2}, steps: [1, 2]}"
    base = load_recipe(_written(folder, "{size: 3}", inner))
    (folder / "recipe.yaml").rename(folder / "base.yaml")
    changes = "{rate: {last: 5}, steps: [3]}"
    changed = load_recipe(
        _written(folder, "config: {size: 3}", f"base: base.yaml\nconfig: {changes}")
    )
    assert changed.config == {"size": 3, "rate": {"first": 1, "last": 5}, "steps": (3,)}
    assert changed.digest != base.digest
    same = load_recipe(_written(folder, "config: {size: 3}", "base: base.yaml"))
    assert same.digest == base.digest
    shipped = load_recipe(_written(folder, "config: {size: 3}", "base: nequip_small.yaml"))
    assert shipped.config == load_recipe(RECIPE_FOLDER / "nequip_small.yaml").config


def test_bases_in_a_circle_are_refused(folder: Path) -> None:
    (folder / "other.yaml").write_text(GOOD.replace("config:", "base: recipe.yaml\nconfig:"))
    with pytest.raises(MlffError, match=r"other\.yaml:4: base: recipe\.yaml is based"):
        load_recipe(_written(folder, "config:", "base: other.yaml\nconfig:"))
