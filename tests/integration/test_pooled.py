"""One pooled test over the systems of a spec: an ordinary item with a verdict of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.gated import SPEC, cases, gate_run, gated_repo

if TYPE_CHECKING:
    from pytest import Pytester

POOLED = SPEC.replace("molecule: [ethanol]", "molecule: [ethanol, malonaldehyde, uracil]").replace(
    "frames:", "pooled: [energy_mae, force_mae]\nframes:"
)
FORCE, ENERGY = "specs/small/pooled/force_mae", "specs/small/pooled/energy_mae"


def test_pooled_cases_stand_beside_the_single_ones_and_see_more(pytester: Pytester) -> None:
    gated_repo(pytester, POOLED)
    # It knows ethanol alone: of the others its level is not told, which is no green run.
    assert gate_run(pytester, "base", report="base.json").ret == 1
    known = cases(pytester, "base.json")
    assert (known[FORCE]["variant"], known[FORCE]["verdict"]) == ("pooled", "reported")
    singles = [f"specs/small/{name}/force_mae" for name in ("ethanol", "malonaldehyde", "uracil")]
    assert known[FORCE]["value"] == pytest.approx(sum(known[one]["value"] for one in singles) / 3)
    assert known[FORCE]["evidence"]["systems"] == 3

    result = gate_run(pytester, "worse", "--mlff-baseline=base.json")
    assert result.ret == 1
    found = cases(pytester)
    for name in (FORCE, ENERGY):
        assert found[name]["verdict"] == "regressed"
        # Two pooled cases share one half of the level, all others the other half.
        assert found[name]["evidence"]["baseline_tests"] == 2 * 2
    assert found[singles[0]]["evidence"]["baseline_tests"] == 2 * (len(found) - 2)
    # The errors of this model vary on ethanol alone.
    seen = [found[one]["evidence"]["minimum_detectable"] for one in (FORCE, singles[0])]
    assert seen[0] < seen[1]
    alone = gate_run(pytester, "worse", "--mlff-baseline=base.json", "-k", "pooled")
    assert alone.ret == 1
    for name, case in cases(pytester).items():
        assert case["reason"] == found[name]["reason"]
    alone.assert_outcomes(failed=2, deselected=len(found) - 2)


def test_without_thresholds_the_baseline_alone_judges(pytester: Pytester) -> None:
    start = SPEC.index("cases:")
    gated_repo(pytester, f"{SPEC[:start]}cases:\n  - metric: energy_mae\n  - metric: force_mae\n")
    first = gate_run(pytester, "base", report="base.json")
    # Exit code 0 would be green, and nothing was asked.
    assert first.ret == 1
    first.stdout.fnmatch_lines(["*2 cases: 2 reported", "*no case was judged*"])
    for model, code, verdict in (("better", 0, "passed"), ("worse", 1, "regressed")):
        assert gate_run(pytester, model, "--mlff-baseline=base.json").ret == code
        assert {case["verdict"] for case in cases(pytester).values()} == {verdict}


def test_what_cannot_be_pooled_is_one_line(pytester: Pytester) -> None:
    gated_repo(pytester, SPEC.replace("frames:", "pooled: [stress_mae]\nframes:"))
    result = gate_run(pytester, "base")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*pooled*stress_mae is no error metric of this spec*"])
