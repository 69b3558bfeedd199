"""The report as DataFrame and CSV, against a plain loop over the JSON."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.sample_reports import saibench_report

import pytest_mlff
from pytest_mlff.errors import MissingExtraError, MlffError
from pytest_mlff.reports.formats import report_formats
from pytest_mlff.reports.frame_table import csv_text, frame_of
from pytest_mlff.reports.json_report import write_report
from pytest_mlff.reports.model import CaseRecord, Report, VariantRecord

if TYPE_CHECKING:
    from pathlib import Path

pd = pytest.importorskip("pandas")

STRUCTURES = ("worst_frame", "counterexample")


@pytest.fixture(scope="module")
def report() -> Report:
    return saibench_report(("one", "two"))


@pytest.fixture(scope="module")
def path(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("table") / "report.json"
    write_report(target, report)
    return target


def with_cases(report: Report, *changes: dict[str, Any]) -> Report:
    """The report's first case, changed in several ways."""
    cases = [report.cases[1].model_copy(update=change) for change in changes]
    return report.model_copy(update={"cases": cases, "variants": []})


def test_every_number_of_the_json_stands_in_its_place(path: Path) -> None:
    raw = json.loads(path.read_bytes())
    frame = pytest_mlff.read_report(path)
    assert len(frame) == len(raw["cases"]) > 500
    axes = {(v["suite"], v["spec"], v["variant"], v["dataset"]): v["axes"] for v in raw["variants"]}
    expected = {"axis_" + name for found in axes.values() for name in found}
    expected |= {"evidence_" + name for case in raw["cases"] for name in case["evidence"]}
    # What is looked at, not counted with, stays in the JSON and the page.
    expected |= set(CaseRecord.model_fields) - {"evidence", "pictures", "film"}
    assert set(frame.columns) == expected
    for (_, row), case in zip(frame.iterrows(), raw["cases"], strict=True):
        key = (case["suite"], case["spec"], case["variant"], case["dataset"])
        flat = {f"axis_{name}": value for name, value in axes[key].items()}
        flat |= {f"evidence_{name}": value for name, value in case["evidence"].items()}
        flat |= {name: value for name, value in case.items() if name != "evidence"}
        for name in expected:
            value = flat.get(name)
            found = row[name]
            if value is None or value == "":
                assert pd.isna(found), (name, found)
            elif name in STRUCTURES:
                assert json.loads(found) == value
            else:
                assert found == value, name


def test_kinds_of_columns(path: Path) -> None:
    frame = pytest_mlff.read_report(path)
    kinds = {name: str(kind) for name, kind in frame.dtypes.items()}
    assert kinds["value"] == kinds["ci_low"] == kinds["threshold"] == "float64"
    assert kinds["n_frames"] == kinds["axis_samples"] == kinds["axis_start"] == "Int64"
    assert kinds["regressed"] == "boolean"
    assert kinds["axis_train_set"] == kinds["model"] == kinds["reason"] == "string"
    assert kinds["verdict"] == "category"
    # Gravest first, so that sorting and comparing mean something.
    assert frame["verdict"].min() == "error"
    assert (frame["verdict"] < "passed").sum() == (frame["verdict"] != "passed").sum()


def test_the_run_is_kept_beside_the_rows(path: Path, report: Report) -> None:
    attrs = pytest_mlff.read_report(str(path)).attrs
    assert attrs["run"] == report.run.model_dump()
    assert [model["name"] for model in attrs["models"]] == ["one", "two"]
    assert attrs["schema_version"] == 1
    assert attrs["path"] == str(path)


def test_csv_read_by_pandas_is_the_same_table(path: Path, report: Report, tmp_path: Path) -> None:
    frame = pytest_mlff.read_report(path)
    report_formats()["csv"].write(tmp_path / "r.csv", report)
    back = pd.read_csv(
        tmp_path / "r.csv", dtype=frame.dtypes.to_dict(), keep_default_na=False, na_values=[""],
        float_precision="round_trip",
    )  # fmt: skip
    pd.testing.assert_frame_equal(frame, back, check_exact=True)


def test_csv_is_for_spreadsheets_and_pipes(report: Report, tmp_path: Path) -> None:
    report_formats()["csv"].write(tmp_path / "r.csv", report)
    content = (tmp_path / "r.csv").read_bytes()
    # Without the mark a spreadsheet takes UTF-8 for Latin-1 and shows meV/Ã….
    assert content.startswith(b"\xef\xbb\xbfcase_id,")
    text = csv_text(report)
    assert content.decode("utf-8-sig") == text
    rows = list(csv.reader(io.StringIO(text)))
    assert {len(row) for row in rows} == {len(rows[0])}
    assert len(rows) == 1 + len(report.cases)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(report: Report, start: str) -> None:
    evil = f'{start}HYPERLINK("http://x")'
    changed = with_cases(
        report,
        {"reason": evil, "model": evil, "value": -1.5, "evidence": {evil: evil, "loss": -2.0}},
    )
    (head, row) = csv.reader(io.StringIO(csv_text(changed)))
    cells = dict(zip(head, row, strict=True))
    assert cells["reason"] == cells["model"] == "'" + evil
    # Numbers stay numbers.
    assert cells["value"] == "-1.5"
    assert cells["evidence_loss"] == "-2.0"
    assert not any(name.startswith(start) for name in head)


def test_numbers_at_full_precision_and_any_size(report: Report) -> None:
    values = [0.1 + 0.2, 1e-300, 1.7976931348623157e308, 5e-324]
    changed = with_cases(report, *({"value": v, "evidence": {"big": 2**70}} for v in values))
    assert frame_of(changed)["value"].tolist() == values
    assert [float(row["value"]) for row in csv.DictReader(io.StringIO(csv_text(changed)))] == values
    # No integer type holds this; text loses nothing.
    assert frame_of(changed)["evidence_big"].tolist() == [str(2**70)] * 4


def test_mixed_evidence(report: Report) -> None:
    changed = with_cases(
        report,
        {"evidence": {"a": 1, "b": 1, "c": "x"}},
        {"evidence": {"a": 2.5, "b": "many"}},
        {"evidence": {}},
    )
    frame = frame_of(changed)
    assert frame["evidence_a"].tolist()[:2] == [1.0, 2.5]
    assert math.isnan(frame["evidence_a"].iloc[2])
    assert frame["evidence_b"].tolist()[:2] == ["1", "many"]
    assert frame["evidence_c"].isna().tolist() == [False, True, True]


def test_axes_belong_to_their_own_dataset(report: Report) -> None:
    """Two variants of one name on two datasets keep their own axes."""
    case = report.cases[1]
    variants = [
        VariantRecord(
            suite=case.suite, spec=case.spec, variant=case.variant, dataset=dataset,
            axes={"n": n}, train_molecules=[], test_molecules=[], train_window=None,
            test_window=[0.0, 1.0], n_train=None, n_test=None,
        )
        for dataset, n in (("embedded", 1), ("rmd17", 2))
    ]  # fmt: skip
    cases = [case.model_copy(update={"dataset": name}) for name in ("rmd17", "embedded", "other")]
    frame = frame_of(report.model_copy(update={"cases": cases, "variants": variants}))
    assert frame["axis_n"].tolist()[:2] == [2, 1]
    assert frame["axis_n"].isna().tolist() == [False, False, True]


def test_a_report_without_cases(report: Report) -> None:
    empty = report.model_copy(update={"cases": []})
    frame = frame_of(empty)
    assert len(frame) == 0
    assert "value" in frame
    assert csv_text(empty).count("\n") == 1


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(MlffError, match="cannot read the report"):
        pytest_mlff.read_report(tmp_path / "nothing.json")


def test_an_old_file_survives(report: Report, tmp_path: Path, monkeypatch: Any) -> None:
    target = tmp_path / "r.csv"
    target.write_text("old")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(MlffError, match=r"r\.csv: cannot write the csv report \(No space left"):
        report_formats()["csv"].write(target, report)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_without_pandas(report: Report, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"pytest-mlff\[report\]"):
        frame_of(report)
    assert csv_text(report).startswith("case_id,")


def test_read_report_costs_nothing_until_it_is_used() -> None:
    code = (
        "import sys, pytest_mlff; found = pytest_mlff.read_report; from pytest_mlff import *;"
        "print('pandas' in sys.modules, read_report is found, 'read_report' in dir(pytest_mlff))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["False", "True", "True"]
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = pytest_mlff.nothing_such
