"""``mlff similarity`` as typed, in a process of its own."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import stats

from pytest_mlff.datasets import open_dataset
from pytest_mlff.datasets.export import extxyz_text
from pytest_mlff.reports.json_report import write_report
from pytest_mlff.reports.model import CaseRecord, Report, RunRecord, VariantRecord

if TYPE_CHECKING:
    from pathlib import Path

    from pytest import Pytester, RunResult


def run(pytester: Pytester, *words: str) -> RunResult:
    return pytester.run(sys.executable, "-m", "pytest_mlff.cli.main", "similarity", *words)


@pytest.fixture
def files(pytester: Pytester) -> Path:
    pytest.importorskip("dscribe")
    frames = open_dataset("embedded").load("ethanol").frames
    for name, chosen in (("a", slice(0, 6)), ("b", slice(100, 140))):
        (pytester.path / f"{name}.extxyz").write_text(extxyz_text(frames.select(chosen)), "utf-8")
    return pytester.path


def test_two_files(pytester: Pytester, files: Path) -> None:
    result = run(pytester, "a.extxyz", "b.extxyz", "--n-max=4", "--l-max=2")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "A: a.extxyz (6 frames; C, H, O)",
            "B: b.extxyz (40 frames; C, H, O)",
            "mean cosine over all pairs: 0.99*",
            "*smallest  0.99*",
            "*50 %  0.99*",
            "*largest  0.99*",
        ]
    )


def test_json_and_store(pytester: Pytester, files: Path) -> None:
    words = ("a.extxyz", "b.extxyz", "--r-cut=4", "--n-max=3", "--l-max=2", "--json")
    first = json.loads(run(pytester, *words, "--store=kept").stdout.str())
    assert len(list((files / "kept").rglob("*.npz"))) == 2
    again = json.loads(run(pytester, *words, "--store=kept").stdout.str())
    assert again == first

    from pytest_mlff.similarity import SoapSettings, soap_vectors
    from pytest_mlff.similarity.frame_source import frames_of_file

    settings = SoapSettings(r_cut=4.0, n_max=3, l_max=2)
    p, q = (soap_vectors(frames_of_file(files / f"{x}.extxyz"), settings) for x in "ab")
    cosines = p @ q.T
    assert first["mean_cosine"] == pytest.approx(cosines.mean(), abs=1e-12)
    assert first["nearest_quantiles"]["0.5"] == pytest.approx(
        np.median(cosines.max(axis=1)), abs=1e-12
    )
    assert first["a"] == {"name": "a.extxyz", "frames": 6, "species": ["C", "H", "O"]}


def test_variant_and_molecule(pytester: Pytester, files: Path) -> None:
    result = run(pytester, "quick:uracil:test", "a.extxyz", "--n-max=2", "--l-max=1", "--json")
    found = json.loads(result.stdout.str())
    assert found["a"]["frames"] == 200
    assert found["settings"]["species"] == ["C", "H", "N", "O"]


@pytest.mark.parametrize(
    "words, part",
    [
        (("a.extxyz",), "name two sets of frames, A and B, or --report=FILE"),
        ((), "name two sets of frames"),
        (("a.extxyz", "b.extxyz", "--report=r.json"), "not both"),
        (("a.extxyz", "c.extxyz"), "c.extxyz: no such file"),
        (("a.extxyz", "embedded:water"), "no molecule 'water'"),
        (("a.extxyz", "quick:uracil:tests"), "'tests' names no set of frames"),
        (("a.extxyz", "b.extxyz", "--r-cut=0.5"), "r_cut must be above 1"),
        (("--report=r.json",), "r.json: cannot read the report"),
    ],
)
def test_bad_input_is_one_line(
    pytester: Pytester, files: Path, words: tuple[str, ...], part: str
) -> None:
    result = run(pytester, *words)
    assert result.ret == 4
    assert result.stdout.str() == ""
    (line,) = result.stderr.str().splitlines()
    assert line.startswith("mlff: ")
    assert part in line


# --- reports ---

NOTHING: dict[str, Any] = {
    "n_frames": 400, "n_atoms": 8400, "ci_low": None, "ci_high": None, "threshold": None,
    "threshold_provenance": None, "baseline": None, "regressed": None, "reason": "",
    "seconds": None, "nodeid": "x", "evidence": {}, "verdict": "passed", "dataset": "embedded",
    "suite": "saibench", "spec": "time_extrapolation",
}  # fmt: skip


def case(variant: str, metric: str, value: float | None, **more: Any) -> CaseRecord:
    case_id = f"saibench/time_extrapolation/{variant}/{metric}"
    unit = "meV/Å" if metric == "force_mae" else ""
    known = {**NOTHING, "species": None, "model": "recipe", **more}
    return CaseRecord(
        case_id=case_id, variant=variant, metric=metric, value=value, unit=unit, **known
    )


def variant(name: str, samples: int) -> VariantRecord:
    return VariantRecord(
        suite="saibench", spec="time_extrapolation", variant=name, dataset="embedded",
        axes={"samples": samples}, roles={"train_count": "samples"},
        train_molecules=["aspirin"], test_molecules=["aspirin"],
        train_window=[0.0, 30.0], test_window=[90.0, 100.0], n_train=samples, n_test=400,
    )  # fmt: skip


def write(folder: Path, cases: list[CaseRecord], variants: list[VariantRecord]) -> None:
    run_record = RunRecord(
        started="2026-01-01T00:00:00Z", seconds=1.0, exit_code=0, versions={}, device="cpu",
        dtype=None, seeds={}, platform={}, spec_digests={}, data_digests={}, model_digests={},
        collected=len(cases),
    )  # fmt: skip
    report = Report(run=run_record, models=[], cases=cases, variants=variants)
    write_report(folder / "r.json", report)


def points(count: int) -> tuple[list[float], list[float]]:
    rng = np.random.default_rng(4)
    likeness = 0.999 + 1e-3 * rng.random(count)
    return likeness.tolist(), (60.0 - 3e4 * (likeness - 0.999) + 9.0 * rng.random(count)).tolist()


def test_a_report(pytester: Pytester) -> None:
    likeness, errors = points(15)
    cases, variants = [], []
    for n in (200, 1000):
        for k in range(15 if n == 200 else 4):
            name = f"aspirin-w{k}-n{n}"
            variants.append(variant(name, n))
            cases += [
                case(name, "force_mae", errors[k]),
                case(name, "force_mae", 1e3, species="H"),
                # Similarity is a matter of the data, so it may stand under no model.
                case(name, "soap_similarity", likeness[k], model=None if k % 2 else "recipe"),
                case(name, "energy_mae", 5.0),
            ]
    cases += [
        case("aspirin-w99-n200", "force_mae", None, verdict="unsupported"),
        case("aspirin-w99-n200", "soap_similarity", 0.5),
        case("aspirin-w98-n200", "force_mae", 50.0),
    ]
    write(pytester.path, cases, variants)
    result = run(pytester, "--report=r.json")
    assert result.ret == 0
    text = result.stdout.str()
    expected = stats.spearmanr(likeness, errors)[0]
    best = int(np.argmax(likeness))
    result.stdout.fnmatch_lines(
        [
            "recipe, saibench/time_extrapolation, 200 samples",
            "  variant *similarity  force MAE / meV/Å",
            f"  aspirin-w{best}-n200 *{likeness[best]:.6f}  {errors[best]:.4g}",
            f"  rank correlation over 15 windows: {expected:+.3f}, 95 % interval -* to -*, p = *",
            "recipe, saibench/time_extrapolation, 1000 samples",
            "  rank correlation over 4 windows: *undecided: 4 pairs*",
            "without a value: recipe aspirin-w99-n200",
        ]
    )
    assert "1000.0" not in text  # hydrogen's errors
    assert "w98" not in text

    found = json.loads(run(pytester, "--report=r.json", "--json").stdout.str())
    assert [len(group["windows"]) for group in found["groups"]] == [15, 4]
    first = found["groups"][0]["rank_correlation"]
    assert first["value"] == pytest.approx(expected, abs=1e-12)
    assert first["ci_low"] < first["value"] < first["ci_high"]
    assert found["groups"][1]["rank_correlation"]["ci_low"] is None


def test_a_report_without_pairs_is_one_line(pytester: Pytester) -> None:
    write(pytester.path, [case("a", "force_mae", 1.0)], [])
    result = run(pytester, "--report=r.json")
    assert result.ret == 4
    (line,) = result.stderr.str().splitlines()
    assert "no variant has both soap_similarity and force_mae" in line
