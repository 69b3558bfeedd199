"""The unfinished report: whole after every write, cheap, and readable when torn."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlff.errors import MlffError
from pytest_mlff.reports.json_report import load_report
from pytest_mlff.reports.model import CaseRecord, Report, RunRecord
from pytest_mlff.reports.stream import ReportStream, partial_path

if TYPE_CHECKING:
    from pathlib import Path


def case(number: int, **changes: Any) -> CaseRecord:
    content: dict[str, Any] = {
        "case_id": f"s/p/v/m{number}", "suite": "s", "spec": "p", "variant": "v", "metric": "m",
        "species": None, "model": "µ\n\"", "dataset": "embedded", "value": 0.1 + number,
        "unit": "meV/Å", "n_frames": 1, "n_atoms": 1, "ci_low": None, "ci_high": None,
        "threshold": None, "threshold_provenance": None, "baseline": None, "regressed": None,
        "verdict": "passed", "reason": "]}\n,", "seconds": 0.0, "nodeid": f"n{number}",
        "evidence": {},
    }  # fmt: skip
    return CaseRecord(**{**content, **changes})


def head() -> Report:
    run = RunRecord(
        started="2026-01-01T00:00:00+00:00", seconds=1.0, exit_code=None, versions={},
        device="cpu", dtype=None, seeds={}, platform={}, spec_digests={}, data_digests={},
        model_digests={}, collected=9,
    )  # fmt: skip
    return Report(run=run, models=[], cases=[])


def test_whole_after_every_write(tmp_path: Path) -> None:
    stream = ReportStream(tmp_path / "r.json")
    assert stream.path == tmp_path / "r.partial.json" == partial_path(tmp_path / "r.json")
    stream.start(head())
    for number in range(5):
        assert load_report(stream.path).cases == [case(n) for n in range(number)]
        stream.append(case(number))
    assert load_report(stream.path) == head().model_copy(
        update={"cases": [case(n) for n in range(5)]}
    )
    stream.remove()
    assert list(tmp_path.iterdir()) == []


def test_the_cost_of_a_case_does_not_grow(tmp_path: Path) -> None:
    stream = ReportStream(tmp_path / "r.json")
    stream.start(head())
    assert stream._file is not None
    written: list[int] = []
    real = stream._file

    class Counted:
        def write(self, content: bytes) -> int:
            written.append(len(content))
            return real.write(content)

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

    stream._file = Counted()  # type: ignore[assignment]
    for _ in range(300):
        stream.append(case(1))
    # One write a case, all of one length but the first, which needs no comma.
    assert len(written) == 300
    assert set(written[1:]) == {written[0] + 1}


@pytest.mark.parametrize("cut", [1, 2, 4, 40, 200])
def test_a_torn_write_costs_one_case(tmp_path: Path, cut: int) -> None:
    stream = ReportStream(tmp_path / "r.json")
    stream.start(head())
    for number in range(3):
        stream.append(case(number))
    stream.close()
    whole = stream.path.read_bytes()
    stream.path.write_bytes(whole[:-cut])
    kept = 3 if cut < 4 else 2
    assert [one.nodeid for one in load_report(stream.path).cases] == [f"n{n}" for n in range(kept)]
    # A finished report is never repaired: there, a missing end means that something is wrong.
    finished = tmp_path / "r.json"
    finished.write_bytes(whole[:-cut] if cut > 1 else whole[:-2])
    with pytest.raises(MlffError, match="not a JSON report"):
        load_report(finished)


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    stream = ReportStream(tmp_path / "r.json")
    stream.start(head())
    stream.append(case(0))
    real = stream._file

    class Full:
        first = True

        def write(self, content: bytes) -> int:
            assert real is not None
            if self.first:
                self.first = False
                return real.write(content[:50])
            return real.write(content)

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

    stream._file = Full()  # type: ignore[assignment]
    with pytest.raises(MlffError, match="No space left"):
        stream.append(case(1))
    assert [one["nodeid"] for one in json.loads(stream.path.read_bytes())["cases"]] == ["n0"]
    stream.append(case(2))
    assert [one.nodeid for one in load_report(stream.path).cases] == ["n0", "n2"]
