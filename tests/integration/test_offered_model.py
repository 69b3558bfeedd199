"""With workers, the controller begins to load the model and the first workers take it over."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from support.repos import read_json

from pytest_mlff.scheduling.threads import available_cores

if TYPE_CHECKING:
    from pytest import Pytester

MODEL = """
import os
from pathlib import Path
from ase.calculators.calculator import Calculator, all_changes

with (Path(__file__).parent / "loaded").open("a") as stream:
    stream.write(f"{os.getpid()} {os.getppid()}\\n")


class Tethers(Calculator):
    implemented_properties = ["energy", "forces"]

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        away = atoms.positions - atoms.positions.mean(axis=0)
        self.results = {"energy": 0.05 * float((away**2).sum()), "forces": -0.1 * away}


def make(): return Tethers()
"""
CONFTEST = """
import os
from pathlib import Path

WHO = os.environ.get("PYTEST_XDIST_WORKER", "main")
(Path(__file__).parent / f"{WHO}.pid").write_text(str(os.getpid()))

"""


def test_no_worker_starts_a_process_of_its_own(pytester: Pytester) -> None:
    pytester.makepyfile(models=MODEL)
    pytester.makeconftest(CONFTEST)
    result = pytester.runpytest_subprocess(
        "--mlff-model=models.py:make", "--mlff-suite=quick", "--mlff-only", "--mlff-level=GFN2-xTB",
        "--mlff-report=report.json", "-n3", "-p", "no:cacheprovider", "-k", "uracil",
    )  # fmt: skip
    found = pytester.path
    verdicts = {one["verdict"] for one in read_json(found / "report.json")["cases"]}
    assert "error" not in verdicts
    assert result.ret in (0, 1)
    loaded = [line.split() for line in (found / "loaded").read_text().splitlines()]
    controller = (found / "main.pid").read_text()
    assert [parent for _, parent in loaded] == [controller] * min(2, available_cores())
    for process, _ in loaded:
        with pytest.raises(ProcessLookupError):
            os.kill(int(process), 0)
