"""Text from models and specs stays text in the summary on GitHub."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from support.github_reports import failed, record, red_rows, rendered, report, tables

from pytest_mlff.reports.github import step_summary
from pytest_mlff.reports.github import summary as summary_module
from pytest_mlff.reports.github.escape import inline, preformatted
from pytest_mlff.reports.model import ModelRecord, Report

HOSTILE = (
    "a|b `c` <img src=x onerror=alert(1)> **d** [e](http://evil.example) www.evil.example @org/all "
    "#12 $x$ ~~f~~ \\| &lt; <!-- -->\n| g | h |\n\n## i\n</details>\u202eabc\x1b[31m GH-7"
)

_WRITTEN = {"div", "h2", "h3", "p", "ul", "li", "code", "table", "thead", "tbody", "tr", "th",
            "td", "details", "summary", "pre"}  # fmt: skip


def hostile_report() -> Report:
    model = ModelRecord(
        name=HOSTILE, source=HOSTILE, family=HOSTILE, digest=None, species=None, cutoff=None,
        device="cpu", dtype="float32", versions={},
    )  # fmt: skip
    case = failed(model=HOSTILE, reason=HOSTILE, case_id=f"s/p/{HOSTILE}/force_mae", unit=HOSTILE)
    law = failed(metric="rotation", detail=HOSTILE, reason=HOSTILE)
    gone = record(verdict="unsupported", value=None, variant=HOSTILE, reason=HOSTILE)
    return report(case, law, gone, models=[model])


def leaks(text: str) -> list[str]:
    """Where untrusted text became more than text."""
    page = rendered(text)
    found = [f"tag {tag}" for tag in sorted({str(one.tag) for one in page.iter()} - _WRITTEN)]
    found += [
        f"row of {len(row)} cells"
        for table in tables(page)
        for row in table
        if len(row) != len(table[0])
    ]
    open_rows = [len(table) - 1 for table in tables(page)]
    if open_rows[:4] != [2, 2, 1, 1]:
        found.append(f"rows {open_rows}")
    # Not read by markdown-it, but by GitHub; a counterexample stands in <pre>, out of its reach.
    outside = re.sub(r"<pre>.*?</pre>", "", text, flags=re.DOTALL)
    found += [word for word in ("://", "www.", "@org", " #12", "$x", "GH-7") if word in outside]
    found += [f"U+{ord(one):04X}" for one in text if one in "\u202e\x1b"]
    return found


def test_hostile_text_stays_text() -> None:
    text = step_summary(hostile_report())
    assert leaks(text) == []
    shown = red_rows(text)[0]
    # What is shown is what was said, but for its length, line ends and invisible characters.
    assert shown[-1].startswith("a|b `c` <img src=x onerror=alert(1)> **d** [e](http://evil")
    assert shown[-1].endswith("</details>�abc�[31m GH-7")


@pytest.mark.parametrize("mutant", [str, html.escape, lambda text: text.replace("|", "\\|")])
def test_weaker_escaping_is_caught(monkeypatch: pytest.MonkeyPatch, mutant: Any) -> None:
    monkeypatch.setattr(summary_module, "inline", lambda text, *_: mutant(text))
    assert leaks(step_summary(hostile_report()))


def test_a_counterexample_cannot_leave_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    law = failed(metric="rotation", detail="</pre>\n\n<script>x</script>")
    assert rendered(step_summary(report(law))).find(".//script") is None
    monkeypatch.setattr(summary_module, "preformatted", lambda text: f"<pre>{text}</pre>")
    assert rendered(step_summary(report(law))).find(".//script") is not None


@given(st.text(max_size=80))
def test_any_text_is_one_cell(text: str) -> None:
    table = f"| a | b |\n| --- | --- |\n| {inline(text)} | end |\n"
    page = rendered(table)
    (shown,) = tables(page)
    assert len(shown) == 2
    assert len(shown[1]) == 2
    assert {str(one.tag) for one in page.iter()} <= _WRITTEN
    plain = " ".join(text.split())
    assert len(shown[1][0]) == len(plain)
    assert all(a in (b, "�") for a, b in zip(shown[1][0], plain, strict=True))


@given(st.text(max_size=80))
def test_any_text_is_one_block(text: str) -> None:
    page = rendered(f"before\n\n{preformatted(text)}\n\nafter\n")
    assert [str(one.tag) for one in page] == ["p", "pre", "p"]


def test_the_reader_of_these_tests_sees_tags() -> None:
    # lxml drops nothing that matters here, so an empty list of leaks means something.
    assert etree.tostring(rendered("<script>x</script>")).count(b"script") == 2
