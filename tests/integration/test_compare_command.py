"""``mlff compare``: reports and baselines of real runs, ranked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.gated import IDS, gate_run, gated_repo
from support.repos import once

from pytest_mlff.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    from pytest import Pytester


@pytest.fixture
def runs(pytester: Pytester, shared: Path) -> Pytester:
    def run() -> None:
        gated_repo(pytester)
        gate_run(pytester, "base", report="a.json")
        gate_run(pytester, "worse", report="b.json")
        gate_run(pytester, "better", "--mlff-update-baseline", report=None)

    once(pytester, shared / "runs", run)
    return pytester


def test_reports_and_a_baseline_are_ranked(
    runs: Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["compare", "b.json", "a.json", "baselines/better.json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["better", "base", "worse"]
    assert [line.split()[-1] for line in lines[1:4]] == ["best", "worse", "worse"]
    assert any(IDS[0] in line and "meV/atom" in line for line in lines)


def test_json_holds_the_numbers(runs: Pytester, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["compare", "a.json", "b.json", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["cases"] == sorted(IDS)
    second = found["models"][1]
    reports = {
        name: {
            c["case_id"]: c["value"] for c in json.loads((runs.path / name).read_text())["cases"]
        }
        for name in ("a.json", "b.json")
    }
    product = 1.0
    for name in IDS:
        product *= reports["b.json"][name] / reports["a.json"][name]
    assert second["score"] == pytest.approx(product ** (1 / len(IDS)), rel=1e-9)
    assert second["low"] <= second["score"] <= second["high"]
    assert second["cases"][IDS[1]]["value"] == reports["b.json"][IDS[1]]


@pytest.mark.parametrize(
    "paths, words",
    [
        (["a.json"], "at least two models"),
        (["a.json", "nowhere.json"], "nowhere.json does not exist"),
        (["a.json", "half.json"], "not complete JSON"),
        (["a.json", "a.json"], "named twice"),
    ],
)
def test_bad_input_is_one_line(
    runs: Pytester, capsys: pytest.CaptureFixture[str], paths: list[str], words: str
) -> None:
    text = (runs.path / "b.json").read_text()
    (runs.path / "half.json").write_text(text[: len(text) // 2])
    capsys.readouterr()
    assert main(["compare", *paths]) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_a_page_of_rankings(runs: Pytester, capsys: pytest.CaptureFixture[str]) -> None:
    """A table for each case of all species, best first, with the ratios of the JSON."""
    (runs.path / "costs.json").write_text('{"base": {"core-seconds": 25.5}}')
    capsys.readouterr()
    assert main(["compare", "a.json", "b.json", "--json"]) == 0
    worse = json.loads(capsys.readouterr().out)["models"][1]
    assert main(["compare", "b.json", "a.json", "--html", "p.html", "--costs", "costs.json"]) == 0
    page = (runs.path / "p.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "core-seconds" in page
    for name in (name for name in IDS if not name.endswith("]")):
        suite_spec, metric = name.rpartition("/")[::2]
        table = page[page.index(f"<b>{metric}</b>") :]
        table = table[table.index(suite_spec) : table.index("</table>")]
        assert table.index(">base<") < table.index(">worse<")
        assert f"{1 + worse['cases'][name]['change']:.3f}" in table
    (runs.path / "costs.json").write_text('{"base": 3}')
    for extra, words in (("costs.json", "must be a number"), ("none.json", "no file of costs")):
        assert main(["compare", "a.json", "b.json", "--html", "p.html", "--costs", extra]) == 4
        assert words in capsys.readouterr().err
    assert main(["compare", "a.json", "b.json", "--costs", "costs.json"]) == 4
    assert "--html" in capsys.readouterr().err
