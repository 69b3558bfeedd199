"""The ini filter of docs/model-formats.md: a file that would run code is not opened."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.gated import only_line
from support.repos import model_repo, run_case

from pytest_mlff.potentials.loading import DEMO_MODEL

if TYPE_CHECKING:
    from pytest import Pytester

DOCS = Path(__file__).parents[2] / "docs" / "model-formats.md"
FILTER = "error::pytest_mlff.potentials.ModelOpensCodeWarning"
INI = f"[pytest]\nfilterwarnings =\n    {FILTER}\n"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Packages that something began to open."""
    package = pytest.importorskip("torch.package")
    pytest.importorskip("nequip")
    seen: list[object] = []
    begin = package.PackageImporter.__init__

    def spy(self: object, *arguments: object, **settings: object) -> None:
        seen.append(arguments)
        begin(self, *arguments, **settings)

    monkeypatch.setattr(package.PackageImporter, "__init__", spy)
    return seen


@pytest.mark.parametrize("way", ["ini", "-W"])
def test_the_filter_ends_the_run_before_the_file_is_opened(
    pytester: Pytester, opened: list[object], way: str
) -> None:
    model_repo(pytester)
    shutil.copy(DEMO_MODEL, pytester.path / "stranger.nequip.zip")
    if way == "ini":
        pytester.makeini(INI)
    words = () if way == "ini" else ("-W", FILTER)
    said = only_line(run_case(pytester, *words, model="stranger.nequip.zip"))
    assert "stranger.nequip.zip" in said
    assert "filterwarnings" in said
    assert opened == []


def test_without_it_the_file_is_opened_and_a_line_warns(
    pytester: Pytester, opened: list[object]
) -> None:
    model_repo(pytester)
    shutil.copy(DEMO_MODEL, pytester.path / "stranger.nequip.zip")
    result = run_case(pytester, "-k", "energy_mae", model="stranger.nequip.zip")
    result.stdout.fnmatch_lines(["mlff: warning: stranger.nequip.zip: *"])
    assert opened


def test_it_is_what_the_docs_say() -> None:
    if not DOCS.exists():
        pytest.skip("the documentation is in the repository, not in the installed package")
    text = DOCS.read_text(encoding="utf-8")
    assert INI in re.findall(r"```ini\n(.*?)```", text, re.DOTALL)
