"""The documentation's site: every page has its place, and the reference is made from the code."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from pytest_mlff.metrics.registry import metrics

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def reference() -> Any:
    spec = importlib.util.spec_from_file_location("docs", ROOT / "tools" / "docs_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _pages(node: Any) -> list[str]:
    if isinstance(node, str):
        return [node]
    inside = node.values() if isinstance(node, dict) else node
    return [page for one in inside for page in _pages(one)]


def test_every_page_has_one_place(reference: Any) -> None:
    nav = _pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"])
    written = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert sorted(nav) == sorted(written | set(reference.PAGES))


def test_the_reference_holds_what_the_code_has(reference: Any) -> None:
    pages = {name: make() for name, make in reference.PAGES.items()}
    assert all(f"| `{name}` |" in pages["reference/metrics.md"] for name in metrics())
    assert "`--mlff-undecided=pass" in pages["reference/options.md"].replace("\\|", "|")
    # What changes a baseline has no ini key.
    (line,) = [x for x in pages["reference/options.md"].splitlines() if "--mlff-update" in x][:1]
    assert "typed only" in line
    assert "## mlff history" in pages["reference/options.md"]
    assert "| `undecided_bound` |" in pages["reference/spec.md"]
    assert "| `ci_low` |" in pages["reference/report.md"]
    assert "::: pytest_mlff.laws.checks.check_law" in pages["reference/python.md"]


def test_files_beside_the_site_are_named_and_not_linked_to(reference: Any) -> None:
    text = "see [it](../pytest_mlff/recipes/a.yaml) and [here](own-data.md)"
    assert reference.on_page_markdown(text) == (
        "see it (`pytest_mlff/recipes/a.yaml`) and [here](own-data.md)"
    )


def test_figures_have_a_layout_for_phones_or_room(reference: Any) -> None:
    files = [SimpleNamespace(src_uri=f"figures/{name}.svg") for name in ("a", "a.phone", "b")]
    html = "".join(f'<img alt="x" src="../figures/{name}.svg" />' for name in "ab")
    with_layout, with_room = reference.on_page_content(html, files).split("</picture>")
    assert 'srcset="../figures/a.phone.svg"' in with_layout
    assert "overflow-x: auto" in with_room
