"""``--mlff-model=recipe.yaml``: real NequIP, trained by the run, kept in the store."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.repos import family_repo, read_json
from support.tiny_nequip import embedded_frames
from support.tiny_nequip import small_recipe as recipe

from pytest_mlff.cli import train as train_command
from pytest_mlff.cli.main import build_parser, main
from pytest_mlff.errors import MlffError
from pytest_mlff.training.runner import stored_result
from pytest_mlff.training.trainers.nequip import NequipTrainer

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlff.training.fixture import TrainingFixture

SPEC = """\
schema_version: 1
title: Two sizes of ethanol
source: {paper: made for this test, section: none}
datasets:
  embedded:
axes:
  samples: [20, 40, 5000]
variant: "ethanol-n{samples}"
frames:
  train: {molecules: ethanol, end: 90, pick: random, count: samples}
  validation: {molecules: ethanol, end: 90, pick: random, count: 5}
  test: {molecules: ethanol, start: 95}
cases:
  - metric: energy_mae
    thresholds: [{max: 10000, unit: meV/atom, provenance: &limit {source: physical_limit,
                  reference: made for this test}}]
  - metric: force_mae
    thresholds: [{max: 10000, unit: meV/Å, provenance: *limit}]
"""


@pytest.fixture
def repo(pytester: pytest.Pytester) -> Path:
    pytest.importorskip("nequip")
    (pytester.path / "specs").mkdir()
    (pytester.path / "specs" / "sizes.yaml").write_text(SPEC, encoding="utf-8")
    (pytester.path / "small.yaml").write_text(recipe(), encoding="utf-8")
    return pytester.path


ARGUMENTS = (
    "--mlff-model=small.yaml",
    "--mlff-suite=specs/sizes.yaml",
    "--mlff-report=report.json",
    "--mlff-only",
)


def _trainings(repo: Path) -> dict[Path, int]:
    """Checkpoints in the store with the time they were written."""
    return {path: path.stat().st_mtime_ns for path in repo.glob(".mlff-store/trainings/**/*.ckpt")}


def test_train_then_test_then_nothing(pytester: pytest.Pytester, repo: Path) -> None:
    arguments = (*ARGUMENTS, "-k", "not n40")  # several variants: test_train_ahead, at no cost
    first = pytester.runpytest_inprocess(*arguments)
    first.assert_outcomes(passed=2, skipped=2)
    report = read_json(repo / "report.json")
    cases = {case["case_id"]: case for case in report["cases"]}
    refused = cases["specs/sizes/ethanol-n5000/force_mae"]
    assert refused["verdict"] == "unsupported"
    assert "asks for 5000 frames, its window holds 1800" in refused["reason"]
    assert {case["model"] for case in cases.values()} == {"small"}
    kept = _trainings(repo)
    assert len({path.parent for path in kept}) == 1

    (training,) = report["trainings"]
    assert training["variant"] == "ethanol-n20"
    assert (training["model"], training["seed"], training["steps"]) == ("small", 0, 12)
    assert training["planned_steps"] == 12
    first.stdout.no_fnmatch_line("*ended by its budget*")
    watched = [point["validation"] for point in training["loss"] if point["validation"] is not None]
    assert len(watched) == 3
    sizes = {one["variant"]: (one["axes"], one["n_train"]) for one in report["variants"]}
    assert sizes["ethanol-n20"] == ({"samples": 20}, 20)
    assert sizes["ethanol-n5000"] == ({"samples": 5000}, None)
    assert [model["name"] for model in report["models"]] == ["small"]

    again = pytester.runpytest_inprocess(*arguments)
    again.assert_outcomes(passed=2, skipped=2)
    assert _trainings(repo) == kept
    now = {case["case_id"]: case for case in read_json(repo / "report.json")["cases"]}
    assert {name: (case["value"], case["verdict"]) for name, case in now.items()} == {
        name: (case["value"], case["verdict"]) for name, case in cases.items()
    }


def test_a_budget_that_strikes_first_is_told(
    pytester: pytest.Pytester, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a spec without validation frames trains, with nothing to watch."""
    fit = NequipTrainer.fit

    def only_20(self: NequipTrainer, fixture: TrainingFixture, *more: Any) -> Any:
        if len(fixture.train) != 20:
            raise MlffError("one is enough")
        return fit(self, fixture, *more)

    monkeypatch.setattr(NequipTrainer, "fit", only_20)
    spec = "".join(line for line in SPEC.splitlines(True) if "validation:" not in line)
    (repo / "specs" / "sizes.yaml").write_text(spec, encoding="utf-8")
    changes = {"budget: 120": "budget: 4", "every_n_train_steps: 50": "every_n_train_steps: 1"}
    (repo / "small.yaml").write_text(recipe(steps=100_000, **changes), encoding="utf-8")
    result = pytester.runpytest_inprocess(*ARGUMENTS, "--mlff-html=page.html")
    (training,) = read_json(repo / "report.json")["trainings"]
    assert training["steps"] < training["planned_steps"] == 100_000
    assert all(point["validation"] is None for point in training["loss"])
    told = "ended by its budget of 4 s after * of 100,000 steps"
    result.stdout.fnmatch_lines([f"*warning: training of small on specs/sizes/ethanol-n20 {told}*"])
    assert "of 100,000 steps" in (repo / "page.html").read_text(encoding="utf-8")
    # The first had to be tried; of the second it is said before it starts.
    early = "the budget of 4 s will end this training after some * of 100,000 steps"
    result.stdout.fnmatch_lines([f"mlff: training specs/sizes/ethanol-n40: {early}*"])
    result.stdout.no_fnmatch_line(f"mlff: training specs/sizes/ethanol-n20: {early}*")


def test_a_killed_run_goes_on(pytester: pytest.Pytester, repo: Path) -> None:
    """The training itself; runs of pytest that are killed: tests/integration/test_faults.py."""
    (repo / "small.yaml").write_text(recipe(steps=200), encoding="utf-8")
    spec = repo / "specs" / "sizes.yaml"
    spec.write_text(SPEC.replace("[20, 40, 5000]", "[20]"), encoding="utf-8")
    words = ["train", "small.yaml", "--suite", "specs/sizes.yaml", "--jobs", "1"]
    run = subprocess.Popen(
        [sys.executable, "-m", "pytest_mlff.cli.main", *words],
        cwd=repo,
        stdout=subprocess.DEVNULL,
    )
    end = time.monotonic() + 120
    while not list(repo.glob(".mlff-store/trainings/*/*/last.ckpt")):
        assert run.poll() is None
        assert time.monotonic() < end
        time.sleep(0.1)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert not list(repo.glob(".mlff-store/trainings/*/*.json"))
    assert main(words) == 0
    (job,) = (one.job for one in train_command.wanted(build_parser().parse_args(words)).wanted)
    result = stored_result(job)
    assert result is not None
    log = next(repo.glob(".mlff-store/trainings/*/*/training.log")).read_text()
    assert "Continuing training with checkpoint file" in log
    # Neither has it begun again behind our back: one fresh start, and a second log that begins
    # where the checkpoint stood.
    assert log.count("Starting fresh training") == 1
    (second,) = repo.glob(".mlff-store/trainings/*/*/log/version_1/metrics.csv")
    assert int(second.read_text().splitlines()[1].split(",")[1]) > 4
    assert result.steps == 200
    # The second attempt repeats no step that the first one's checkpoint holds.
    steps = [step for step, _, _ in result.loss]
    assert steps == sorted(set(steps))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"schema_version: 1": "schema_version: 1\nbudgets: 3"}, "budgets: unknown key"),
        ({"trainer: nequip": "trainer: nequipp"}, "trainer: unknown trainer 'nequipp'"),
        ({"budget: 120": "budget: 0"}, "budget: must be at least 1, is 0"),
    ],
    ids=["unknown key", "unknown trainer", "no budget"],
)
def test_bad_recipes_end_the_run(
    pytester: pytest.Pytester, repo: Path, change: dict[str, str], message: str
) -> None:
    (repo / "small.yaml").write_text(recipe(**change), encoding="utf-8")
    result = pytester.runpytest_inprocess(*ARGUMENTS)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = "\n".join(result.errlines + result.outlines)
    assert message in text
    assert "Traceback" not in text


@pytest.mark.slow
def test_a_training_that_fails_is_an_error_of_its_cases(
    pytester: pytest.Pytester, repo: Path
) -> None:
    """With a trainer that costs nothing: ``test_engine_option.py``, of the same name."""
    broken = recipe(**{"_target_: nequip.model.NequIPGNNModel": "_target_: nequip.model.NoSuch"})
    (repo / "small.yaml").write_text(broken, encoding="utf-8")
    result = pytester.runpytest_inprocess(*ARGUMENTS, "-k", "n20")
    assert result.ret == 1
    cases = [c for c in read_json(repo / "report.json")["cases"] if c["variant"] == "ethanol-n20"]
    assert {case["verdict"] for case in cases} == {"error"}
    assert all("trainer nequip on specs/sizes/ethanol-n20" in case["reason"] for case in cases)
    # The second case does not try again.
    log = next(repo.glob(".mlff-store/trainings/*/*/training.log")).read_text()
    assert log.count("This `nequip-train` run will perform") == 1


OWN = "schema_version: 1\ntrainer: family.py:fit\nbudget: 5\n"


def test_a_trainer_of_the_repository(pytester: pytest.Pytester, repo: Path) -> None:
    family_repo(pytester, small=OWN)
    pytester.runpytest_inprocess(*ARGUMENTS).assert_outcomes(passed=4, skipped=2)
    (repo / "small.yaml").write_text(OWN.replace(":fit", ":nothing"))
    result = pytester.runpytest_inprocess(*ARGUMENTS)
    assert result.ret == 1
    reasons: set[Any] = {
        case["reason"]
        for case in read_json(repo / "report.json")["cases"]
        if case["verdict"] == "error"
    }
    assert all("returned nothing; it must return the path" in reason for reason in reasons)
    assert reasons


def test_train_ahead(pytester: pytest.Pytester, repo: Path) -> None:
    family_repo(pytester, small=OWN)
    command = [sys.executable, "-m", "pytest_mlff.cli.main", "train", "small.yaml", "--jobs", "1",
               "--suite", "specs/sizes.yaml", "--out", "runs"]  # fmt: skip
    done = subprocess.run(command, cwd=repo, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "2 trainings for 2 variants: 0 in the store, 2 to do" in done.stdout
    assert "asks for 5000 frames, its window holds 1800" in done.stdout
    assert sorted(path.name for path in (repo / "runs").iterdir()) == [
        "ethanol-n20.ckpt",
        "ethanol-n40.ckpt",
    ]
    kept = _trainings(repo)
    pytester.runpytest_inprocess(*ARGUMENTS).assert_outcomes(passed=4, skipped=2)
    assert _trainings(repo) == kept
    done = subprocess.run(command, cwd=repo, capture_output=True, text=True, check=False)
    assert "2 in the store, 0 to do" in done.stdout


def test_checkpoints_of_a_cluster(pytester: pytest.Pytester, repo: Path) -> None:
    family_repo(pytester)
    (repo / "runs").mkdir()
    frames = embedded_frames("ethanol", 5)
    assert frames.energy is not None
    told = {"energy": float(frames.energy.mean()), "forces": [[0.0] * 3] * 9, "of": "mean"}
    (repo / "runs" / "ethanol-n20.ckpt").write_text(json.dumps(told))
    result = pytester.runpytest_inprocess(
        "--mlff-model=runs/{variant}.ckpt", *ARGUMENTS[1:], "-k", "not n5000"
    )
    result.assert_outcomes(passed=2, failed=2)
    cases = {case["case_id"]: case for case in read_json(repo / "report.json")["cases"]}
    assert cases["specs/sizes/ethanol-n20/force_mae"]["verdict"] == "passed"
    missing = cases["specs/sizes/ethanol-n40/force_mae"]
    assert missing["verdict"] == "error"
    assert "runs/ethanol-n40.ckpt" in missing["reason"]
