"""What reading specs costs a pytest run."""

from __future__ import annotations

import subprocess
import sys
import time

from pytest_mlff.specs import cases_of, expand, load_spec

HEAVY = ("numpy", "ase", "torch", "pandas", "nequip", "pytest", "hypothesis", "pooch")


def test_import_brings_in_nothing_heavy() -> None:
    code = (
        "import sys, pydantic, yaml\n"
        "import pytest_mlff.specs, pytest_mlff.specs.json_schema, pytest_mlff.cli.specs\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _seconds(write_spec, samples: int) -> float:
    """Processor time to list the cases of a spec, the least of three."""
    path = write_spec(
        ("samples: [200, 100]", f"samples: {list(range(1, samples + 1))}"),
        ("where: samples > 0", "where: samples * 2 <= 2500 and molecule in ('aspirin', 'ethanol')"),
        ("max: 45", "where: samples > 0\n        max: 45"),
        ("count: samples", "count: samples + 1"),
    )
    spec = load_spec(path)
    seconds = []
    for _ in range(3):
        began = time.process_time()
        cases = [case for v in expand(spec) for case in cases_of(v, ["C", "H", "O"])]
        ids = {case.case_id for case in cases}
        seconds.append(time.process_time() - began)
        assert len(cases) == len(ids) == 8 * samples
    return min(seconds)


def test_ten_thousand_cases_cost_what_a_few_cost_each(write_spec) -> None:
    few, many = _seconds(write_spec, 250), _seconds(write_spec, 1250)
    # Five times the cases: a cost that grew with the square would be 25 times as large.
    assert many < 12 * few, (few, many)
