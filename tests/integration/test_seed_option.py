"""``--mlff-seed``: seeds everything the laws draw, and is always told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ase.io import read
from support.repos import SUPPORT, read_json

if TYPE_CHECKING:
    from pytest import Pytester, RunResult


def run(pytester: Pytester, *arguments: str, model: str = "sound") -> RunResult:
    text = (SUPPORT / "law_models.py").read_text(encoding="utf-8")
    (pytester.path / "law_models.py").write_text(text, encoding="utf-8")
    return pytester.runpytest_inprocess(
        f"--mlff-model=law_models.py:{model}", "--mlff-suite=laws/rotation",
        "--mlff-strictness=fast", "--mlff-report=report.json", *arguments,
    )  # fmt: skip


def value(pytester: Pytester) -> float:
    (case,) = read_json(pytester.path / "report.json")["cases"]
    return float(case["value"])


def test_seed_decides_what_is_drawn(pytester: Pytester) -> None:
    found = []
    for seed in (3, 3, 4):
        result = run(pytester, f"--mlff-seed={seed}")
        result.stdout.fnmatch_lines([f"mlff: laws: seed {seed}, strictness fast"])
        assert read_json(pytester.path / "report.json")["run"]["seeds"]["laws"] == seed
        found.append(value(pytester))
    assert found[0] == found[1] != found[2]


def test_seed_stands_in_the_failure_also_without_a_header(pytester: Pytester) -> None:
    result = run(pytester, "--mlff-seed=5", "-q", model="stretched_axis")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*example*, seed 5, strictness fast*"])
    (file,) = (pytester.path / "counterexamples").glob("*.extxyz")
    assert int(read(file).info["mlff_seed"]) == 5


def test_ini_twin(pytester: Pytester) -> None:
    pytester.makeini("[pytest]\nmlff_seed = 9\n")
    run(pytester).stdout.fnmatch_lines(["mlff: laws: seed 9, strictness fast"])


def test_seed_that_is_no_number_ends_the_run(pytester: Pytester) -> None:
    result = run(pytester, "--mlff-seed=many")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: --mlff-seed: 'many' is not a whole number"])
