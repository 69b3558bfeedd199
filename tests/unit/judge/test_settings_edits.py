"""Settings of pytest, conftest files, plugins and stores that come with a pull request."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.branches import JUDGE, told
from support.github_repos import git

from pytest_mlff.judge.changes import changes
from pytest_mlff.judge.settings import ini_file

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "text, expected",
    [
        ("addopts = -q -k energy\nmlff_seed = 1",
         ["addopts: pytest.ini: addopts: '-q' → '-q -k energy'"]),
        ("addopts = -q --collect-only\nmlff_seed = 1",
         ["addopts: pytest.ini: addopts: '-q' → '-q --collect-only'"]),
        ("addopts = -q\nmlff_seed = 2", ["mlff setting: pytest.ini: mlff_seed: '1' → '2'"]),
        ("addopts = -q\nmlff_seed = 1\nmlff_accept_regression = it is faster",
         ["mlff setting: pytest.ini: mlff_accept_regression: not set → 'it is faster'"]),
        ("mlff_seed = 1", ["addopts: pytest.ini: addopts: '-q' → not set"]),
        ("addopts = -q\nmlff_seed = 1\nusefixtures = skipper",
         ["pytest setting: pytest.ini: usefixtures: not set → 'skipper'"]),
        ("# the same\naddopts =   -q\n\nmlff_seed = 1", []),
    ],
)  # fmt: skip
def test_edits_of_the_ini_file(branches: tuple[Path, Path], text: str, expected: list[str]) -> None:
    (branches[1] / "pytest.ini").write_text(f"[pytest]\n{text}\n")
    found = changes(JUDGE, *branches)
    assert [str(edit) for edit in found] == expected
    assert all(edit.grave for edit in found)


def test_an_ini_file_that_hides_another(branches: tuple[Path, Path]) -> None:
    """pytest takes the first; the other's settings are gone."""
    (branches[1] / "pytest.toml").write_text('[pytest]\nmlff_seed = "1"\n')
    assert told(branches) == ["addopts: pytest.toml: addopts: '-q' → not set"]


@pytest.mark.parametrize(
    "name, text",
    [
        ("pytest.ini", ""),
        ("tox.ini", "[pytest]\naddopts = -q\n"),
        ("setup.cfg", "[tool:pytest]\naddopts = -q\n"),
        ("pyproject.toml", "[tool.pytest.ini_options]\naddopts = '-q'\n"),
    ],
)
def test_the_ini_file_that_pytest_takes(pytester: pytest.Pytester, name: str, text: str) -> None:
    for other in ("tox.ini", "setup.cfg", "pyproject.toml"):
        (pytester.path / other).write_text("")
    (pytester.path / name).write_text(text)
    assert ini_file(pytester.path) == pytester.path / name
    config = pytester.parseconfig()
    assert config.inipath == pytester.path / name


@pytest.mark.parametrize(
    "name, what",
    [
        ("conftest.py", "is changed"),
        ("tests/conftest.py", "is new"),
        ("specs/conftest.py", "is new"),
    ],
)
def test_conftest_files(branches: tuple[Path, Path], name: str, what: str) -> None:
    path = branches[1] / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("def pytest_collection_modifyitems(items): del items[1:]\n")
    assert told(branches) == [f"conftest: {name}: {what}"]


@pytest.mark.parametrize(
    "name, text",
    [
        ("pyproject.toml", '[project.entry-points.pytest11]\nown = "own.plugin"\n'),
        ("pyproject.toml", '[tool.poetry.plugins.pytest11]\nown = "own.plugin"\n'),
        ("setup.cfg", "[options.entry_points]\npytest11 =\n    own = own.plugin\n"),
        ("setup.py", "setup(entry_points={'pytest11': ['own = own.plugin']})\n"),
        ("sitecustomize.py", "import pytest\n"),
    ],
)
def test_a_plugin_of_its_own(branches: tuple[Path, Path], name: str, text: str) -> None:
    base, head = branches
    (head / name).write_text(text)
    grave = [edit for edit in changes(JUDGE, base, head) if edit.grave]
    assert [edit.kind for edit in grave] == ["pytest plugin"]
    if name == "sitecustomize.py":
        return
    # Where both have it, its code judges; what is no part of the package does not.
    (base / name).write_text(text)
    for root in branches:
        (root / "src" / "own").mkdir(parents=True)
        (root / "src" / "own" / "plugin.py").write_text("")
    assert changes(JUDGE, base, head) == []
    (head / "src" / "own" / "plugin.py").write_text("import os\n")
    assert told(branches) == (
        [] if name == "setup.py" else ["pytest plugin: src/own/plugin.py: is changed"]
    )


def test_a_store_that_comes_with_the_request(branches: tuple[Path, Path]) -> None:
    base, head = branches
    judge = replace(JUDGE, store=".mlff-store")
    for root in branches:
        git(root, "init", "-q")
    (head / ".mlff-store").mkdir()
    (head / ".mlff-store" / "pass.npz").write_bytes(b"forged")
    assert changes(judge, base, head) == []  # restored from a cache, say
    git(head, "add", "--force", ".mlff-store")
    (one,) = changes(judge, base, head)
    assert (one.kind, one.where, one.grave) == ("store", ".mlff-store", True)
