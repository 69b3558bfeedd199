"""Simulations that were killed or stopped go on, and memory stays small."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.closed_forms import PairPotential, morse
from support.tetrahedron import MORSE, NVT, Breaks, starts

from pytest_mlff.simulation import simulate

KILLED = """
import sys
from pathlib import Path
from support.tetrahedron import MORSE, NVT, starts
from support.closed_forms import PairPotential
from pytest_mlff.simulation import simulate

print("go", flush=True)
simulate(PairPotential(MORSE), starts(5), NVT, folder=Path(sys.argv[1]), seconds_at_risk=0.0,
         progress=lambda done, _: print(done, flush=True))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_a_killed_run_goes_on_with_the_same_numbers(tmp_path: Path) -> None:
    whole = simulate(PairPotential(MORSE), starts(5), NVT)
    tests = Path(__file__).parents[2]
    paths = [str(tests), *os.environ.get("PYTHONPATH", "").split(":")]
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    assert child.stdout is not None
    for line in child.stdout:
        if line.strip() == "25":
            child.send_signal(signal.SIGKILL)
            break
    child.wait()
    child.stdout.close()
    assert child.returncode == -signal.SIGKILL
    left = sorted((tmp_path / "run").glob("frames-*.npz"))
    assert len(left) >= 20
    steps: list[int] = []
    found = simulate(
        PairPotential(MORSE),
        starts(5),
        NVT,
        folder=tmp_path / "run",
        progress=lambda done, _: steps.append(done),
    )
    assert steps[0] > 20  # it did go on, and not start again
    for name, array in whole.to_arrays().items():
        assert np.array_equal(array, found.to_arrays()[name], equal_nan=array.dtype.kind == "f"), (
            name
        )
    assert not (tmp_path / "run").exists()


class StopHereError(Exception):
    """What stops a run in the tests below."""


def _until(step: int) -> Any:
    def progress(done: int, _: int) -> None:
        if done == step:
            raise StopHereError

    return progress


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "frames-000003.npz").write_bytes(b"x" * 100),
        lambda folder: (folder / "state.npz").write_bytes(b""),
        lambda folder: (folder / "frames-000000.npz").unlink(),
    ],
    ids=["damaged chunk", "empty state", "missing chunk"],
)
def test_what_is_damaged_is_made_again(change: Any, tmp_path: Path) -> None:
    whole = simulate(PairPotential(MORSE), starts(5), NVT)
    with pytest.raises(StopHereError):
        simulate(
            PairPotential(MORSE), starts(5), NVT, folder=tmp_path, seconds_at_risk=0.0,
            progress=_until(20),
        )  # fmt: skip
    change(tmp_path)
    found = simulate(PairPotential(MORSE), starts(5), NVT, folder=tmp_path)
    assert np.array_equal(whole.positions, found.positions)


@pytest.mark.parametrize("what", ["model", "settings", "starts", "no digest"])
def test_another_run_does_not_go_on_from_it(what: str, tmp_path: Path) -> None:
    """Mutant: a key that leaves one of them out gives a trajectory of two halves."""
    before = PairPotential(MORSE, digest=None if what == "no digest" else "one")
    with pytest.raises(StopHereError):
        simulate(before, starts(5), NVT, folder=tmp_path, seconds_at_risk=0.0, progress=_until(20))
    potential = (
        PairPotential(morse(1.0, 1.5, 1.6), digest=None if what == "no digest" else "other")
        if what in ("model", "no digest")
        else before
    )
    settings = replace(NVT, temperature_k=700.0) if what == "settings" else NVT
    begin = starts(5, seed=2) if what == "starts" else starts(5)
    found = simulate(potential, begin, settings, folder=tmp_path)
    assert np.array_equal(found.positions, simulate(potential, begin, settings).positions)


def test_deaths_survive_a_stop(tmp_path: Path) -> None:
    begin = starts(5)
    broken = Breaks(MORSE)
    broken.how = "hot"
    broken.twist = 0.0
    begin.positions[8:12, 0] += 5.0 - begin.positions[8, 0] - 1e-3
    settings = replace(NVT, temperature_k=1500.0)
    whole = simulate(broken, begin, settings)
    died = int(whole.alive[:, 2].sum())
    assert 0 < died < 40
    with pytest.raises(StopHereError):
        simulate(broken, begin, settings, folder=tmp_path, seconds_at_risk=0.0, progress=_until(50))
    found = simulate(broken, begin, settings, folder=tmp_path)
    assert np.array_equal(whole.positions, found.positions, equal_nan=True)
    assert found.reasons == whole.reasons


def test_memory_of_many_replicas_is_that_of_their_frames(tmp_path: Path) -> None:
    """200 replicas: the stored frames, once more while they are put together, and a chunk."""
    settings = replace(NVT, replicas=200, starts=5, steps=100)
    simulate(PairPotential(MORSE), starts(5), replace(settings, steps=1))  # imports
    tracemalloc.start()
    try:
        made = simulate(PairPotential(MORSE), starts(5), settings, folder=tmp_path / "run")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    stored = sum(array.nbytes for array in made.to_arrays().values())
    assert stored < 4e6
    assert peak < 2.5 * stored + 2**21
