"""The HTML page as text: whole, closed to the outside, and unmoved by what a report says."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import sys
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.poison import POISONS, poisoned
from support.sample_reports import many_cases, saibench_report

from pytest_mlff.errors import MissingExtraError, MlffError
from pytest_mlff.reports.formats import report_formats
from pytest_mlff.reports.html import page as page_module
from pytest_mlff.reports.html import render_html, require_html
from pytest_mlff.reports.html.embed import checked_script, script_json

if TYPE_CHECKING:
    from pytest_mlff.reports.model import Report

pytest.importorskip("jinja2")

EXECUTABLE = (None, "", "module", "text/javascript")


class Parsed(HTMLParser):
    """Elements, attributes and the text of scripts, as a browser would find them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[str | None, str]] = []
        self.words: list[str] = []
        self._script: list[str] | None = None
        # Where a name may break, no word ends.
        self.feed(text.replace("<wbr>", ""))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self._script = []

    def handle_endtag(self, tag: str) -> None:
        if tag == "script" and self._script is not None:
            kind = next(a for t, a in reversed(self.tags) if t == "script").get("type")
            self.scripts.append((kind, "".join(self._script)))
            self._script = None

    def handle_data(self, data: str) -> None:
        (self.words if self._script is None else self._script).append(data)

    @cached_property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def policy(self) -> str:
        found = [
            a["content"]
            for t, a in self.tags
            if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
        ]
        assert len(found) == 1
        return str(found[0])

    def block(self, name: str) -> Any:
        """A JSON data block by its id."""
        names = [a.get("id") for t, a in self.tags if t == "script"]
        return json.loads(self.scripts[names.index(name)][1])


def injected(page: Parsed, benign: Parsed) -> list[str]:
    """What stands in a page as markup and not in that of a harmless report."""
    # Beside long texts a chart may have no room left, and its curves no points.
    known = {(tag, *sorted(attrs)) for tag, attrs in benign.tags} | {("path", "style")}
    return [
        f"<{tag} {attrs}>"
        for tag, attrs in page.tags
        if (tag, *sorted(attrs)) not in known or any(name.startswith("on") for name in attrs)
    ]


@pytest.fixture(scope="module")
def report() -> Report:
    return saibench_report(("one", "two"))


@pytest.fixture(scope="module")
def small(report: Report) -> Report:
    """A few cases, variants and trainings of every spec, with figures: quick to render."""
    last = [case for case in report.cases if case.counterexample]
    return report.model_copy(
        update={
            "cases": report.cases[:: len(report.cases) // 20] + last,
            "variants": report.variants[::8],
            "trainings": report.trainings[:1],
        }
    )


def undrawn(report: Report) -> str:
    """The page without its figures, for tests of everything else: they take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page_module, "plots_of", lambda _: ())
        return render_html(report)


@pytest.fixture(scope="module")
def parsed(report: Report) -> Parsed:
    return Parsed(undrawn(report))


@pytest.fixture(scope="module")
def page(small: Report) -> Parsed:
    """With figures."""
    return Parsed(render_html(small))


def test_the_summary_needs_no_script(parsed: Parsed, report: Report) -> None:
    assert "May this merge? No" in parsed.text
    failed = sum(case.verdict == "failed" for case in report.cases)
    assert f"{failed} failed" in parsed.text
    for model in report.models:
        assert model.name in parsed.text
        assert str(model.digest)[:12] in parsed.text
    assert "rmd17" in parsed.text
    assert "2026-03-01 09:30 UTC" in parsed.text
    assert "30 min 34 s" in parsed.text


def test_every_failure_stands_in_the_plain_table(report: Report, small: Report) -> None:
    wrong = [case for case in report.cases if case.verdict != "passed"][:199]
    passed = [case for case in small.cases if case.verdict == "passed"]
    assert len(wrong) == 199
    assert passed
    page = undrawn(small.model_copy(update={"cases": passed + wrong}))
    plain = re.search(r"<noscript>\s*<p>Scripts are off.*?</noscript>", page, re.DOTALL)
    assert plain is not None
    rows = Parsed(plain[0]).text
    for case in wrong:
        assert case.case_id in rows
        assert " ".join(case.reason.split()) in rows


def test_the_plain_table_has_a_limit() -> None:
    page = undrawn(many_cases(5000))
    wrong = sum(case.verdict != "passed" for case in many_cases(5000).cases)
    assert f"… and {wrong - 200} more." in page


def test_variants_and_both_numbers_of_what_is_refused(report: Report, parsed: Parsed) -> None:
    for variant in report.variants:
        assert variant.variant in parsed.text
        if variant.unsupported:
            assert variant.unsupported in parsed.text


def test_trainings_and_environment(report: Report, parsed: Parsed) -> None:
    curves = [a for t, a in parsed.tags if t == "polyline"]
    assert len(curves) == 2 * len(report.trainings)
    assert "rank-deficient: solution of minimum norm" in parsed.text
    for name, digest in report.run.spec_digests.items():
        assert name in parsed.text
        assert digest in parsed.text
    for name, version in report.run.versions.items():
        assert f"{name} {version}" in parsed.text


def test_the_script_gets_every_case_once_and_unrounded(report: Report, parsed: Parsed) -> None:
    data = parsed.block("mlff-data")
    rows = [dict(zip(data["fields"], row, strict=True)) for row in data["rows"]]
    assert len(rows) == len(report.cases)
    found = {(row["model"], row["case_id"], row["dataset"]): row for row in rows}
    assert len(found) == len(rows)
    for case in report.cases:
        row = found[case.model, case.case_id, case.dataset]
        content = case.model_dump(exclude={"pictures", "film"})
        for name in ("worst_frame", "counterexample"):
            expected, number = content.pop(name), row[name]
            if expected is None:
                assert number is None
            else:
                shown = dict(data["structures"][number])
                assert shown.pop("view") is not None
                assert shown == expected
        provenance = row["threshold_provenance"]
        assert content.pop("threshold_provenance") == (
            None if provenance is None else data["provenances"][provenance]
        )
        assert content == {name: row[name] for name in content}


def test_nothing_is_fetched(page: Parsed) -> None:
    assert "image" in {tag for tag, _ in page.tags}
    for tag, attributes in page.tags:
        for name in ("src", "href", "action", "data", "poster", "srcset", "xlink:href"):
            value = attributes.get(name)
            # The gradient beside a chart is a picture within the drawing.
            within = tag == "image" and str(value).startswith("data:image/png;base64,")
            fetched = not (value is None or value.startswith("#") or value == "data:,")
            assert within or not fetched, (tag, value)
    assert not [tag for tag, _ in page.tags if tag in ("iframe", "object", "embed", "base")]
    style = "".join(
        (Path(page_module.__file__).parent / "templates" / name).read_text()
        for name in page_module._STYLES
    )
    assert "url(" not in style
    assert "@import" not in style


def test_the_policy_allows_these_scripts_and_no_request(page: Parsed) -> None:
    rules = dict(rule.strip().split(" ", 1) for rule in page.policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data: blob:"
    assert not {"connect-src", "font-src", "frame-src", "worker-src"} & set(rules)
    digests = {
        "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
        for kind, text in page.scripts
        if kind in EXECUTABLE
    }
    assert set(rules["script-src"].split()) == digests
    assert len(digests) >= 2


def test_figures_are_drawings_in_a_small_page(small: Report) -> None:
    assert len(small.cases) >= 12
    page = render_html(small)
    assert page.count("<svg ") > 3
    assert 'class="tip"' in page
    assert len(page.encode()) < 500_000
    scripts = [text for _, text in Parsed(page).scripts]
    assert sum(map(len, scripts)) < 150_000
    assert 'class="plot"' not in render_html(
        small.model_copy(update={"cases": [], "trainings": []})
    )


@pytest.mark.parametrize("poison", POISONS)
def test_a_report_says_nothing_but_text(small: Report, page: Parsed, poison: str) -> None:
    evil = Parsed(render_html(poisoned(small, poison)))
    assert injected(evil, page) == []
    assert [kind for kind, _ in evil.scripts] == [kind for kind, _ in page.scripts]
    # It is shown as it is, not dropped.
    assert poison in "".join(evil.words)
    data = evil.block("mlff-data")
    row = dict(zip(data["fields"], data["rows"][0], strict=True))
    assert poison in row["reason"]
    assert poison in row["evidence"].values()


@pytest.mark.parametrize("mutant", ["markup", "data"])
def test_the_check_of_escaping_can_fail(
    small: Report, page: Parsed, monkeypatch: Any, mutant: str
) -> None:
    if mutant == "data":
        monkeypatch.setattr(page_module, "script_json", json.dumps)
    else:
        made = page_module.environment()
        made.autoescape = False
        monkeypatch.setattr(page_module, "environment", lambda: made)
    evil = poisoned(small, "</script><img src=x onerror=alert(1)>")
    assert injected(Parsed(render_html(evil)), page)


def test_json_in_scripts() -> None:
    value = {"</script>": "<!-- & \u2028 \u2029 é \" \\ '", "n": 0.1 + 0.2}
    text = script_json(value)
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == value
    with pytest.raises(ValueError, match="not JSON compliant"):
        script_json(math.nan)


@pytest.mark.parametrize("text", ["'</script>'", "'</SCRIPT '", "x <!--y"])
def test_a_script_that_ends_itself_is_refused(text: str) -> None:
    with pytest.raises(MlffError, match="would end it"):
        checked_script(text)


def test_line_ends_are_hashed_as_a_browser_reads_them() -> None:
    assert checked_script("a\r\nb\rc") == "a\nb\nc"


def test_no_asset_makes_markup_of_text() -> None:
    folder = Path(page_module.__file__).parent / "templates"
    for script in folder.glob("*.js"):
        text = script.read_text(encoding="utf-8")
        for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert way not in text, (script.name, way)
    # `safe` only on what is ours, or made safe by `script_json`.
    safe = {
        found
        for template in folder.glob("*.jinja")
        for found in re.findall(r"(\w+)\s*\|\s*safe", template.read_text(encoding="utf-8"))
    }
    assert safe == {"styles", "early", "script", "data", "svg", "narrow"}


def test_an_old_page_survives(small: Report, tmp_path: Path, monkeypatch: Any) -> None:
    target = tmp_path / "r.html"
    found = small.model_copy(update={"variants": [], "trainings": []})
    report_formats()["html"].write(target, found)
    old = target.read_text(encoding="utf-8")
    assert old == render_html(found)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(MlffError, match=r"r\.html: cannot write the html report \(No space left"):
        report_formats()["html"].write(target, many_cases(4))
    assert target.read_text(encoding="utf-8") == old
    assert list(tmp_path.iterdir()) == [target]


def test_without_jinja(monkeypatch: Any, report: Report) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    for act in (require_html, lambda: render_html(report)):
        with pytest.raises(MissingExtraError, match=r"pytest-mlff\[report\]"):
            act()


def test_without_matplotlib(monkeypatch: Any, small: Report) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for name in [name for name in sys.modules if name.startswith("matplotlib.")]:
        monkeypatch.setitem(sys.modules, name, None)
    # Said before a run, when nobody knows yet whether there will be figures.
    for act in (require_html, lambda: render_html(small)):
        with pytest.raises(MissingExtraError, match=r"pytest-mlff\[report\]"):
            act()
    # Without figures it is not missed.
    assert render_html(small.model_copy(update={"cases": [], "trainings": []}))
