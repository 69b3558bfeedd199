"""The Python of docs/reports.md does what it says, line after line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.sample_reports import saibench_report

from pytest_mlff.reports.frame_table import csv_file
from pytest_mlff.reports.json_report import write_report

PAGE = Path(__file__).parents[3] / "docs" / "reports.md"


def test_the_blocks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not PAGE.exists():
        pytest.skip("the documentation is in the repository, not in the installed package")
    pytest.importorskip("pandas")
    report = saibench_report()
    write_report(tmp_path / "mlff.json", report)
    (tmp_path / "cases.csv").write_text(csv_file(report), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(block, names)
