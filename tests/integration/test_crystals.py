"""The spec of crystals out of the box: EMT passes, and EMT with stress of the other sign fails."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest import Pytester

MUTANT = """
from ase.calculators.emt import EMT

class Pressure(EMT):
    '''Stress positive under compression, as VASP prints it.'''

    def calculate(self, *given, **more):
        super().calculate(*given, **more)
        if "stress" in self.results:
            self.results["stress"] = -self.results["stress"]

def make(device="cpu"):
    return Pressure()
"""


def test_emt_and_its_mutant(pytester: Pytester) -> None:
    (pytester.path / "mutant.py").write_text(MUTANT)
    result = pytester.runpytest(
        "--mlff-model=ase.calculators.emt:EMT", "--mlff-model=mutant.py:make", "--mlff-only",
        "--mlff-suite=crystals", "--mlff-level=EMT", "--mlff-report=r.json",
        "-p", "no:cacheprovider",
    )  # fmt: skip
    cases = json.loads((pytester.path / "r.json").read_text())["cases"]
    verdicts = {(one["model"], one["case_id"].rpartition("/")[2]): one["verdict"] for one in cases}
    failed = {key for key, verdict in verdicts.items() if verdict == "failed"}
    systems = ("cu", "cu_hcp", "cu_slab", "cu3au", "cuau")
    stress = {"stress_mae", *(f"stress_mae[system={name}]" for name in systems)}
    assert {name for _, name in failed} == stress
    assert len({model for model, _ in failed}) == 1
    assert list(verdicts.values()).count("passed") == 2 + 2 * 18 - 6
    assert result.ret == 1
