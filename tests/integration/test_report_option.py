"""``--mlff-report``: complete, in agreement with JUnit, and never lost."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import pytest
from support.gated import IDS, SPEC, cases, gate_run, gated_repo
from support.junit import junit_problems, junit_verdicts
from support.repos import read_json

from pytest_mlff.reports.json_report import load_report

if TYPE_CHECKING:
    from pytest import Pytester

RED = {"failed": "failure", "regressed": "failure", "error": "failure"}
COLOUR = {**RED, "unsupported": "skipped", "skipped": "skipped", "passed": "passed"}


def _agree(pytester: Pytester) -> None:
    """JUnit and JSON say the same of every case, and neither knows one more."""
    assert junit_problems(pytester.path / "junit.xml") == []
    junit = junit_verdicts(pytester.path / "junit.xml")
    found = cases(pytester)
    assert set(junit) == set(found)
    for name, case in found.items():
        assert case["nodeid"].endswith(f"[{name}]")
        outcome, verdict = junit[name]
        assert verdict is None  # xunit2 has no place for it
        assert outcome == COLOUR[case["verdict"]]


def test_junit_and_json_agree_case_by_case(pytester: Pytester) -> None:
    root = gated_repo(pytester)
    gate_run(pytester, "base", report="base.json")
    (root / "specs" / "small.yaml").write_text(
        SPEC.replace("species: [all, each]", "species: [all, C]").replace(
            "max: 100, unit: meV/Å", "max: 9, unit: meV/Å"
        )
        + "  - {metric: stress_consistency, thresholds: "
        + "[{max: 1, unit: '1', provenance: *limit}]}\n"
        + "  - {metric: force_rmse, thresholds: [{max: 99, unit: meV/Å, provenance: *limit}]}\n"
    )
    result = gate_run(pytester, "worse", "--mlff-baseline=base.json", "--junitxml=junit.xml")
    found = {name: case["verdict"] for name, case in cases(pytester).items()}
    assert {"regressed", "failed", "passed"} <= set(found.values())
    assert {"unsupported", "error"} & set(found.values())
    assert result.ret == 1
    _agree(pytester)


def test_both_are_complete_when_a_worker_is_killed(pytester: Pytester) -> None:
    pytest.importorskip("xdist")
    gated_repo(pytester)
    gate_run(pytester, "base", report="base.json")
    pytester.makeconftest(
        "import os\n"
        "def pytest_runtest_call(item):\n"
        "    if 'force_mae[C]' in item.name and 'PYTEST_XDIST_WORKER' in os.environ:\n"
        "        os._exit(13)\n"
    )
    result = gate_run(pytester, "worse", "--mlff-baseline=base.json", "--junitxml=junit.xml", "-n2")
    assert result.ret == 1
    found = {name: case["verdict"] for name, case in cases(pytester).items()}
    assert found == {name: "error" if name == IDS[2] else "regressed" for name in IDS}
    _agree(pytester)


def test_the_checker_of_junit_files_sees_faults(pytester: Pytester) -> None:
    gated_repo(pytester)
    gate_run(pytester, "base", "--junitxml=junit.xml")
    path = pytester.path / "junit.xml"
    assert junit_problems(path) == []
    text = path.read_text()
    for old, new in (
        ('tests="5"', 'tests="4"'),
        ("<testcase ", '<testcase verdict="x" '),
        ("</testsuite>", "<note/></testsuite>"),
        ("</testcase>", "<properties/></testcase>")
        if "</testcase>" in text
        else ("/></testsuite>", "><properties/></testcase></testsuite>"),
    ):
        assert old in text
        path.write_text(text.replace(old, new))
        assert junit_problems(path)


def test_series_and_structures_stay_out_of_junit(pytester: Pytester) -> None:
    gated_repo(pytester)
    gate_run(pytester, "base", "--junitxml=junit.xml", "-o", "junit_family=xunit1")
    text = (pytester.path / "junit.xml").read_text()
    assert "mlff.value" in text
    for word in ("positions", "symbols", "entry", "arrays", "detail"):
        assert word not in text
    assert len(text) < 12_000


@pytest.mark.parametrize("workers", [pytest.param((), marks=pytest.mark.slow), ("-n2",)])
def test_per_frame_values_and_the_worst_frame(pytester: Pytester, workers: tuple[str, ...]) -> None:
    if workers:
        pytest.importorskip("xdist")
    from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER
    from pytest_mlff.gate.compare import read_runs

    gated_repo(pytester)
    gate_run(pytester, "base", *workers)
    found = cases(pytester)
    (records,) = read_runs([pytester.path / "report.json"]).values()
    assert set(records) == set(IDS)
    with np.load(EMBEDDED_FOLDER / "ethanol.npz") as archive:
        positions = archive["positions"][len(archive["positions"]) * 85 // 100 :]
    for name, record in records.items():
        case = found[name]
        assert record.value == case["value"]
        assert record.series.value == pytest.approx(case["value"], rel=1e-3)
        assert len(record.series) == case["n_frames"]
        worst = int(np.argmax(record.series.per_frame))
        assert record.series.order[worst] == case["evidence"]["worst_frame"]
        shown = case["worst_frame"]
        assert shown["note"] == f"test frame {worst} of ethanol"
        np.testing.assert_allclose(shown["positions"], positions[worst], atol=1e-5)
        assert sorted(shown["symbols"]) == sorted("CCOHHHHHH")
        assert shown["cell"] is None
    # The mean of |x|, |y| and |z| lies between a third of the norm and 1/√3 of it.
    case = found[IDS[1]]
    norm = np.mean(case["worst_frame"]["atom_errors"])
    assert norm / 3 <= case["evidence"]["worst_frame_value"] <= norm / np.sqrt(3)


def test_a_broken_law_shows_its_structure(pytester: Pytester) -> None:
    law = SPEC[: SPEC.index("cases:")] + (
        "cases:\n  - metric: net_force\n    options: {examples: 3}\n    thresholds: [{max: 1, "
        'unit: "1", provenance: {source: physical_limit, reference: exact}}]\n'
    )
    gated_repo(pytester, law)
    assert gate_run(pytester, "base").ret == 1
    (case,) = cases(pytester).values()
    shown = case["counterexample"]
    assert len(shown["symbols"]) == len(shown["positions"]) > 0
    assert "add up to" in shown["note"]
    assert "largest violation" in case["detail"]


def test_a_killed_run_leaves_what_it_had(pytester: Pytester) -> None:
    root = gated_repo(pytester)
    gate_run(pytester, "base")
    old = (root / "report.json").read_bytes()
    pytester.makeconftest(
        "import os, signal\n"
        "def pytest_runtest_setup(item):\n"
        "    if 'force_mae[H]' in item.name:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    result = pytester.run(
        sys.executable, "-m", "pytest", "--mlff-model=gated.py:worse",
        "--mlff-suite=specs/small.yaml", "--mlff-report=report.json", "-p", "no:cacheprovider",
    )  # fmt: skip
    assert result.ret == -9
    # The older report is untouched; the new one is whole, and says that it is not the end.
    assert (root / "report.json").read_bytes() == old
    partial = read_json(root / "report.partial.json")
    assert partial["run"]["exit_code"] is None
    assert partial["run"]["collected"] == len(IDS)
    assert [case["case_id"] for case in partial["cases"]] == list(IDS[:3])
    assert all(case["worst_frame"] for case in partial["cases"])
    assert [case.case_id for case in load_report(root / "report.partial.json").cases]
    (root / "conftest.py").unlink()
    assert gate_run(pytester, "worse").ret == 0
    assert not (root / "report.partial.json").exists()
    assert set(cases(pytester)) == set(IDS)


def test_a_full_disk_at_the_end_leaves_the_measurements(
    pytester: Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytest_mlff.reports import json_report

    root = gated_repo(pytester)
    gate_run(pytester, "base")
    old = {one: (root / one).read_bytes() for one in ("report.json", "report.residuals.npz")}

    def full(path: object, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(json_report, "write_atomically", full)
        result = gate_run(pytester, "worse")
    assert result.ret == 1
    assert {one: (root / one).read_bytes() for one in old} == old
    assert len(read_json(root / "report.partial.json")["cases"]) == len(IDS)
    result.stdout.fnmatch_lines(["*No space left on device*", "*kept in *report.partial.json"])
    result.stdout.no_fnmatch_line("*report written to*")


@pytest.mark.parametrize("workers", [[], ["-n1"]])
def test_a_failure_is_summed_up_in_one_line(
    pytester: Pytester, monkeypatch: pytest.MonkeyPatch, workers: list[str]
) -> None:
    """On GitHub pytest repeats messages whole; viewers of JUnit show them in lists."""
    if workers:
        pytest.importorskip("xdist")
    monkeypatch.setenv("CI", "true")
    gated_repo(pytester, SPEC.replace("max: 100", "max: 0.001"))
    result = gate_run(pytester, "base", "--junitxml=junit.xml", *workers)
    assert result.ret == 1
    lines = result.outlines
    summary = lines[next(i for i, line in enumerate(lines) if "short test summary" in line) + 1 :]
    assert len([line for line in summary if line.startswith("FAILED ")]) == len(IDS)
    assert len(summary) == len(IDS) + 1
    result.stdout.fnmatch_lines(["*threshold*physical_limit*"])
    for failure in ElementTree.parse(pytester.path / "junit.xml").iter("failure"):
        assert "\n" not in failure.get("message", "\n")
        assert "physical_limit" in str(failure.text)


def test_the_exit_code_is_in_the_report(pytester: Pytester) -> None:
    gated_repo(pytester)
    gate_run(pytester, "base", report="base.json")
    result = gate_run(pytester, "worse", "--mlff-baseline=base.json")
    report = json.loads((pytester.path / "report.json").read_text())
    assert report["run"]["exit_code"] == result.ret == 1
    assert report["residuals"]["sidecar"]["file"] == "report.residuals.npz"
