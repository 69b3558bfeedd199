"""``--mlff-level``: accuracy on labels of another level is reported, never green and never red."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.gated import cases, gate_run, gated_repo

if TYPE_CHECKING:
    from pytest import Pytester


def test_accuracy_of_another_level_is_reported_with_a_way_out(pytester: Pytester) -> None:
    gated_repo(pytester)
    assert gate_run(pytester, "base", report="base.json").ret == 0
    result = gate_run(pytester, "worse", "--mlff-level=PBE", "--mlff-baseline=base.json")
    # Nothing was judged: exit code 0 would be taken for a green run.
    assert result.ret == 1
    for case in cases(pytester).values():
        assert (case["verdict"], case["regressed"], case["baseline"]) == ("reported", None, None)
        assert case["evidence"]["level"] == "PBE"
        assert "the labels are of GFN2-xTB, and the model is of PBE" in case["reason"]
    result.stdout.fnmatch_lines(
        ["*5 cases: 5 reported", "*gate on data of your own*", "*no case was judged*"]
    )
    # The mutant: a level that is said, and the same, excuses nothing.
    told = gate_run(pytester, "worse", "--mlff-level=gfn2-xtb", "--mlff-baseline=base.json")
    assert told.ret == 1
    assert {case["verdict"] for case in cases(pytester).values()} == {"regressed"}
