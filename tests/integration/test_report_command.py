"""``mlff report``: from the JSON of a real run to table, page, figures and CSV."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest
from support.repos import CASES, model_repo, run_case
from support.sample_reports import saibench_report

import pytest_mlff
from pytest_mlff.cli.main import main
from pytest_mlff.reports.json_report import load_report, write_report

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("jinja2")


@pytest.fixture
def run(pytester: pytest.Pytester) -> Path:
    """The report of a real run."""
    model_repo(pytester)
    run_case(pytester).assert_outcomes(passed=CASES)
    return pytester.path / "report.json"


def test_a_real_run_becomes_everything(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.parent)
    capsys.readouterr()
    assert main(["report", str(run)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[0] == "case"
    assert sum(line.endswith("passed") and "small" in line for line in lines) == CASES
    assert lines[-1] == f"May this merge? Yes. All {CASES} cases passed."

    assert main(["report", str(run), "--html", "r.html", "--csv", "r.csv"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "html report written to r.html",
        "csv report written to r.csv",
    ]
    page = (run.parent / "r.html").read_text(encoding="utf-8")
    assert f"All {CASES} cases passed." in page
    table = (run.parent / "r.csv").read_text(encoding="utf-8-sig")
    assert len(list(csv.DictReader(io.StringIO(table)))) == CASES
    frame = pytest_mlff.read_report(run)
    raw = json.loads(run.read_bytes())
    assert frame["value"].tolist() == [case["value"] for case in raw["cases"]]
    assert set(frame["verdict"]) == {"passed"}


def test_the_page_is_made_of_the_json_alone(
    run: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Elsewhere, without model, specs, store and data, the page is the same to the byte."""
    main(["report", str(run), "--html", str(run.parent / "here.html")])
    moved = tmp_path / "moved" / "report.json"
    moved.parent.mkdir()
    moved.write_bytes(run.read_bytes())
    for name in ("models.py", "specs/small.yaml", "report.json"):
        (run.parent / name).unlink()
    main(["report", str(moved), "--html", str(moved.with_name("there.html"))])
    here = (run.parent / "here.html").read_bytes()
    assert moved.with_name("there.html").read_bytes() == here


def test_csv_to_the_screen_is_csv_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "r.json"
    write_report(path, saibench_report())
    page = tmp_path / "sub" / "r.html"
    assert main(["report", str(path), "--csv", "-", "--html", str(page)]) == 0
    shown = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(shown.out)))
    assert [row["case_id"] for row in rows] == [c.case_id for c in load_report(path).cases]
    assert shown.err == f"html report written to {page}\n"
    assert page.exists()  # folders are made


def test_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "r.json"
    write_report(path, saibench_report())
    assert main(["report", str(path), "--figures", str(tmp_path / "f"), "--format", "svg"]) == 0
    written = list((tmp_path / "f").iterdir())
    assert {one.suffix for one in written} == {".svg"}
    assert f"{len(written)} figure files written to" in capsys.readouterr().out


@pytest.mark.parametrize(
    "content, words",
    [
        (None, "cannot read the report"),
        ("not json", "not a JSON report"),
        ('{"schema_version": 2}', "report of schema version 2, this version reads 1"),
        ('{"schema_version": 1}', "not a valid report"),
    ],
)
@pytest.mark.parametrize("what", [[], ["--html", "r.html"], ["--csv", "r.csv"]])
def test_bad_reports_are_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    content: str | None,
    words: str,
    what: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / "r.json").write_text(content)
    for old in ("r.html", "r.csv"):
        (tmp_path / old).write_text("old")
    assert main(["report", "r.json", *what]) == 4
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("mlff: r.json: ")
    assert words in shown.err
    assert shown.err.count("\n") == 1
    assert (tmp_path / "r.html").read_text() == (tmp_path / "r.csv").read_text() == "old"


@pytest.mark.parametrize("option", ["--html", "--csv"])
def test_a_target_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    path = tmp_path / "r.json"
    write_report(path, saibench_report().model_copy(update={"cases": [], "trainings": []}))
    (tmp_path / "file").write_text("old")
    assert main(["report", str(path), option, str(tmp_path / "file" / "r.out")]) == 4
    error = capsys.readouterr().err
    assert "cannot write the" in error
    assert "r.out" in error
    assert error.count("\n") == 1
    assert (tmp_path / "file").read_text() == "old"


@pytest.mark.parametrize(
    "options, words",
    [
        (["--format", "svg"], "give both"),
        (["--figures", "f", "--format", ","], "names no format"),
        (["--figures", "f", "--format", "svg,gif"], "gif"),
    ],
)
def test_bad_formats(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    path = tmp_path / "r.json"
    write_report(path, saibench_report().model_copy(update={"cases": [], "trainings": []}))
    assert main(["report", str(path), *options]) == 4
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_a_report_without_cases(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "r.json"
    empty = saibench_report()
    run = empty.run.model_copy(update={"collected": 0, "exit_code": 5})
    write_report(path, empty.model_copy(update={"cases": [], "trainings": [], "run": run}))
    assert main(["report", str(path), "--html", str(tmp_path / "r.html")]) == 0
    assert main(["report", str(path)]) == 0
    assert "May this merge? No. No case was run." in capsys.readouterr().out
