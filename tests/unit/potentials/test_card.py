"""Model cards: what they may say, and a model in an interpreter that holds numpy alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.tiny_nequip import embedded_frames
from support.venvs import SPRINGS, numpy_venv

from pytest_mlff.errors import MlffError
from pytest_mlff.potentials import load_potential
from pytest_mlff.potentials.card import load_card
from pytest_mlff.potentials.failures import ModelFailure
from pytest_mlff.potentials.process import limits_of, open_potential

if TYPE_CHECKING:
    from pathlib import Path

CARD = "model: springs.py:make\npython: env\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cards")
    (folder / "springs.py").write_text(SPRINGS)
    (folder / "empty").mkdir()
    numpy_venv(folder / "env")
    return folder


def card(folder: Path, text: str, name: str = "card.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


MISTAKES = [
    ("model:\n", "card.yaml:1: model: must be text, is empty"),
    (CARD + "pyton: env\n", "card.yaml:3: pyton: unknown key; did you mean 'python'? (keys: "),
    ("model: other.yaml\n", "card.yaml:1: model: 'other.yaml' must be a checkpoint or a factory"),
    ("model: demo\npython: no\n", "card.yaml:2: python: no such interpreter or virtual environ"),
    ("model: demo\npython: empty\n", "is no virtual environment: there is no bin/python in it"),
    ("model: demo\npython: springs.py\n", "springs.py cannot be executed"),
    ("model: demo\ndevice: gpu\n", "card.yaml:2: device: must be 'cpu' or 'cuda', is 'gpu'"),
    ("model: demo\ndtype: double\n", "card.yaml:2: dtype: must be 'float32' or 'float64', is"),
    ("model: demo\ntimeout: -1\n", "card.yaml:2: timeout: must be at least 0, is -1"),
    ("model: demo\nmemory: 8\n", "card.yaml:2: memory: must be text, is 8"),
    ("model: demo\nmemory: lots\n", "card.yaml:2: memory: must be a number and a unit (MB, GB, "),
    ("model: demo\nenv: {A: [1]}\n", "card.yaml:2: env.A: must be text, is a list"),
    ("model: demo\nenv:\n  'A=B': c\n", "card.yaml:3: env: 'A=B' cannot be the name of a variab"),
    ("model: demo\ncapabilities: {periodc: false}\n",
     "card.yaml:2: capabilities.periodc: unknown key; did you mean 'periodic'? (keys: periodic, "),
    ("model: demo\ncapabilities: {periodic: no}\n",
     "card.yaml:2: capabilities.periodic: must be true or false, is 'no'"),
    ("model: demo\nknown_violations:\n- {law: localty, reason: x}\n",
     "card.yaml:3: known_violations: 'localty' is no law; did you mean 'locality'?"),
    ("model: demo\nknown_violations:\n- {law: force_mae, reason: x}\n", "'force_mae' is no law"),
    ("model: demo\nknown_violations:\n- {law: locality}\n",
     "card.yaml:3: known_violations[0].reason: is missing"),
    ("model: demo\nknown_violations: [{law: memory, reason: a}, {law: memory, reason: b}]\n",
     "'memory' stands there twice"),
]  # fmt: skip


@pytest.mark.parametrize("text, said", MISTAKES)
def test_a_mistake_is_one_line(folder: Path, text: str, said: str) -> None:
    with pytest.raises(MlffError) as caught:
        load_card(card(folder, text))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_a_card_says(folder: Path) -> None:
    found = load_card(card(folder, CARD + "memory: 1.5 GiB\ntimeout: 0\nenv: {A: 2, B: x}\n"))
    limits = limits_of(found)
    assert found.name == "card"
    assert limits.python == str(folder / "env" / "bin" / "python")
    assert (limits.memory, limits.timeout) == (3 * 2**29, None)
    assert limits.environment == {"A": "2", "B": "x"}
    assert found.known_violation("locality") is None


def test_an_interpreter_by_its_file_or_its_name(folder: Path) -> None:
    named = load_card(card(folder, "model: demo\npython: env/bin/python\n"))
    assert named.python == str(folder / "env" / "bin" / "python")
    found = load_card(card(folder, "model: demo\npython: sh\n")).python
    assert found is not None
    assert found.endswith("/sh")


def test_a_model_runs_where_only_numpy_is(folder: Path) -> None:
    path = card(folder, CARD + "level: B3LYP\ncapabilities: {periodic: false}\n")
    frames = embedded_frames("ethanol", 3)
    potential = open_potential(str(path), cwd=folder.parent)
    here = load_potential("springs.py:make", cwd=folder)
    found = potential.predict(frames)
    potential.close()  # type: ignore[attr-defined]
    assert here.info.versions == {"ase": "True", "pydantic": "True"}
    assert potential.info.versions == {"ase": "False", "pydantic": "False"}
    np.testing.assert_array_equal(found.forces, here.predict(frames).forces)
    assert (potential.info.name, potential.info.source) == ("card", str(path))
    assert (potential.info.level, potential.info.capabilities) == ("B3LYP", {"periodic": False})


def test_what_changes_numbers_belongs_to_the_digest(folder: Path) -> None:
    def digest(text: str) -> str | None:
        potential = open_potential(str(card(folder, text)))
        potential.close()  # type: ignore[attr-defined]
        return potential.info.digest

    plain = digest(CARD)
    assert plain is not None
    assert digest(CARD + "name: other\nlevel: B3LYP\ntimeout: 30\n") == plain
    variable = digest(CARD + "env: {STIFFNESS: 0.2}\n")
    here = digest("model: springs.py:make\n")
    assert len({plain, variable, here}) == 3
    (site_packages,) = (folder / "env").glob("lib/python*/site-packages")
    (site_packages / "further-1.0.dist-info").mkdir()
    assert digest(CARD) != plain


def test_variables_reach_the_model(folder: Path) -> None:
    frames = embedded_frames("ethanol", 2)
    answers = []
    for stiffness in ("0.1", "0.2"):
        path = card(folder, CARD + f"env: {{STIFFNESS: {stiffness}}}\n")
        potential = open_potential(str(path))
        answers.append(potential.predict(frames).energy)
        potential.close()  # type: ignore[attr-defined]
    np.testing.assert_allclose(answers[1], 2.0 * answers[0])


def test_what_is_wrong_beyond_the_card_names_it(folder: Path) -> None:
    path = card(folder, "model: none.py:make\npython: env\n")
    with pytest.raises(MlffError, match=r"card\.yaml: model source 'none\.py:make': no such file"):
        open_potential(str(path))
    path = card(folder, "model: demo\npython: sh\n")
    with pytest.raises(ModelFailure, match=r"card: the model's process"):
        open_potential(str(path))


def test_a_debugger_gets_no_other_interpreter(folder: Path) -> None:
    path = card(folder, CARD)
    with pytest.raises(MlffError, match="leave --mlff-in-process out"):
        open_potential(str(path), in_process=True)
    with pytest.raises(MlffError, match="is a model card"):
        load_potential(str(path))
