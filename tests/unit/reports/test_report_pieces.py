"""A report is written case by case, and is the text it would be in one piece."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.sample_reports import saibench_report

from pytest_mlff.reports.json_report import load_report, write_report

if TYPE_CHECKING:
    from pathlib import Path

MEAN = 'a "cases": [] of {"cases": [1,\n 2]}\n "cases": []'


@pytest.mark.parametrize("count", [0, 1, 7])
def test_pieces_make_the_whole(tmp_path: Path, count: int) -> None:
    whole = saibench_report()
    assert len(whole.cases) > 7
    cases = [one.model_copy(update={"reason": MEAN, "detail": MEAN}) for one in whole.cases[:count]]
    run = whole.run.model_copy(update={"versions": {MEAN: MEAN}})
    report = whole.model_copy(update={"cases": cases, "run": run})
    path = tmp_path / "report.json"
    write_report(path, report)
    text = path.read_text(encoding="utf-8")
    assert text == report.model_dump_json(indent=1) + "\n"
    assert json.loads(text)["run"]["versions"] == {MEAN: MEAN}
    assert load_report(path) == report
