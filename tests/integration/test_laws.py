"""Physical laws as cases: verdicts, counterexamples, the line that repeats them, xdist and --lf."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.repos import SUPPORT, read_json

if TYPE_CHECKING:
    from pytest import Pytester, RunResult

FAULTY = ("rotation", "smoothness", "permutation")
FAULTY_SUITE = tuple(f"--mlff-suite=laws/{law}" for law in FAULTY)


@pytest.fixture(autouse=True)
def _models(pytester: Pytester) -> None:
    text = (SUPPORT / "law_models.py").read_text(encoding="utf-8")
    (pytester.path / "law_models.py").write_text(text, encoding="utf-8")


def run_laws(
    pytester: Pytester, model: str, *arguments: str, folder: str = "out"
) -> tuple[RunResult, dict[str, dict[str, Any]]]:
    """Run laws on a model and give the report's cases by law."""
    (pytester.path / folder).mkdir(exist_ok=True)
    result = pytester.runpytest_inprocess(
        f"--mlff-model=law_models.py:{model}",
        f"--mlff-report={folder}/report.json",
        *(arguments if any("strictness" in a for a in arguments) else ("--mlff-strictness=fast",)),
        *(a for a in arguments if "strictness" not in a),
    )
    cases = read_json(pytester.path / folder / "report.json")["cases"]
    return result, {case["metric"]: case for case in cases}


def counterexamples(folder: Path) -> dict[str, str]:
    """Name and content of every counterexample below a folder."""
    found = sorted((folder / "counterexamples").glob("*.extxyz"))
    return {path.name: path.read_text(encoding="utf-8") for path in found}


def atoms_of(text: str) -> int:
    """Atoms of the first frame of an extxyz file."""
    return int(text.splitlines()[0])


def shell(pytester: Pytester, line: str) -> subprocess.CompletedProcess[str]:
    """What pasting a line into a shell gives."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        line, shell=True, cwd=pytester.path, capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": path},
    )  # fmt: skip


def test_sound_potential_keeps_every_law_with_evidence(pytester: Pytester) -> None:
    from pytest_mlff.laws.registry import laws

    result, cases = run_laws(pytester, "sound", "--mlff-suite=laws")
    result.assert_outcomes(passed=len(laws()))
    assert set(cases) == set(laws())
    for law, case in cases.items():
        assert case["case_id"] == f"laws/{law}/ethanol/{law}"
        assert case["verdict"] == "passed"
        assert case["evidence"]["examples"] > 0
        if laws()[law].uses_reference:
            assert case["evidence"]["reference_examples"] > 0
    assert not (pytester.path / "out" / "counterexamples").exists()


def test_one_law_by_name(pytester: Pytester) -> None:
    result, cases = run_laws(pytester, "sound", "--mlff-suite=laws/rotation")
    result.assert_outcomes(passed=1)
    assert set(cases) == {"rotation"}


@pytest.mark.parametrize(
    "law, model, most",
    [
        ("rotation", "stretched_axis", 3),
        ("permutation", "index_order", 3),
        ("smoothness", "hard_cutoff", 2),
        ("conservativity", "non_conservative", 4),
    ],
)
def test_fault_is_caught_shown_and_repeated(
    pytester: Pytester, law: str, model: str, most: int
) -> None:
    result, cases = run_laws(pytester, model, f"--mlff-suite=laws/{law}")
    assert result.ret == 1
    assert cases[law]["verdict"] == "failed"
    assert cases[law]["value"] > 1
    ((name, text),) = counterexamples(pytester.path / "out").items()
    assert name.startswith(f"{law}-")
    assert atoms_of(text) <= most
    result.stdout.fnmatch_lines([f"*counterexample, {atoms_of(text)} atoms*"])
    # With CI set, pytest's short summary says it all again.
    (line,) = {
        one.partition("repeat with: ")[2] for one in result.outlines if "repeat with: " in one
    }
    again = shell(pytester, line)
    assert again.returncode == 1, again.stderr
    assert "broken: " in again.stdout
    assert f"law_models.py:{model}" in line


def test_repeated_on_a_sound_potential_the_law_holds(pytester: Pytester) -> None:
    result, _ = run_laws(pytester, "hard_cutoff", "--mlff-suite=laws/smoothness")
    # With CI set, pytest's short summary says it all again.
    (line,) = {
        one.partition("repeat with: ")[2] for one in result.outlines if "repeat with: " in one
    }
    again = shell(pytester, line.replace("hard_cutoff", "sound"))
    assert again.returncode == 0, again.stderr
    assert "holds: " in again.stdout


@pytest.mark.parametrize(
    "model", ["index_order", pytest.param("hard_cutoff", marks=pytest.mark.slow)]
)
def test_workers_last_failed_and_stopping_early_say_the_same(
    pytester: Pytester, model: str
) -> None:
    def kept(cases: dict[str, dict[str, Any]]) -> dict[str, tuple[str, float, str]]:
        return {
            law: (case["verdict"], case["value"], str(sorted(case["evidence"].items())))
            for law, case in cases.items()
            if case["verdict"] != "skipped"
        }

    _, alone = run_laws(pytester, model, *FAULTY_SUITE, folder="alone")
    files = counterexamples(pytester.path / "alone")
    failed = {law for law, case in alone.items() if case["verdict"] == "failed"}
    assert 0 < len(failed) < len(FAULTY)
    assert len(files) == len(failed)

    _, last = run_laws(pytester, model, "--lf", *FAULTY_SUITE, folder="last")
    assert kept(last) == {law: one for law, one in kept(alone).items() if law in failed}
    assert counterexamples(pytester.path / "last") == files

    stopped, early = run_laws(pytester, model, "-x", *FAULTY_SUITE, folder="early")
    assert kept(early).items() <= kept(alone).items()
    assert stopped.ret == 1
    assert counterexamples(pytester.path / "early").items() <= files.items()
    assert len(counterexamples(pytester.path / "early")) == 1

    if model == "index_order":
        pytest.importorskip("xdist")
        _, shared = run_laws(pytester, model, "-n2", *FAULTY_SUITE, folder="shared")
        assert kept(shared) == kept(alone)
        assert counterexamples(pytester.path / "shared") == files


def test_check_without_evidence_is_an_error(pytester: Pytester) -> None:
    result, cases = run_laws(pytester, "zero_forces", "--mlff-suite=laws/rotation")
    assert result.ret == 1
    assert cases["rotation"]["verdict"] == "error"
    assert "mean_force_norm is zero" in cases["rotation"]["reason"]


def test_answer_that_is_not_a_number_is_an_error(pytester: Pytester) -> None:
    result, cases = run_laws(pytester, "nan_short", "--mlff-suite=laws/rotation")
    assert result.ret == 1
    assert cases["rotation"]["verdict"] == "error"
    assert "NaN or infinity" in cases["rotation"]["reason"]


def test_few_examples_use_the_frames_of_their_variant(pytester: Pytester) -> None:
    """Two molecules, five examples each: different frames, hence different figures."""
    (pytester.path / "two.yaml").write_text(
        """\
schema_version: 1
title: Two molecules
source: {paper: made for this test, section: none}
datasets:
  embedded:
axes:
  molecule: [ethanol, toluene]
variant: "{molecule}"
frames:
  test: {molecules: "{molecule}", start: 98}
cases:
  - metric: rotation
    options: {examples: 5}
    thresholds: [{max: 1, unit: "1", provenance: {source: physical_limit, reference: a test}}]
""",
        encoding="utf-8",
    )
    pytester.runpytest_inprocess(
        "--mlff-model=law_models.py:sound", "--mlff-suite=two.yaml", "--mlff-report=report.json"
    ).assert_outcomes(passed=2)
    cases = read_json(pytester.path / "report.json")["cases"]
    for case in cases:
        assert case["evidence"]["examples"] == 5
        assert case["evidence"]["reference_examples"] == 2
    assert len({case["evidence"]["mean_force_norm"] for case in cases}) == 2
