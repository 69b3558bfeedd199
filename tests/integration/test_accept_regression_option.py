"""``--mlff-accept-regression``: a worsening goes in for a reason, which is kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.gated import IDS, SPEC, cases, gate_run, gated_repo, only_line
from support.repos import once

if TYPE_CHECKING:
    from pathlib import Path

    from pytest import Pytester

BASELINE = "--mlff-baseline=baselines/demo.json"
UPDATE = "--mlff-update-baseline"


@pytest.fixture
def kept(pytester: Pytester, shared: Path) -> Path:
    """A repository whose base model is the baseline."""

    def update() -> None:
        gated_repo(pytester)
        gate_run(pytester, "base", BASELINE, UPDATE)

    once(pytester, shared / "kept", update)
    return pytester.path


def test_an_accepted_regression_is_green_said_and_kept(pytester: Pytester, kept: Path) -> None:
    result = gate_run(
        pytester, "worse", BASELINE, UPDATE, "--mlff-accept-regression=twice as  fast"
    )
    assert result.ret == 0
    for case in cases(pytester).values():
        assert (case["verdict"], case["regressed"]) == ("passed", True)
        assert case["reason"].endswith("accepted: twice as  fast")
    result.stdout.fnmatch_lines(["*5 accepted"])
    document = json.loads((pytester.path / "baselines" / "demo.json").read_text())
    for name in IDS:
        (accepted,) = document["cases"][name]["accepted"]
        assert accepted["reason"] == "twice as fast"
        assert accepted["before"] < accepted["after"] == document["cases"][name]["value"]
    # From now on the worse model is what others are held against.
    assert gate_run(pytester, "worse", BASELINE).ret == 0


def test_accepting_excuses_no_threshold(pytester: Pytester, kept: Path) -> None:
    (kept / "specs" / "small.yaml").write_text(SPEC.replace("max: 100", "max: 0.1"))
    result = gate_run(pytester, "worse", BASELINE, UPDATE, "--mlff-accept-regression=faster")
    assert result.ret == 1
    assert {case["verdict"] for case in cases(pytester).values()} == {"failed"}


def test_other_data_go_in_for_a_reason(pytester: Pytester, kept: Path) -> None:
    (kept / "specs" / "small.yaml").write_text(SPEC.replace("start: 85", "start: 80"))
    assert gate_run(pytester, "base", BASELINE, UPDATE).ret == 1
    result = gate_run(pytester, "base", BASELINE, UPDATE, "--mlff-accept-regression=more frames")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*5 renewed"])
    assert gate_run(pytester, "base", BASELINE).ret == 0


@pytest.mark.parametrize("reason", ["", "  "])
def test_an_empty_reason_is_one_line_before_anything_runs(pytester: Pytester, reason: str) -> None:
    gated_repo(pytester)
    result = gate_run(pytester, "base", BASELINE, UPDATE, f"--mlff-accept-regression={reason}")
    assert "needs a reason" in only_line(result)
    assert not (pytester.path / "baselines").exists()


def test_accepting_without_updating_is_one_line(pytester: Pytester) -> None:
    gated_repo(pytester)
    result = gate_run(pytester, "base", BASELINE, "--mlff-accept-regression=faster")
    assert "--mlff-update-baseline" in only_line(result)
