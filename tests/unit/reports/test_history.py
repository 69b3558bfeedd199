"""Cases over several reports: order, changes, what turned red; and the badge of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest
from support.sample_reports import saibench_report

from pytest_mlff.cli.main import main
from pytest_mlff.reports.badge import badge_svg, badge_text
from pytest_mlff.reports.figures.history import values_over_runs
from pytest_mlff.reports.figures.palette import colour
from pytest_mlff.reports.figures.static import render
from pytest_mlff.reports.history import Track, history_of
from pytest_mlff.reports.json_report import write_report
from pytest_mlff.reports.model import CaseRecord, GitRecord, Report

if TYPE_CHECKING:
    from pathlib import Path

BASE = saibench_report()
CASE = next(case for case in BASE.cases if case.verdict == "passed" and case.ci_low is not None)


def _case(value: float, half: float | None, **more: Any) -> CaseRecord:
    ends = (None, None) if half is None else (value - half, value + half)
    fields = {"value": value, "ci_low": ends[0], "ci_high": ends[1], "model": "m"}
    return CASE.model_copy(update=fields | more)


def _report(day: int, *cases: CaseRecord, code: int = 0, dirty: bool = False) -> Report:
    git = GitRecord(commit=f"{day:07d}abcdef", branch="main", dirty=dirty)
    run = BASE.run.model_copy(
        update={
            "started": f"2026-01-{day:02d}T00:00:00+00:00", "git": git, "exit_code": code,
            "collected": len(cases), "deselected": 0,
        }
    )  # fmt: skip
    return BASE.model_copy(update={"run": run, "cases": list(cases), "residuals": None})


def _track(*cases: CaseRecord) -> Track:
    (track,) = history_of(_report(n + 1, case) for n, case in enumerate(cases)).tracks
    return track


def test_runs_come_in_the_order_of_their_start() -> None:
    found = history_of([_report(3, _case(3.0, 0.1)), _report(1, _case(1.0, 0.1), dirty=True)])
    assert found.labels == ("0000001+", "0000003")
    assert [case.value for _, case in found.tracks[0].points] == [1.0, 3.0]


@pytest.mark.parametrize(
    "values, half, changes",
    [
        ((1.0, 1.15, 1.3, 1.45), 0.1, []),  # each step within both intervals
        ((1.0, 1.3), 0.1, [(1, 0, True)]),
        ((1.0, 0.7), 0.1, [(1, 0, False)]),
        ((1.0, 9.0), None, []),  # without an interval nothing is claimed
    ],
)
def test_a_change_is_one_beyond_both_intervals(
    values: tuple[float, ...], half: float | None, changes: list[tuple[int, int, bool]]
) -> None:
    track = _track(*(_case(value, half) for value in values))
    assert [(one.run, one.since, one.worse) for one in track.changes] == changes


def test_where_larger_is_better_the_direction_turns() -> None:
    track = _track(*(_case(value, 0.1, larger_is_better=True) for value in (1.0, 0.5, 1.0)))
    assert [one.worse for one in track.changes] == [True, False]


@pytest.mark.parametrize("what", ["digest", "number"])
def test_runs_on_other_frames_are_not_compared(what: str) -> None:
    def on(day: int, value: float, digest: str, count: int) -> Report:
        report = _report(day, _case(value, 0.1, n_frames=count if what == "number" else 9))
        digests = {f"{CASE.dataset}/x": digest if what == "digest" else "a", "other/x": digest}
        return report.model_copy(
            update={"run": report.run.model_copy(update={"data_digests": digests})}
        )

    (track,) = history_of([on(1, 1.0, "a", 1), on(2, 3.0, "b", 2), on(3, 5.0, "b", 2)]).tracks
    assert [(one.run, one.since) for one in track.changes] == [(2, 1)]


def test_a_run_without_an_interval_is_passed_over() -> None:
    track = _track(_case(1.0, 0.1), _case(2.0, None), _case(3.0, 0.1))
    assert [(one.run, one.since) for one in track.changes] == [(2, 0)]


def test_each_turn_to_red_counts_once_and_comes_first() -> None:
    verdicts = ("passed", "failed", "failed", "passed", "regressed")
    bad = [_case(1.0, 0.1, verdict=verdict) for verdict in verdicts]
    good = _case(1.0, 0.1, case_id="a/a/a/force_mae")
    found = history_of(_report(n + 1, good, case) for n, case in enumerate(bad))
    assert found.tracks[0].turned_red == (1, 4)
    assert found.tracks[1].turned_red == ()


def test_the_figure_shows_every_value_and_marks_the_worsening() -> None:
    found = history_of(_report(n + 1, _case(v, 0.1)) for n, v in enumerate((1.0, 1.02, 2.0)))
    figure = values_over_runs(found)
    assert figure is not None
    (panel,) = figure.panels
    assert panel.series[0].y == (1.0, 1.02, 2.0)
    assert panel.x.categories == ("0000001", "0000002", "0000003\n▲")
    assert render(figure, "svg").startswith(b"<?xml")
    assert values_over_runs(history_of([_report(1, _case(1.0, 0.1))])) is None


def _written(folder: Path, *reports: Report) -> list[str]:
    paths = [folder / f"{index}.json" for index in range(len(reports))]
    for path, report in zip(paths, reports, strict=True):
        write_report(path, report, None)
    return [str(path) for path in paths]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _written(tmp_path, _report(2, _case(2.0, 0.1)), _report(1, _case(1.0, 0.1)))
    assert main(["history", str(tmp_path), "--figures", str(tmp_path / "figures")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("2 runs, 0000001 to 0000002: 1 cases, 1 of them changed, 0 red")
    assert lines[1:3] == [
        CASE.case_id, f"  0000002: worse, 1 → 2 {CASE.unit} since 0000001"
    ]  # fmt: skip
    assert (tmp_path / "figures" / "history.svg").is_file()
    assert main(["history", str(tmp_path), "--json"]) == 0
    assert '"worse": true' in capsys.readouterr().out


@pytest.mark.parametrize("what", ["empty", "one", "foreign"])
def test_what_is_no_history_is_one_line(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if what == "one":
        _written(tmp_path, _report(1, _case(1.0, 0.1)))
    if what == "foreign":
        (tmp_path / "a.json").write_text("[]")
        (tmp_path / "b.json").write_text("[]")
    assert main(["history", str(tmp_path)]) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert {"empty": "no report", "one": "no history", "foreign": "a.json"}[what] in line


@pytest.mark.parametrize(
    "verdict, code, deselected, text, role",
    [
        ("passed", 0, 0, "1 passed", "passed"),
        ("failed", 1, 0, "no: 1 of 1 red", "failed"),
        ("undecided", 0, 0, "not decided", "undecided"),
        ("passed", 1, 0, "no", "failed"),
        ("passed", 0, 3, "not decided", "undecided"),  # a part of a spec decides nothing
    ],
)
def test_the_badge_is_green_only_where_the_headline_is(
    verdict: str, code: int, deselected: int, text: str, role: str
) -> None:
    report = _report(1, _case(1.0, 0.1, verdict=verdict), code=code)
    run = report.run.model_copy(update={"deselected": deselected})
    report = report.model_copy(update={"run": run})
    assert badge_text(report) == text
    root = ElementTree.fromstring(badge_svg(report))
    assert colour(role) in {node.get("fill") for node in root.iter()}
    assert (role == "passed") == (colour("passed") in badge_svg(report))


def test_the_badge_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = _written(tmp_path, _report(1, _case(1.0, 0.1)))
    assert main(["badge", path]) == 0
    assert capsys.readouterr().out.startswith("<svg")
    assert main(["badge", path, "--out", str(tmp_path / "mlff.svg")]) == 0
    assert ElementTree.parse(tmp_path / "mlff.svg").getroot().get("aria-label") == "mlff: 1 passed"
    assert main(["badge", path, "--out", str(tmp_path / "0.json" / "x.svg")]) == 4
