"""``--mlff-model=card.yaml``: a model with its own interpreter, beside others in one run."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.repos import CASES, SUPPORT, model_repo, read_json
from support.venvs import SPRINGS, numpy_venv

if TYPE_CHECKING:
    from pathlib import Path

    from pytest import Pytester, RunResult

LAWS = """\
schema_version: 1
title: {law} of a spring to the centre
source: {{paper: made for this test, section: none}}
datasets:
  embedded:
axes:
  molecule: [ethanol]
variant: "{{molecule}}"
frames:
  test: {{molecules: "{{molecule}}", start: 98}}
cases:
  - metric: {law}
    options: {{examples: 2}}
    thresholds: [{{max: 1, unit: "1", provenance: {{source: physical_limit,
                  reference: made for this test}}}}]
"""
CARD = """\
model: springs.py:make
python: env
name: springs
level: GFN2-xTB
capabilities: {periodic: false}
known_violations:
  - {law: locality, reason: springs to the centre have no end}
  - {law: translation, reason: a mistake in this card}
"""


@pytest.fixture
def repo(pytester: Pytester) -> Path:
    root = model_repo(pytester)
    (root / "springs.py").write_text(SPRINGS)
    (root / "springs.yaml").write_text(CARD)
    numpy_venv(root / "env")
    (root / "laws").mkdir()
    for law in ("locality", "size_extensivity", "translation", "periodic_images"):
        (root / "laws" / f"{law}.yaml").write_text(LAWS.format(law=law))
    return root


def run(pytester: Pytester, *arguments: str) -> tuple[RunResult, dict[str, Any]]:
    result = pytester.runpytest_subprocess(
        *arguments, "--mlff-only", "--mlff-report=report.json", "-p", "no:cacheprovider", "-n0"
    )
    path = pytester.path / "report.json"
    return result, read_json(path) if path.exists() else {}


def verdicts(report: dict[str, Any]) -> dict[str, str]:
    return {one["metric"]: one["verdict"] for one in report["cases"]}


def test_a_known_violation_is_shown_and_hides_no_other(pytester: Pytester, repo: Path) -> None:
    laws = [f"--mlff-suite=laws/{one.name}" for one in (repo / "laws").iterdir()]
    result, report = run(pytester, "--mlff-model=springs.yaml", *laws)
    assert result.ret == 1  # for the law that the card does not name
    assert verdicts(report) == {
        "locality": "reported",
        "size_extensivity": "failed",
        "translation": "passed",
        "periodic_images": "unsupported",
    }
    by_law = {one["metric"]: one for one in report["cases"]}
    assert by_law["locality"]["evidence"]["known_violation"] == "springs to the centre have no end"
    assert "yet it holds" in by_law["translation"]["reason"]
    assert "does not take periodic cells" in by_law["periodic_images"]["reason"]
    result.stdout.fnmatch_lines(
        ["mlff: 1 broken law is a known violation of its model card and not counted (springs: loc*"]
    )
    (line,) = (one for one in result.outlines if "repeat with: mlff laws repro" in one)
    again = pytester.run(sys.executable, "-m", "pytest_mlff.cli.main", *line.split()[3:])
    assert again.ret == 1
    again.stdout.fnmatch_lines(["size_extensivity on springs:*", "broken:*"])
    # Without the others it is not counted as a pass either.
    result, _ = run(pytester, "--mlff-model=springs.yaml", "--mlff-suite=laws/locality.yaml")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*no case was judged, so this run says nothing about a merge"])


def test_two_environments_in_one_run(pytester: Pytester, repo: Path) -> None:
    result, report = run(
        pytester, "--mlff-model=models.py:exact", "--mlff-model=springs.yaml",
        "--mlff-suite=specs/small.yaml", "--mlff-html=page.html", "--mlff-level=GFN2-xTB",
    )  # fmt: skip
    assert result.ret == 1
    of_model = {one["model"]: one["verdict"] for one in report["cases"]}
    assert of_model == {"exact": "passed", "springs": "failed"}
    by_name = {one["name"]: one for one in report["models"]}
    assert by_name["springs"]["versions"] == {"ase": "False", "pydantic": "False"}
    assert by_name["springs"]["source"] == "springs.yaml"
    assert "springs" in (repo / "page.html").read_text(encoding="utf-8")


def test_mistakes_in_a_card_end_the_run_at_once(pytester: Pytester, repo: Path) -> None:
    for text, said in (
        (CARD.replace("python: env", "python: evn"), "no such interpreter or virtual environment"),
        (CARD.replace("springs.py:make", "spring.py:make"), "no such file"),
        (CARD.replace("model:", "models:"), "did you mean 'model'?"),
    ):
        (repo / "springs.yaml").write_text(text)
        result, _ = run(pytester, "--mlff-model=springs.yaml", "--mlff-suite=specs/small.yaml")
        assert result.ret == 4
        result.stderr.fnmatch_lines([f"ERROR: springs.yaml:*{said}*"])


MACE = """\
from mace.calculators import MACECalculator


def make(device="cpu", dtype="float64"):
    return MACECalculator(model_paths="tiny.model", device=device, default_dtype=dtype)
"""


def test_nequip_and_mace_side_by_side(pytester: Pytester, repo: Path) -> None:
    """Their pins of e3nn exclude each other; each is asked in its own environment."""
    python = os.environ.get("MLFF_MACE_PYTHON")
    if not python:
        pytest.skip("MLFF_MACE_PYTHON names no interpreter with mace-torch")
    pytest.importorskip("nequip")
    made = subprocess.run(
        [python, SUPPORT / "tiny_mace.py", "tiny.model"], cwd=repo, capture_output=True, text=True,
        env={name: one for name, one in os.environ.items() if name != "PYTHONPATH"}, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    (repo / "mace_factory.py").write_text(MACE)
    (repo / "mace.yaml").write_text(f"model: mace_factory.py:make\npython: {python}\nname: MACE\n")
    result, report = run(
        pytester, "--mlff-model=demo", "--mlff-model=mace.yaml", "--mlff-suite=specs/small.yaml",
        "--mlff-html=page.html", "--mlff-level=GFN2-xTB", "--mlff-device=cpu",
    )  # fmt: skip
    assert result.ret == 1
    by_model = {one["name"]: one for one in report["models"]}
    assert set(by_model) == {"demo", "MACE"}
    assert [one["model"] for one in report["cases"]].count("MACE") == CASES
    assert all(one["value"] > 0 for one in report["cases"])
    compared = pytester.run(sys.executable, "-m", "pytest_mlff.cli.main", "compare", "report.json")
    compared.stdout.fnmatch_lines(["demo * 1 *best", "MACE * 2 *", "MACE against demo"])
    told = pytester.run(
        sys.executable, "-m", "pytest_mlff.cli.main", "info", "--model", "mace.yaml"
    )
    told.stdout.fnmatch_lines(["  e3nn 0.4.*", "  mace_torch *", "  name: MACE"])
