"""Under xdist: same verdicts, nothing lost, also when a worker dies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.repos import CASES, model_repo, read_json, run_case, verdicts

if TYPE_CHECKING:
    from pytest import Pytester

pytest.importorskip("xdist")


def _values(pytester: Pytester) -> tuple[object, dict[str, tuple[str, float | None]]]:
    report = read_json(pytester.path / "report.json")
    said = report["models"], report["run"]["model_digests"]
    return said, {case["case_id"]: (case["verdict"], case["value"]) for case in report["cases"]}


@pytest.mark.parametrize("model", [pytest.param("exact", marks=pytest.mark.slow), "scaled"])
def test_two_workers_say_what_one_process_says(pytester: Pytester, model: str) -> None:
    model_repo(pytester)
    alone = run_case(pytester, model=f"models.py:{model}")
    expected = _values(pytester)
    shared = run_case(pytester, "-n2", model=f"models.py:{model}")
    assert _values(pytester) == expected
    assert shared.ret == alone.ret
    assert len(expected[1]) == CASES


def test_a_model_that_is_not_in_order_ends_the_run(pytester: Pytester) -> None:
    model_repo(pytester)
    (pytester.path / "bad.pth").write_text("no model")
    result = run_case(pytester, "-n2", model="bad.pth")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert sum("bad.pth: not a checkpoint" in line for line in result.outlines) == 1
    assert not (pytester.path / "report.json").exists()


def test_workers_asked_for_in_the_ini_file(pytester: Pytester) -> None:
    model_repo(pytester)
    pytester.makeini("[pytest]\naddopts = -n 2\ntestpaths = checks\n")
    pytester.mkdir("checks").joinpath("test_in.py").write_text("def test_in(): pass")
    result = run_case(pytester)
    result.assert_outcomes(passed=CASES + 1)
    assert len(verdicts(pytester.path / "report.json")) == CASES


def test_junit_carries_the_measurements(pytester: Pytester) -> None:
    from xml.etree import ElementTree

    model_repo(pytester)
    run_case(pytester, "-n2", "--junitxml=junit.xml", "-o", "junit_family=xunit1")
    tree = ElementTree.parse(pytester.path / "junit.xml")
    found = [
        {p.get("name"): p.get("value") for p in case.iter("property")}
        for case in tree.iter("testcase")
    ]
    assert len(found) == CASES
    values = {
        case["case_id"]: case["value"] for case in read_json(pytester.path / "report.json")["cases"]
    }
    for one in found:
        assert one["mlff.verdict"] == "passed"
        assert float(one["mlff.value"]) == values[one["mlff.case_id"]]


@pytest.mark.slow
def test_a_killed_worker_costs_its_case_and_nothing_else(pytester: Pytester) -> None:
    model_repo(pytester)
    pytester.makepyfile("def test_own(): pass")
    result = run_case(pytester, "-n2", model="models.py:dies")
    found = verdicts(pytester.path / "report.json")
    # Every case kills the worker that runs it; each is accounted for and none is green.
    assert len(found) == CASES
    assert set(found.values()) == {"error"}
    assert result.ret == 1
