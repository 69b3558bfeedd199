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
        ["*5 cases: 5 reported", "*gate on data of your own*", "*the accuracy of * is not decided*"]
    )
    # The mutant: a level that is said, and the same, excuses nothing.
    told = gate_run(pytester, "worse", "--mlff-level=gfn2-xtb", "--mlff-baseline=base.json")
    assert told.ret == 1
    assert {case["verdict"] for case in cases(pytester).values()} == {"regressed"}


BROKEN = '''
def broken(device="cpu", dtype="float64"):
    """Two electronvolts an atom off: no level is an excuse for it."""
    from ase.calculators.calculator import Calculator, all_changes

    class Off(Calculator):
        implemented_properties = ["energy", "forces"]

        def calculate(self, atoms=None, properties=("energy",), changes=all_changes):
            super().calculate(atoms, properties, changes)
            self.results = {"energy": 2.0 * len(atoms), "forces": 0.0 * atoms.positions}

    return Off()
'''


def test_energies_far_off_are_never_green_where_nobody_says_the_level(pytester: Pytester) -> None:
    root = gated_repo(pytester)
    (root / "off.py").write_text(BROKEN, encoding="utf-8")
    result = gate_run(pytester, "off.py:broken")
    assert "reported" in {case["verdict"] for case in cases(pytester).values()}
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*the accuracy of * is not decided*"])
