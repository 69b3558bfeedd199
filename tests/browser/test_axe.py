"""No serious finding of axe-core on the report page."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from support.sample_reports import saibench_report

from pytest_mlff.reports.html import render_html

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.browser import Page

# Kept on the window and asked for: the audit takes longer than a page may be silent. A figure is
# one picture with a name; what it is drawn of is nobody's text.
AUDIT = """window.audited = null;
axe.run({exclude: [[".plot svg"]]}, {resultTypes: ["violations"]}).then((found) => {
  window.audited = found.violations.filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => `${one.id}: ${one.nodes.map((node) => node.target.join(" ")).slice(0, 3)}`);
}); 0"""


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of axe-core, which is not kept in this repository."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm on the path, with which to fetch axe-core")
    folder = tmp_path_factory.mktemp("axe")
    try:
        subprocess.run(
            [npm, "pack", "--silent", "axe-core@4.14.1"], cwd=folder, check=True, timeout=120,
            capture_output=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"axe-core cannot be fetched ({error})")
    (archive,) = folder.glob("*.tgz")
    shutil.unpack_archive(archive, folder, filter="data")
    return (folder / "package" / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    report = saibench_report(("one", "two"))
    report = report.model_copy(
        update={
            "cases": report.cases[::9],
            "variants": report.variants[::6],
            "trainings": report.trainings[:3],
        }
    )
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(render_html(report), encoding="utf-8")
    return path


def findings(page: Page, script: str) -> list[str]:
    page.call("Page.bringToFront")  # pages behind others have slow clocks
    page.call("Runtime.evaluate", expression=script)
    page.run(AUDIT)
    page.wait_for("window.audited !== null")
    found: list[str] = page.run("audited")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
def test_nothing_serious(
    new_page: Callable[..., Any], page_file: Path, axe: str, width: int, scheme: str
) -> None:
    page = new_page(width, 900, phone=width < 400, scheme=scheme).open(page_file)
    assert findings(page, axe) == []
    page.press("j", "Enter")
    assert findings(page, axe) == []


@pytest.mark.slow
def test_a_link_without_name_is_seen(
    new_page: Callable[..., Any], page_file: Path, axe: str
) -> None:
    page = new_page().open(page_file)
    page.run('document.querySelector(".bar nav a").textContent = ""')
    assert [one for one in findings(page, axe) if one.startswith("link-name")]
