"""The JSON report: schema, primitives, and bad files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydantic import ValidationError

from pytest_mlff.errors import MlffError
from pytest_mlff.reports import json_report
from pytest_mlff.reports.json_report import load_report, sidecar_path, write_report
from pytest_mlff.reports.model import (
    SCHEMA_FILE,
    CaseRecord,
    Report,
    RunRecord,
    StructureRecord,
    plain,
    schema_text,
)
from pytest_mlff.reports.properties import from_properties, to_properties
from pytest_mlff.reports.terminal import change, measurement, summary_line, table

if TYPE_CHECKING:
    from pathlib import Path


def record(**changes: Any) -> CaseRecord:
    content: dict[str, Any] = {
        "case_id": "s/p/v/force_mae[C]", "suite": "s", "spec": "p", "variant": "v",
        "metric": "force_mae", "species": "C", "model": "m", "dataset": "embedded",
        "value": 41.25, "unit": "meV/Å", "n_frames": 10, "n_atoms": 90, "ci_low": 40.0,
        "ci_high": 42.5, "threshold": 45.0, "threshold_provenance": "paper: Table 1",
        "baseline": None, "regressed": None, "verdict": "passed", "reason": "below",
        "seconds": 0.5, "nodeid": "p.yaml::test_accuracy[v/force_mae[C]]",
        "evidence": {"dof": 12.5, "worst_frame": 3},
    }  # fmt: skip
    return CaseRecord(**{**content, **changes})


def report(*cases: CaseRecord) -> Report:
    run = RunRecord(
        started="2026-01-01T00:00:00+00:00", seconds=1.0, exit_code=0, versions={}, device="cpu",
        dtype=None, seeds={}, platform={}, spec_digests={}, data_digests={}, model_digests={},
        collected=len(cases),
    )  # fmt: skip
    return Report(run=run, models=[], cases=list(cases))


def test_the_published_schema_is_up_to_date() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text()


def test_a_report_comes_back(tmp_path: Path) -> None:
    written = report(record(), record(value=None, verdict="error"))
    write_report(tmp_path / "r.json", written)
    assert load_report(tmp_path / "r.json") == written


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_number_that_json_lacks(value: float) -> None:
    assert plain(value) is None
    assert plain(np.float64(value)) is None
    with pytest.raises(ValidationError):
        record(value=value)


def test_numpy_ends_here() -> None:
    for number in (np.float64(1.5), np.float32(1.5), np.array(1.5)):
        assert type(plain(number)) is float
    assert type(plain(np.int64(3))) is int
    assert type(plain(np.bool_(True))) is int


def test_full_precision(tmp_path: Path) -> None:
    value = 0.1 + 0.2
    write_report(tmp_path / "r.json", report(record(value=value)))
    assert json.loads((tmp_path / "r.json").read_text())["cases"][0]["value"] == value


def test_properties_carry_a_record_between_processes() -> None:
    written = record(value=None, ci_low=None, species=None)
    properties = to_properties(written)
    assert all(type(value) in (str, float, int, bool) for _, value in properties)
    # xdist and JSON turn tuples into lists.
    carried = [tuple(pair) for pair in json.loads(json.dumps(properties))]
    assert from_properties(carried, written.nodeid, 0.5) == written
    assert from_properties([("other", 1)], "x", 0.0) is None


@pytest.mark.parametrize(
    "content, words",
    [
        (None, "cannot read"),
        ("{", "not a JSON report"),
        ("[]", "schema version None"),
        ('{"schema_version": 99}', "schema version 99"),
        ('{"schema_version": 1, "run": {}}', "not a valid report"),
    ],
)
def test_bad_files_are_one_line(tmp_path: Path, content: str | None, words: str) -> None:
    path = tmp_path / "r.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(MlffError, match=words) as caught:
        load_report(path)
    assert "\n" not in str(caught.value)
    assert "r.json" in str(caught.value)


def test_the_worst_stand_first() -> None:
    records = [
        record(case_id="fine", value=1.0),
        record(case_id="close", value=44.0),
        record(case_id="bad", value=50.0, verdict="failed"),
        record(case_id="worse", value=90.0, verdict="failed"),
        record(case_id="unknown", value=None, verdict="unsupported"),
        record(case_id="broken", value=None, verdict="error"),
    ]
    lines = [line.split()[0] for line, _ in table(records, None) if not line.startswith("  ")]
    assert lines == ["case", "broken", "worse", "bad", "unknown", "close", "fine"]
    short = table(records, 5)
    assert [line.split()[0] for line, _ in short][-2:] == ["close", "…"]
    assert summary_line(records, 6) == "6 cases: 1 error, 1 unsupported, 2 failed, 2 passed"


def test_measurement_shows_half_the_interval() -> None:
    assert measurement(record()) == "41.25 ± 1.2"
    assert measurement(record(ci_low=None)) == "41.25"
    assert measurement(record(value=None)) == "–"
    undecided = record(ci_low=None, ci_high=None, evidence={"undecided": "too few frames"})
    assert measurement(undecided) == "41.25 ± ?"
    assert table([undecided], None)[-1][0].startswith("± ?")
    assert not any("± ?" in line for line, _ in table([record()], None))


def test_a_dimensionless_value_stands_alone() -> None:
    row = table([record(unit="1", value=0.25, ci_low=None, threshold=1.0)], None)[1][0]
    assert row.split() == ["s/p/v/force_mae[C]", "0.25", "≤", "1", "passed"]


def test_a_smallest_acceptable_value_is_shown_and_sorted_as_one() -> None:
    good = record(unit="1", value=0.9, threshold=0.5, larger_is_better=True)
    close = record(unit="1", value=0.51, threshold=0.5, larger_is_better=True)
    rows = table([good, close], None)
    assert ["≥" in line for line, _ in rows[1:]] == [True, True]
    assert rows[1][0].split()[1] == "0.51"
    assert close.load == pytest.approx(0.5 / 0.51)
    assert record(value=0.0, threshold=0.5, larger_is_better=True).load == pytest.approx(1e9)
    assert record(value=-0.1, threshold=-0.2, larger_is_better=True).load < 1.0
    assert record(value=-0.3, threshold=-0.2, larger_is_better=True).load > 1.0


def test_change_against_the_baseline() -> None:
    assert change(record(baseline=40.0, regressed=False)) == "+3.1 %"
    better = {"evidence": {"against_baseline": "better"}}
    assert change(record(baseline=50.0, regressed=False, **better)) == "-17.5 % better"
    assert change(record(baseline=40.0, regressed=None)) == "+3.1 % ?"
    assert change(record(baseline=0.0, regressed=None)) == "from 0"
    assert change(record()) == "–"


def test_the_column_of_the_baseline_is_there_only_with_one() -> None:
    compared = record(case_id="compared", baseline=40.0, regressed=True, verdict="regressed")
    lines = [line for line, _ in table([record(), compared], None)]
    assert lines[0].split() == [
        "case", "measured", "(95", "%)", "threshold", "unit", "baseline", "verdict",
    ]  # fmt: skip
    assert lines[1].split()[-3:] == ["%", "worse", "regressed"]
    assert lines[2].split()[-2:] == ["–", "passed"]
    assert "baseline" not in table([record()], None)[0][0]
    undecided = table([record(baseline=40.0)], None)[-1][0]
    assert undecided.startswith("% ?")


def test_cases_without_a_model_or_a_threshold() -> None:
    data = record(case_id="data", model=None, threshold=None, threshold_provenance=None)
    lines = [line for line, _ in table([data, record(), record(model="other")], None)]
    assert any(line.startswith("data ") for line in lines)
    assert not any("None" in line for line in lines)
    written = to_properties(data)
    assert from_properties(written, data.nodeid, 0.5) == data


def test_structures_are_no_properties() -> None:
    shown = StructureRecord(symbols=["H"], positions=[[0.0, 0.0, 0.0]], note="n")
    full = record(worst_frame=shown, counterexample=shown, detail="two\nlines")
    assert to_properties(full) == to_properties(record())


def test_the_sidecar_goes_with_its_report(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    write_report(path, report(record()), b"values")
    assert sidecar_path(path).read_bytes() == b"values"
    write_report(path, report(record()))
    assert [one.name for one in tmp_path.iterdir()] == ["r.json"]


def test_a_full_disk_leaves_report_and_sidecar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.json"
    write_report(path, report(record()), b"values")
    before = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
    real = json_report.write_atomically

    def full(target: Path, content: bytes) -> None:
        if target == path:
            raise OSError(28, "No space left on device")
        real(target, content)

    monkeypatch.setattr(json_report, "write_atomically", full)
    with pytest.raises(MlffError, match="No space left"):
        write_report(path, report(record(value=1.0)), b"others")
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == before
