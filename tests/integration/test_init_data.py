"""``mlff init --data``: from a file of one's own to a gate for better and for worse."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.github_steps import read_workflow
from support.repos import read_json

from pytest_mlff.cli.main import main
from pytest_mlff.datasets.registry import open_dataset
from pytest_mlff.specs import load_spec

if TYPE_CHECKING:
    from collections.abc import Sequence

SUPPORT = Path(__file__).parents[1] / "support"
REPLICAS, EACH = 8, 5


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Displaced ethanol of GFN2-xTB: some frames of each of eight starts."""
    pytest.importorskip("tblite", reason="the oracle makes the file")
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.io import write

    from pytest_mlff.datasets import oracle

    rng = np.random.default_rng(0)
    starts = open_dataset("embedded").load("ethanol").frames
    structures = []
    for start in range(REPLICAS):
        for _ in range(EACH):
            atoms = starts.atoms(start * len(starts) // REPLICAS)
            atoms.positions += 0.03 * rng.normal(size=atoms.positions.shape)
            atoms.info["run"] = start
            structures.append(atoms)
    energies, forces = oracle.label(structures)
    for atoms, energy, force in zip(structures, energies, forces, strict=True):
        atoms.calc = SinglePointCalculator(atoms, energy=float(energy), forces=force)
    path = tmp_path_factory.mktemp("own") / "my.extxyz"
    write(path, structures, format="extxyz")
    return path


@pytest.fixture
def repo(tmp_path: Path, frames: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "repo"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "my.extxyz").write_bytes(frames.read_bytes())
    monkeypatch.chdir(folder)
    subprocess.run(["git", "init", "-q", "-b", "main"], check=True)
    model(0.1)
    return folder


def model(worse: float) -> None:
    text = (SUPPORT / "pair_model.py").read_text(encoding="utf-8")
    text = text.replace('("ethanol", "malonaldehyde", "uracil")', '("ethanol",)')
    Path("model.py").write_text(text.replace("WORSE = 0.0", f"WORSE = {worse}"), encoding="utf-8")


def run(*arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit code and cases of a run as the workflow does it."""
    (baseline,) = Path("baselines").glob("*.json")
    command = [
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--mlff-only",
        "--mlff-model=model.py:make", "--mlff-suite=specs/first.yaml",
        f"--mlff-baseline={baseline}", "--mlff-report=report.json", *arguments,
    ]  # fmt: skip
    code = subprocess.run(command, check=False, capture_output=True).returncode
    return code, {case["case_id"]: case for case in read_json(Path("report.json"))["cases"]}


def init(*arguments: str) -> int:
    return main(["init", "--model", "model.py:make", "--data", "data/my.extxyz", *arguments])


FORCE = "specs/first/my/force_mae"


def test_a_file_becomes_a_gate(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init("--data-option", "replica=run", "--yes") == 0
    spec = load_spec(repo / "specs" / "first.yaml")
    option = spec.datasets["ours"]
    assert (option.path, option.replica, option.time_ordered) == ("../data/my.extxyz", "run", None)
    assert [case.metric for case in spec.cases[:3]] == ["energy_mae", "force_mae", "force_rmse"]
    # One number for all atoms and one for each species, with what was run.
    forces = spec.cases[1].thresholds
    assert [one.species for one in forces] == [("all",), ("C",), ("H",), ("O",)]
    for one in forces:
        why = one.provenance
        assert (why.source, why.frames, why.seeds) == ("own_baseline", 5 * EACH, 1)
        assert why.reference.startswith("make (sha256 ")
        assert why.reference.endswith("1.3 times what it reached")
    gate = read_workflow(repo / ".github" / "workflows" / "mlff.yml")["jobs"]["gate"]
    assert gate["env"]["MLFF_SUITE"] == "specs/first.yaml"
    assert not Path("report.json").exists()

    # The same model and a regressed one: tests/integration/test_tutorial.py.
    model(0.2)
    code, cases = run("-k", "mae")
    assert code == 1
    # The threshold is missed, too, which is graver.
    assert (cases[FORCE]["verdict"], cases[FORCE]["regressed"]) == ("failed", True)
    model(0.0)
    code, cases = run("-k", "mae")
    assert code == 0
    assert cases[FORCE]["evidence"]["against_baseline"] == "better"


def test_a_model_that_fails_on_the_file_gets_no_gate(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("model.py").write_text("def make():\n    raise ValueError('not now')\n")
    assert init("--data-option", "replica=run", "--yes") == 4
    assert "could not be measured" in capsys.readouterr().err
    assert not (repo / "specs").exists()


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--data", "nothing.extxyz"], "nothing.extxyz"),
        (["--data", "../elsewhere.extxyz"], "lies outside"),
        (["--data-option", "replica"], "write KEY=VALUE"),
        (["--data-option", "replicas=run"], "replicas"),
        (["--data-option", "replica=walk"], "has no key 'walk'"),
        (["--data-option", "time_ordered=false"], "say what is independent"),
        (["--model", "model.py:make"], "two seeds have no spread"),
    ],
)
def test_bad_input_is_one_line(
    repo: Path, capsys: pytest.CaptureFixture[str], arguments: Sequence[str], said: str
) -> None:
    assert init(*arguments, "--yes") == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not (repo / "specs").exists()
