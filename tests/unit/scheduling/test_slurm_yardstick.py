"""The yardstick of the tests on a real cluster."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.slurm import Steps, assert_goes_on


@pytest.mark.parametrize(
    "second",
    [
        pytest.param([0, 1, 2, 3, 4, 5], id="begins anew"),
        pytest.param([2, 3, 4, 5], id="repeats a step before its checkpoint"),
        pytest.param([4, 5], id="leaves a step out"),
        pytest.param([3, 4], id="does not finish"),
        pytest.param(None, id="was never interrupted"),
    ],
)
def test_the_yardstick_catches(tmp_path: Path, second: list[int] | None) -> None:
    job = Steps("a", str(tmp_path))
    trace = tmp_path / "a.trace"

    def write(*legs: list[int]) -> None:
        lines = [
            json.dumps([step, "n1", pid, 0]) for pid, leg in enumerate(legs, 1) for step in leg
        ]
        trace.write_text("\n".join(lines))

    write([0, 1, 2, 3], [3, 4, 5])
    assert_goes_on(job)
    write(*([[0, 1, 2, 3], second] if second is not None else [[0, 1, 2, 3, 4, 5]]))
    with pytest.raises(AssertionError):
        assert_goes_on(job)
