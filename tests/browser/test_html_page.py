"""The HTML report in a real browser: found, read and used as a person would."""

from __future__ import annotations

import io
import json
import select
import socket
from typing import TYPE_CHECKING

import ase.io
import numpy as np
import pytest
from support.poison import POISONS, poisoned
from support.sample_reports import many_cases, saibench_report

from pytest_mlff.metrics.pictures import film_of
from pytest_mlff.reports.formats import report_formats
from pytest_mlff.reports.headline import severity
from pytest_mlff.reports.html import page as page_module

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.browser import Browser, Page

    from pytest_mlff.reports.model import CaseRecord, Report

    NewPage = Callable[..., Page]

SLOW = pytest.mark.slow
HTML = report_formats()["html"]
ROW = 'document.querySelectorAll("#case-rows tr")'
NAMES = f'[...{ROW}].map((row) => row.querySelector(".open").textContent)'
COUNT = 'document.querySelector("#count").textContent'
FOCUS = 'document.activeElement.closest("tr")?.dataset.place'
OPEN = 'document.querySelector("#details").open'
TITLE = 'document.querySelector("#details-title").textContent'
OVERFLOW = "document.documentElement.scrollWidth - innerWidth"
PLOT = 'document.querySelectorAll(".plot:not(.plot--narrow)")'


@pytest.fixture(scope="session")
def report() -> Report:
    return saibench_report()


@pytest.fixture(scope="session")
def page_file(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("html") / "report.html"
    HTML.write(target, report)
    return target


def without_figures(target: Path, report: Report) -> Path:
    """The same page without figures, for tests of everything else: it is made much faster."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page_module, "plots_of", lambda _: ())
        HTML.write(target, report)
    return target


@pytest.fixture(scope="session")
def table_file(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return without_figures(tmp_path_factory.mktemp("html") / "table.html", report)


@pytest.fixture(scope="session")
def many_table_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return without_figures(tmp_path_factory.mktemp("html") / "table.html", many_cases(5000))


@pytest.fixture(scope="session")
def many_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("html") / "many.html"
    HTML.write(target, many_cases(5000))
    return target


def label(case: CaseRecord) -> str:
    species = f"[{case.species}]" if case.species else ""
    return f"{case.metric}{species} {case.variant}"


def names(cases: list[CaseRecord]) -> list[str]:
    return [label(case) for case in cases]


def worst_first(cases: list[CaseRecord]) -> list[CaseRecord]:
    return sorted(cases, key=severity)


def set_value(page: Page, selector: str, value: str, event: str) -> None:
    page.run(
        f"(() => {{ const field = document.querySelector({json.dumps(selector)});"
        f"field.value = {json.dumps(value)};"
        f"field.dispatchEvent(new Event('{event}', {{bubbles: true}})); }})()"
    )


def test_summary_table_and_figures(new_page: NewPage, page_file: Path, report: Report) -> None:
    page = new_page().open(page_file)
    assert page.run("document.title").startswith("No: model")
    assert page.run('document.querySelector("h1").innerText').split() == [
        "May", "this", "merge?", "No",
    ]  # fmt: skip
    assert page.run(COUNT) == f"{len(report.cases)} cases"
    assert page.run(NAMES) == names(worst_first(report.cases))[:100]
    # They are there before anybody scrolls.
    assert page.run('document.querySelectorAll(".plot:not(.plot--narrow) svg").length') == page.run(
        f"{PLOT}.length"
    )
    assert page.run(f"{PLOT}.length") >= 8
    assert page.run(OVERFLOW) <= 0
    page.run(f"{PLOT}[1].scrollIntoView({{behavior: 'instant'}})")
    line = page.run(f"{PLOT}[1].querySelector('.tip title').textContent")
    x, y = page.centre("#figure-mae-vs-samples .tip")
    # A page that still scrolls hides the line again.
    page.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    told = 'document.querySelector(".tip-box")'
    assert page.run(f"{told}.hidden") is False
    assert page.run(f"{told}.textContent") == line
    page.press("Escape")
    assert page.run(f"{told}.hidden") is True


def test_filters(new_page: NewPage, table_file: Path, report: Report) -> None:
    page = new_page().open(table_file)
    everything = worst_first(report.cases)

    def expect(chosen: list[CaseRecord]) -> None:
        assert 0 < len(chosen) < len(everything)
        assert page.run(COUNT) == f"{len(chosen)} of {len(everything)} cases"
        assert page.run(NAMES) == names(chosen)[:100]

    page.run('document.querySelector("#filter-text").focus()')
    page.write("Aspirin-N200 force_mae[o]")
    expect([c for c in everything if label(c) == "force_mae[O] aspirin-n200"])
    page.click("#clear")
    assert page.run(COUNT) == f"{len(everything)} cases"
    page.click('.chip[data-verdict="error"]')
    page.click('.chip[data-verdict="regressed"]')
    expect([c for c in everything if c.verdict in ("error", "regressed")])
    page.click('.chip[data-verdict="error"]')
    expect([c for c in everything if c.verdict == "regressed"])
    page.click("#clear")
    set_value(page, "#filter-spec", "saibench/cross_molecule", "change")
    expect([c for c in everything if c.spec == "cross_molecule"])
    page.write("")
    set_value(page, "#filter-text", "train-cef", "input")
    expect([c for c in everything if c.spec == "cross_molecule" and "train-cef" in c.case_id])
    page.click("#clear")
    set_value(page, "#filter-model", "1", "change")
    first = report.cases[0].model
    expect([c for c in everything if c.model == first])
    set_value(page, "#filter-text", "no such words", "input")
    assert page.run('document.querySelector("#nothing").hidden') is False
    page.click("#clear-again")
    assert page.run(COUNT) == f"{len(everything)} cases"
    page.click('a[data-show="failed"]')
    expect([c for c in everything if c.verdict == "failed"])


@pytest.mark.parametrize(
    "key", ["value", "ratio", "worst", *(pytest.param(k, marks=SLOW) for k in ("case", "change"))]
)
def test_sorting(new_page: NewPage, many_table_file: Path, key: str) -> None:
    page = new_page().open(many_table_file)
    cases = worst_first(many_cases(5000).cases)

    def number(case: CaseRecord) -> float | None:
        if key == "value" or case.value is None:
            return case.value
        return case.value / case.threshold if key == "ratio" and case.threshold else None

    def natural(case: CaseRecord) -> tuple[int, str]:
        # Names differ in molecule, number and metric; numbers count as numbers.
        molecule, _, rest = case.variant.partition("-t")
        return molecule.replace("_", " "), int(rest), label(case)

    if key == "worst":
        expected, other = cases, cases[::-1]
    elif key == "case":
        expected = sorted(cases, key=natural)
        other = expected[::-1]
    else:
        known = [case for case in cases if number(case) is not None]
        without = [case for case in cases if number(case) is None]
        expected = sorted(known, key=number, reverse=True) + without
        other = sorted(known, key=number) + without
    if key != "worst":
        page.click(f'[data-sort="{key}"]')
    head = f"document.querySelector('[data-sort=\"{key}\"]').closest('th').ariaSort"
    first_way = "ascending" if key in ("case", "worst") else "descending"
    second_way = "ascending" if first_way == "descending" else "descending"
    for way, wanted in ((first_way, expected), (second_way, other)):
        if wanted is other:
            page.click(f'[data-sort="{key}"]')
        assert page.run(head) == way
        found = page.run(NAMES)
        if key == "case":
            assert [name.split()[1] for name in found] == [c.variant for c in wanted[:100]]
        else:
            assert found == names(wanted)[:100]
    assert page.run('document.querySelectorAll("[aria-sort]").length') == 1


def test_keyboard(new_page: NewPage, table_file: Path, report: Report) -> None:
    page = new_page().open(table_file)
    order = worst_first(report.cases)
    page.press("/")
    assert page.run("document.activeElement.id") == "filter-text"
    page.write("jk/")  # keys of the table are letters here
    assert page.run("document.activeElement.value") == "jk/"
    page.press("Escape")
    assert page.run("document.activeElement.value") == ""
    page.press("ArrowDown")
    assert page.run(FOCUS) == "0"
    for key, place in (("j", 1), ("ArrowDown", 2), ("j", 3), ("k", 2), ("ArrowUp", 1), ("k", 0)):
        page.press(key)
        assert page.run(FOCUS) == str(place), key
    page.press("k")  # there is none above the first
    assert page.run(FOCUS) == "0"
    assert page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.press("j", "Enter")
    assert page.run(OPEN) is True
    assert page.run(TITLE) == label(order[1])
    page.press("j")
    assert page.run(TITLE) == label(order[2])
    assert page.run('document.querySelector("#details").contains(document.activeElement)')
    page.press("k", "k", "k")
    assert page.run(TITLE) == label(order[0])
    page.press("j", "j", "j", "Escape")
    assert page.run(OPEN) is False
    page.wait_for(f'{FOCUS} === "3"')  # back where it was left, not where it was opened
    page.press("End")
    assert page.run(FOCUS) == "99"
    page.press("j")  # over the edge of the page
    assert page.run(FOCUS) == "0"
    assert page.run(NAMES)[0] == label(order[100])
    page.press("k")
    assert page.run(FOCUS) == "99"
    assert page.run(NAMES) == names(order)[:100]


def test_everything_is_reached_by_tab_and_has_a_name(new_page: NewPage, table_file: Path) -> None:
    page = new_page().open(table_file)
    page.press("j", "j", "Enter")
    page.call("Accessibility.enable")
    for _ in range(2):
        nodes = page.call("Accessibility.getFullAXTree")["nodes"]
        found = [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in nodes
            if not node["ignored"]
            and node["role"]["value"]
            in ("button", "link", "searchbox", "textbox", "combobox", "dialog", "application")
        ]
        assert len(found) > 5
        assert [one for one in found if not one[1].strip()] == []
        page.press("Escape")
    page = new_page().open(table_file)
    seen = set()
    for _ in range(40):
        page.press("Tab")
        seen.add(page.run("document.activeElement.id || document.activeElement.className"))
    assert {"skip", "theme", "filter-text", "filter-spec", "clear", "chip", "open"} <= seen


def test_details_by_link(new_page: NewPage, table_file: Path, report: Report) -> None:
    case = next(case for case in report.cases if case.counterexample)
    page = new_page().open(table_file)
    page.run(f"mlff.details.open(mlff.cases.find((one) => one.case_id === '{case.case_id}'))")
    address = page.run("location.hash")
    page.press("Escape")
    page.wait_for('location.hash === ""')  # a dialog tells of its end when it has time
    again = new_page().open(table_file, address)
    assert again.run(TITLE) == label(case)
    text = again.run('document.querySelector("#details").innerText')
    assert case.reason in text
    assert all(line in text for line in case.detail.splitlines())
    assert case.counterexample is not None
    assert case.counterexample.note in text
    for name, value in case.evidence.items():
        assert f"{name.replace('_', ' ')}\t{value}" in text
    assert new_page().open(table_file, "#case=%E0%A4%A").run(OPEN) is False


def open_case(page: Page, case: CaseRecord) -> None:
    page.run(f"mlff.details.open(mlff.cases.find((one) => one.case_id === '{case.case_id}'))")


def test_molecules(new_page: NewPage, table_file: Path, report: Report, tmp_path: Path) -> None:
    page = new_page().open(table_file)
    case = next(case for case in report.cases if case.counterexample)
    structure = case.counterexample
    assert structure is not None
    open_case(page, case)
    atoms = 'document.querySelectorAll("#details .molecule .atom")'
    assert page.run(f"{atoms}.length") == len(structure.symbols)
    assert page.run('document.querySelectorAll("#details .bond").length') == 8  # ethanol
    assert page.run('document.querySelectorAll("#details .ring").length') == 0
    where = f'[...{atoms}].map((a) => a.getAttribute("cx") + a.getAttribute("cy")).sort().join()'
    home = page.run(where)
    page.run('document.querySelector(".molecule").focus()')
    views = {home}
    for key in ("ArrowRight", "ArrowUp", "ArrowLeft", "ArrowDown", "+", "-"):
        page.press(key)
        views.add(page.run(where))
    assert len(views) >= 6
    assert page.run(TITLE) == label(case)  # the arrows turn it, they change no case
    page.press("0")
    assert page.run(where) == home
    x, y = page.centre(".molecule")
    page.drag((x, y), (x + 60, y + 25))
    assert page.run(where) != home
    page.click(".molecule-tools button")
    assert page.run(where) == home


def test_xyz_is_what_another_program_reads(
    new_page: NewPage, browser: Browser, table_file: Path, report: Report, tmp_path: Path
) -> None:
    page = new_page().open(table_file)
    case = next(case for case in report.cases if case.worst_frame)
    structure = case.worst_frame
    assert structure is not None
    open_case(page, case)
    assert page.run('document.querySelectorAll("#details .ring").length') == len(structure.symbols)
    text = page.run('document.querySelector("[data-structure] pre").textContent')
    page.allow_downloads(tmp_path)
    page.click(".buttons button:nth-child(2)")
    page.until(lambda: [one for one in tmp_path.iterdir() if one.suffix == ".xyz"])
    (saved,) = tmp_path.iterdir()
    assert saved.read_text(encoding="utf-8") == text
    atoms = ase.io.read(io.StringIO(text), format="extxyz")
    assert atoms.get_chemical_symbols() == structure.symbols
    assert atoms.positions.tolist() == structure.positions
    assert atoms.arrays["force_error"].tolist() == structure.atom_errors
    assert atoms.info["note"] == structure.note
    assert not atoms.pbc.any()
    worst = int(np.argmax(structure.atom_errors))
    said = page.run('document.querySelector(".worst-atoms").textContent')
    assert f": {structure.symbols[worst]}{worst + 1} " in said
    browser.call(
        "Browser.grantPermissions", permissions=["clipboardReadWrite"],
        browserContextId=page.context,
    )  # fmt: skip
    page.click(".buttons button:nth-child(1)")
    page.wait_for('document.querySelector(".buttons button").textContent === "Copied"')
    assert page.run("navigator.clipboard.readText()") == text


@SLOW
def test_a_crystal_keeps_its_cell(new_page: NewPage, report: Report, tmp_path: Path) -> None:
    cell = [[4.0, 0.0, 0.0], [1.0, 4.5, 0.0], [0.0, 0.5, 5.0]]
    case = next(case for case in report.cases if case.worst_frame)
    assert case.worst_frame is not None
    odd = case.worst_frame.model_copy(
        update={"cell": cell, "note": 'a "quoted"\nnote\\', "atom_errors": None}
    )
    changed = case.model_copy(update={"worst_frame": odd})
    target = tmp_path / "crystal.html"
    HTML.write(
        target, report.model_copy(update={"cases": [changed], "trainings": [], "variants": []})
    )
    page = new_page().open(target)
    page.press("j", "Enter")
    assert page.run('document.querySelectorAll(".molecule .cell").length') == 12
    text = page.run('document.querySelector("[data-structure] pre").textContent')
    atoms = ase.io.read(io.StringIO(text), format="extxyz")
    assert atoms.cell.tolist() == cell
    assert atoms.pbc.all()
    assert atoms.info["note"] == "a quoted note"


def test_five_thousand_cases(new_page: NewPage, many_file: Path) -> None:
    page = new_page().open(many_file)
    cases = worst_first(many_cases(5000).cases)
    assert page.run(COUNT) == "5,000 cases"
    assert page.run(f"{ROW}.length") == 100
    page.press("/")
    for letter in "aspirin-t7":
        page.write(letter)
    wanted = [case for case in cases if "aspirin-t7" in case.case_id]
    assert page.run(COUNT) == f"{len(wanted)} of 5,000 cases"
    assert page.run(NAMES) == names(wanted)[:100]
    page.press("Escape")
    for number in range(1, 50):
        page.run('document.querySelector("#page-on").click()')
        if number in (1, 25, 49):
            assert page.run(NAMES) == names(cases)[100 * number : 100 * number + 100]
    assert page.run('document.querySelector("#page-on").disabled') is True
    assert page.run('document.querySelector("#page-text").textContent') == ("4,901–5,000 of 5,000")
    page.click("#page-back")
    page.press("j", "Enter")
    assert page.run(TITLE) == label(cases[4800])
    page.press("k")  # the details go on over the edge of the page
    assert page.run(TITLE) == label(cases[4799])
    page.press("Escape")
    page.wait_for(f'{FOCUS} === "99"')
    assert page.run(OVERFLOW) <= 0


@pytest.mark.parametrize("width", [390, pytest.param(320, marks=SLOW)])
def test_phone(new_page: NewPage, page_file: Path, report: Report, width: int) -> None:
    page = new_page(width, 844, phone=True).open(page_file)
    page.run('document.querySelectorAll("details").forEach((one) => { one.open = true; })')
    assert page.run("innerWidth") == width
    assert page.run(OVERFLOW) <= 0
    assert page.run('getComputedStyle(document.querySelector("#case-table thead")).display') == (
        "none"
    )
    # A card is as wide as the page lets it, and shows verdict, name and value.
    box = page.run(f"(() => {{ const b = {ROW}[3].getBoundingClientRect(); return b.width; }})()")
    assert box > 0.85 * width
    card = page.run(f"{ROW}[3].innerText")
    case = worst_first(report.cases)[3]
    assert case.verdict in card
    assert case.variant in card
    assert f"{case.value:.4g}" in card
    # Fingers need room.
    small = page.run(
        '[...document.querySelectorAll("#tools button, #tools select, #pager button, #theme")]'
        ".filter((one) => one.offsetParent && one.getBoundingClientRect().height < 32)"
        ".map((one) => one.id || one.textContent)"
    )
    assert small == []
    page.click("#case-rows tr:nth-child(3) .open")
    assert page.run(OPEN) is True
    assert page.run('document.querySelector("#details").getBoundingClientRect().width') == width
    sheet = 'document.querySelector(".sheet")'
    assert page.run(f"{sheet}.scrollWidth - {sheet}.clientWidth") <= 0
    for number in range(page.run(f"{PLOT}.length")):
        page.run(f"{PLOT}[{number}].scrollIntoView()")
    assert page.run(OVERFLOW) <= 0


OVERLAID = """[...document.querySelectorAll("#case-rows td, #case-rows th")].flatMap((cell) => {
  const edge = cell.getBoundingClientRect().right;
  const words = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
  const over = [];
  for (let text = words.nextNode(); text; text = words.nextNode()) {
    const range = document.createRange();
    range.selectNodeContents(text);
    if (range.getBoundingClientRect().right > edge) over.push(text.data);
  }
  return over;
})"""


@pytest.mark.parametrize("width", [1280, 1161, 1001, 390])
def test_no_number_lies_upon_its_neighbour(
    new_page: NewPage, report: Report, tmp_path: Path, width: int
) -> None:
    case = next(case for case in report.cases if case.value is not None and case.threshold)
    huge = {"value": 3.211e6, "threshold": 1.0, "unit": "1", "ci_low": None, "ci_high": None}
    cases = [case.model_copy(update={**huge, "value": value}) for value in (3.211e6, 583900.0)]
    target = without_figures(tmp_path / "t.html", report.model_copy(update={"cases": cases}))
    page = new_page(width, 900, phone=width < 400).open(target)
    assert "3.21e+6 ×" in page.run(f"{ROW}[0].innerText")
    assert page.run(OVERLAID) == []
    page.run('document.querySelector("#case-rows .gauge-box").style.flexWrap = "nowrap"')
    if width > 1160:
        assert page.run(OVERLAID) == ["3.21e+6 ×"]  # the check sees it where it is so


def test_coordinates_are_whole_lines_on_a_phone(
    new_page: NewPage, report: Report, tmp_path: Path
) -> None:
    line = "  C     -11.122131    -0.628138   -10.916410"
    case = report.cases[0].model_copy(update={"detail": line})
    target = without_figures(tmp_path / "t.html", report.model_copy(update={"cases": [case]}))
    page = new_page(390, 844, phone=True).open(target)
    page.press("j", "Enter")
    page.wait_for(OPEN)
    lines = """(() => {
      const range = document.createRange();
      range.selectNodeContents(document.querySelector(".detail"));
      return new Set([...range.getClientRects()].map((box) => box.top)).size;
    })()"""
    assert page.run(lines) == 1


CONTRAST = """(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const known = new Map();
  const parse = (text) => {
    if (!known.has(text)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = text;
      canvas.fillRect(0, 0, 1, 1);
      known.set(text, [...canvas.getImageData(0, 0, 1, 1).data]);
    }
    return known.get(text);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.slice(0, 3).map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    for (let up = node; up; up = up.parentElement) {
      const found = parse(getComputedStyle(up).backgroundColor);
      if (found[3] === 255) return found;
    }
    return [255, 255, 255, 255];
  };
  const poor = new Set();
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((one) => one.nodeType === 3 && one.data.trim());
    if (!own || !node.offsetParent || node.closest(":disabled, svg, script")) continue;
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.add(`${node.className || node.tagName}: ${ratio.toFixed(2)}`);
  }
  return [...poor];
})()"""
GROUND = "getComputedStyle(document.body).backgroundColor"


@pytest.mark.parametrize("scheme", [pytest.param("light", marks=SLOW), "dark"])
def test_light_and_dark(new_page: NewPage, page_file: Path, scheme: str) -> None:
    page = new_page(scheme=scheme).open(page_file)
    grounds = {"light": "rgb(247, 246, 242)", "dark": "rgb(20, 23, 26)"}
    assert page.run(GROUND) == grounds[scheme]
    pressed = 'document.querySelector("#theme").ariaPressed'
    assert page.run(pressed) == str(scheme == "dark").lower()
    assert page.run(CONTRAST) == []
    page.press("j", "j", "j", "Enter")
    assert page.run(CONTRAST) == []
    page.press("Escape")
    page.run(f"{PLOT}[0].scrollIntoView()")
    ink = f'getComputedStyle({PLOT}[0].querySelector("svg text")).fill'
    before = page.run(ink)
    other = "dark" if scheme == "light" else "light"
    page.click("#theme")
    assert page.run(GROUND) == grounds[other]
    page.wait_for(f"{ink} !== {json.dumps(before)}")  # the figures follow
    page.open(page_file)
    assert page.run(GROUND) == grounds[other]  # the choice is kept


def test_a_poor_contrast_would_be_seen(new_page: NewPage, table_file: Path) -> None:
    page = new_page().open(table_file)
    page.run('document.documentElement.style.setProperty("--soft", "#a0a0a0")')
    assert page.run(CONTRAST)


def test_without_scripts(new_page: NewPage, table_file: Path, report: Report) -> None:
    page = new_page(scripts=False).open(table_file)
    text = page.run("document.body.innerText")
    assert "May this merge?\nNo" in text
    assert "Scripts are off" in text
    wrong = [case for case in report.cases if case.verdict != "passed"]
    assert all(case.case_id in text for case in wrong)
    # Nothing is offered that would do nothing.
    assert page.run(
        '[...document.querySelectorAll("button, input, select")].filter((o) => o.offsetParent)'
        ".map((o) => o.id)"
    ) == []  # fmt: skip
    narrow = new_page(390, 844, phone=True, scripts=False).open(table_file)
    assert narrow.run(OVERFLOW) <= 0


@SLOW
def test_print(new_page: NewPage, page_file: Path, report: Report) -> None:
    page = new_page(scheme="dark").open(page_file)
    page.run('dispatchEvent(new Event("beforeprint"))')
    assert page.run(f"{ROW}.length") == len(report.cases)
    assert page.run(f"{PLOT}.length") >= 8
    assert page.run(f"[...{PLOT}].every((one) => one.querySelector('svg'))")
    page.media("dark", "print")
    assert page.run(GROUND) == "rgb(255, 255, 255)"
    assert page.run('getComputedStyle(document.querySelector(".bar")).display') == "none"
    assert page.run(CONTRAST) == []
    page.media("dark")
    page.run('dispatchEvent(new Event("afterprint"))')
    assert page.run(f"{ROW}.length") == 100


@pytest.mark.parametrize(
    "poison", [POISONS[0], *(pytest.param(one, marks=SLOW) for one in POISONS[1:])]
)
def test_a_report_cannot_act(
    new_page: NewPage, report: Report, tmp_path: Path, poison: str
) -> None:
    last = [case for case in report.cases if case.counterexample]
    few = report.model_copy(
        update={
            "cases": report.cases[::25] + last,
            "variants": report.variants[::8],
            "trainings": report.trainings[::20],
        }
    )
    target = tmp_path / "evil.html"
    HTML.write(target, poisoned(few, poison))
    page = new_page()
    page.call(
        "Page.addScriptToEvaluateOnNewDocument", source="window.alert = () => { window.hit = 1; };"
    )
    page.open(target)
    for number in range(page.run(f"{PLOT}.length")):
        page.run(f"{PLOT}[{number}].scrollIntoView()")
    page.press("j", "Enter", *"j" * (len(few.cases) - 1))
    assert poison.strip() in page.run('document.querySelector("#details").textContent')
    assert page.run("window.hit") is None
    assert page.run('document.querySelectorAll("#evil, img, [onload], [onerror]").length') == 0


def test_the_policy_is_in_force(browser: Browser, page_file: Path) -> None:
    """What slips through all escaping still may neither run nor call home."""
    page = browser.page().open(page_file)
    page.run(
        '(() => { const made = document.createElement("script"); made.text = "window.hit = 1";'
        "document.body.append(made); })()"
    )
    page.run('document.body.insertAdjacentHTML("beforeend", "<b onclick=\'window.hit = 1\'>")')
    page.run("document.body.lastElementChild.click()")
    assert page.run("window.hit") is None
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert page.run(f"fetch('{address}/x').then(() => 1, () => 0)") == 0
        page.run(f"(() => {{ new Image().src = '{address}/y.png'; }})()")
        browser.pump(0.3)
        assert not select.select([server], [], [], 0)[0]  # nobody has knocked
        browser.page().run(f"fetch('{address}/z', {{mode: 'no-cors'}}).catch(() => 0), 0")
        assert select.select([server], [], [], 10)[0]  # it was open
    assert len(page.complaints) >= 4
    assert all("Content Security Policy" in one for one in page.complaints)
    page.close()


def test_a_film_is_played_to_its_end(new_page: NewPage, report: Report, tmp_path: Path) -> None:
    positions = np.zeros((30, 3, 3))
    positions[:, 1, 0] = 0.96 + np.arange(30) * 0.05  # a bond that tears
    positions[:, 2, 1] = 0.96
    film = film_of(np.array([8, 1, 1]), positions, np.arange(30) * 0.01, None, "replica 0 dies")
    cases = [case.model_copy(update={"film": film}) for case in report.cases[:1]]
    page = new_page()
    page.open(without_figures(tmp_path / "film.html", report.model_copy(update={"cases": cases})))
    clock = 'document.querySelector(".film__clock").textContent'
    bonds = (
        '[...document.querySelectorAll(".film .bond")]'
        '.filter((one) => one.style.display !== "none").length'
    )
    assert page.run(clock) == "0.000 ps"
    assert page.run(bonds) == 2
    page.run('document.querySelector(".film__play").click()')
    page.wait_for(f'{clock} === "0.290 ps"')
    assert page.run(bonds) == 1
    assert "replica 0 dies" in page.run('document.querySelector(".film figcaption").textContent')
