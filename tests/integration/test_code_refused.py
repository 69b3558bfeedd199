"""The ini filter of docs/model-formats.md: a file that would run code is not opened."""

from __future__ import annotations

import re
import zipfile
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
MODEL = "stranger.nequip.zip"


@pytest.fixture
def opened(pytester: Pytester) -> Path:
    """A file that the code in a package writes as soon as it runs."""
    pytest.importorskip("nequip")
    model_repo(pytester)
    told = pytester.path / "opened"
    added = f"\nopen({str(told)!r}, 'a').close()\n".encode()
    with (
        zipfile.ZipFile(DEMO_MODEL) as demo,
        zipfile.ZipFile(pytester.path / MODEL, "w") as made,
    ):
        for name in demo.namelist():
            more = added if name.endswith(".py") else b""
            made.writestr(name, demo.read(name) + more)
    return told


@pytest.mark.parametrize("way", ["ini", pytest.param("-W", marks=pytest.mark.slow)])
def test_the_filter_ends_the_run_before_the_file_is_opened(
    pytester: Pytester, opened: Path, way: str
) -> None:
    if way == "ini":
        pytester.makeini(INI)
    words = () if way == "ini" else ("-W", FILTER)
    said = only_line(run_case(pytester, *words, model=MODEL))
    assert MODEL in said
    assert "filterwarnings" in said
    assert not opened.exists()


def test_no_worker_opens_it_either(pytester: Pytester, opened: Path) -> None:
    pytester.makeini(INI)
    result = run_case(pytester, "-n2", model=MODEL)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines([f"*{MODEL}*filterwarnings*"])
    assert not opened.exists()


def test_without_it_the_file_is_opened_and_a_line_warns(pytester: Pytester, opened: Path) -> None:
    result = run_case(pytester, "-k", "energy_mae", model=MODEL)
    result.stdout.fnmatch_lines([f"mlff: warning: {MODEL}: *"])
    assert opened.exists()


def test_it_is_what_the_docs_say() -> None:
    if not DOCS.exists():
        pytest.skip("the documentation is in the repository, not in the installed package")
    text = DOCS.read_text(encoding="utf-8")
    assert INI in re.findall(r"```ini\n(.*?)```", text, re.DOTALL)
