"""Keys of jobs, and the one line of a traceback."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.engine_jobs import double, fail
from support.slurm import Steps, train

from pytest_mlff.errors import MlffError
from pytest_mlff.scheduling.engines.jobs import job_key, last_line

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Plain:
    number: float
    items: tuple[int, ...] = ()
    table: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Digested:
    digest: str
    noise: object = None


def test_equal_calls_have_one_key_in_any_process() -> None:
    code = (
        "from pathlib import Path; from pytest_mlff.scheduling.engines.jobs import job_key;"
        "from support.slurm import Steps, train;"
        "print(job_key(train, (Steps('a', 'b'), {'x': 1, 'y': {3, 'z', 2}}), {'p': Path('q')}))"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    keys = {
        subprocess.check_output(
            [sys.executable, "-c", code], env={**env, "PYTHONHASHSEED": seed}, text=True
        ).strip()
        for seed in ("1", "2")
    }
    args = (Steps("a", "b"), {"y": {2, "z", 3}, "x": 1})
    assert keys == {job_key(train, args, {"p": Path("q")})}


@pytest.mark.parametrize(
    "one, other",
    [
        (Plain(1.0), Plain(1.0 + 2**-52)),
        (Plain(1.0), Plain(1)),
        ((1, 2), [1, 2]),
        (1, True),
        ("1", 1),
        (Path("a"), "a"),
        ({"a": 1}, {"a": 2}),
        (Digested("a"), Digested("b")),
    ],
)
def test_different_calls_have_different_keys(one: Any, other: Any) -> None:
    assert job_key(double, (one,), {}) != job_key(double, (other,), {})
    assert job_key(double, (one,), {}) == job_key(double, (one,), {})


def test_the_function_is_part_of_the_key_and_a_digest_speaks_for_itself() -> None:
    assert job_key(double, (1,), {}) != job_key(fail, (1,), {})
    partial = functools.partial(double, 1)
    assert job_key(partial, (), {}) == job_key(functools.partial(double, 1), (), {})
    assert job_key(partial, (), {}) != job_key(functools.partial(double, 2), (), {})
    assert job_key(double, (Digested("a", object()),), {}) == job_key(
        double, (Digested("a", object()),), {}
    )
    with pytest.raises(MlffError, match="has no name of its own"):
        job_key(lambda: 1, (), {})
    with pytest.raises(MlffError, match="cannot be pickled"):
        job_key(double, (lambda: 1,), {})


def test_a_traceback_becomes_one_line() -> None:
    trace = 'Traceback\n  File "a.py", line 1, in f\n    g()\n'
    assert last_line(trace + "ValueError: two\nlines\n") == "ValueError: two"
    assert last_line(trace + "pytest_mlff.errors.MlffError: fix it") == "fix it"
    assert last_line(trace + "torch.OutOfMemoryError: no") == "OutOfMemoryError: no"
    assert last_line("") == "it gave no reason"
    assert last_line(ValueError("")) == "ValueError"
