"""``--mlff-engine`` with an engine of the model repository: what it trains, when, and how often."""

from __future__ import annotations

import os
import struct
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from support.repos import OWN_FAMILY, read_json, verdicts

if TYPE_CHECKING:
    from pathlib import Path

    from pytest import Pytester, RunResult

pytest.importorskip("xdist")

SPEC = """\
schema_version: 1
title: Three sizes of ethanol
source: {paper: made for this test, section: none}
datasets:
  embedded:
axes:
  samples: [20, 40, 60]
variant: "ethanol-n{samples}"
frames:
  train: {molecules: ethanol, end: 90, pick: random, count: samples}
  test: {molecules: ethanol, start: 99}
cases:
  - metric: train_test_overlap
    thresholds: [{max: 0, unit: "1", provenance: &limit {source: physical_limit,
                  reference: made for this test}}]
  - metric: energy_mae
    thresholds: [{max: 100000, unit: meV/atom, provenance: *limit}]
  - metric: force_mae
    thresholds: [{max: 10000, unit: meV/Å, provenance: *limit}]
"""
PER_VARIANT = 2
"""Cases of a variant that need its model."""
RECIPE = "schema_version: 1\ntrainer: trainers.py:fit\nbudget: 5\n"
# The trainer and the conftest write one trace, so that it shows what came first.
TRAINER = '''\
"""A trainer that takes no time, and breaks where it is told to."""
import os
from pathlib import Path

HERE = Path(__file__).parent


def fit(fixture, config, out_dir):
    variant = fixture.variant.rpartition("/")[2]
    with (HERE / "trace").open("a") as trace:
        trace.write(f"train {variant} {os.getpid()}\\n")
    if (HERE / f"dies-{variant}").exists():
        os._exit(3)
    if (HERE / f"broken-{variant}").exists():
        raise ValueError("the loss is NaN\\nand stays so")
    (out_dir / "weights.mine").write_text(variant)
    return "weights.mine"
'''
CONFTEST = """\
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent


def note(line):
    with (HERE / "trace").open("a") as trace:
        trace.write(line + "\\n")


def pytest_mlff_executor(name, config):
    note(f"asked {name} {os.getpid()}")
    if name == "threads":
        return ThreadPoolExecutor(2)
    if name == "processes":
        return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
    if name == "useless":
        return 3


def pytest_runtest_setup(item):
    note(f"case {item.name} {os.getpid()}")
"""
workers = pytest.mark.parametrize("workers", [pytest.param("-n0", marks=pytest.mark.slow), "-n2"])


@dataclass(frozen=True)
class Traced:
    """What the trace says of one run."""

    asked: list[str]
    trained: list[str]
    trainers: set[str]
    cases: list[str]
    late: list[str]

    @classmethod
    def take(cls, path: Path) -> Traced:
        """Read the trace and begin a new one."""
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        rows = [line.split() for line in lines]
        of = {kind: [row for row in rows if row[0] == kind] for kind in ("asked", "train", "case")}
        first = next((number for number, row in enumerate(rows) if row[0] == "case"), len(rows))
        return cls(
            asked=[row[1] for row in of["asked"]],
            trained=sorted(row[1] for row in of["train"]),
            trainers={row[2] for row in of["train"]},
            cases=[row[1] for row in of["case"]],
            late=[row[1] for row in rows[first:] if row[0] == "train"],
        )


@pytest.fixture
def repo(pytester: Pytester) -> Path:
    root = pytester.path
    (root / "specs").mkdir()
    (root / "specs" / "sizes.yaml").write_text(SPEC, encoding="utf-8")
    (root / "recipe.yaml").write_text(RECIPE)
    (root / "trainers.py").write_text(TRAINER)
    (root / "conftest.py").write_text(f"{CONFTEST}\n\n{OWN_FAMILY}")
    return root


def _run(
    pytester: Pytester, *arguments: str, engine: str | None = "threads", only: bool = True
) -> RunResult:
    return pytester.runpytest_inprocess(
        "--mlff-model=recipe.yaml",
        "--mlff-suite=specs/sizes.yaml",
        "--mlff-report=report.json",
        *(["--mlff-only"] if only else []),
        *([f"--mlff-engine={engine}"] if engine else []),
        *arguments,
    )


def _one_error(result: RunResult) -> str:
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.errlines + result.outlines
    assert not any("Traceback" in line for line in text)
    (line,) = [line for line in text if line.startswith("ERROR: ")]
    return line


@workers
def test_the_engine_trains_what_was_selected_once_and_first(
    pytester: Pytester, repo: Path, workers: str
) -> None:
    result = _run(pytester, workers, "-k", "n20 or n60")
    assert result.ret == 0
    result.assert_outcomes(passed=2 * (PER_VARIANT + 1))
    result.stderr.fnmatch_lines(["engine threads: 2 trainings, 0 in the store, 2 to do"])
    seen = Traced.take(repo / "trace")
    assert seen.asked == ["threads"]
    assert seen.trained == ["ethanol-n20", "ethanol-n60"]
    assert len(seen.trainers) == 1
    assert seen.late == []
    assert len(seen.cases) == 2 * (PER_VARIANT + 1)

    # What the store holds is not asked of the engine again.
    again = _run(pytester)
    again.assert_outcomes(passed=3 * (PER_VARIANT + 1))
    again.stderr.fnmatch_lines(["engine threads: 3 trainings, 2 in the store, 1 to do"])
    assert Traced.take(repo / "trace").trained == ["ethanol-n40"]
    last = _run(pytester)
    last.assert_outcomes(passed=3 * (PER_VARIANT + 1))
    assert "trainings" not in last.stderr.str()
    seen = Traced.take(repo / "trace")
    assert (seen.asked, seen.trained) == ([], [])
    assert len(seen.cases) == 3 * (PER_VARIANT + 1)


def test_without_an_engine_a_training_runs_where_its_first_case_runs(
    pytester: Pytester, repo: Path
) -> None:
    """The counterpart: this is what the trace looks like if nothing is trained ahead."""
    _run(pytester, engine=None).assert_outcomes(passed=3 * (PER_VARIANT + 1))
    seen = Traced.take(repo / "trace")
    assert seen.asked == []
    assert seen.trained == sorted(seen.late) == ["ethanol-n20", "ethanol-n40", "ethanol-n60"]


@pytest.mark.parametrize("arguments", [["--collect-only"], ["-k", "test_data"]])
def test_what_needs_no_model_trains_none(
    pytester: Pytester, repo: Path, arguments: list[str]
) -> None:
    assert _run(pytester, *arguments).ret == 0
    seen = Traced.take(repo / "trace")
    assert (seen.asked, seen.trained) == ([], [])


@workers
def test_a_failed_training_is_an_error_of_its_cases_alone(
    pytester: Pytester, repo: Path, workers: str
) -> None:
    broken = repo / "broken-ethanol-n40"
    broken.touch()
    result = _run(pytester, workers)
    assert result.ret == 1
    seen = Traced.take(repo / "trace")
    assert seen.trained == ["ethanol-n20", "ethanol-n40", "ethanol-n60"]  # nobody tries again
    cases = {case["case_id"]: case for case in read_json(repo / "report.json")["cases"]}
    errors = {name for name, case in cases.items() if case["verdict"] == "error"}
    assert errors == {f"specs/sizes/ethanol-n40/{name}_mae" for name in ("energy", "force")}
    reason = (
        "trainer trainers.py:fit on specs/sizes/ethanol-n40: raised ValueError: the loss is NaN "
        "and stays so"
    )
    assert {cases[name]["reason"] for name in errors} == {reason}
    assert {case["verdict"] for name, case in cases.items() if name not in errors} == {"passed"}
    result.stderr.fnmatch_lines([f"*FAILED specs/sizes/ethanol-n40: {reason}"])

    # Another run is another chance, and is not told of the old failure.
    broken.unlink()
    assert _run(pytester).ret == 0
    assert Traced.take(repo / "trace").trained == ["ethanol-n40"]


def test_an_engine_of_processes_of_which_one_dies(pytester: Pytester, repo: Path) -> None:
    """In a process of its own: pytester's fresh modules cannot be pickled."""
    words = ["--mlff-model=recipe.yaml", "--mlff-suite=specs/sizes.yaml", "--mlff-only",
             "--mlff-report=report.json", "--mlff-engine=processes"]  # fmt: skip
    pytester.runpytest_subprocess(*words, "-k", "n20 or n60").assert_outcomes(passed=6)
    seen = Traced.take(repo / "trace")
    assert (seen.trained, seen.late) == (["ethanol-n20", "ethanol-n60"], [])
    assert len(seen.trainers) <= 2

    (repo / "dies-ethanol-n40").touch()
    result = pytester.runpytest_subprocess(*words)
    assert result.ret == 1
    cases = {case["case_id"]: case for case in read_json(repo / "report.json")["cases"]}
    errors = {name for name, case in cases.items() if case["verdict"] == "error"}
    assert errors == {f"specs/sizes/ethanol-n40/{name}_mae" for name in ("energy", "force")}
    for name in errors:
        start = "specs/sizes/ethanol-n40: engine processes: BrokenProcessPool: "
        assert cases[name]["reason"].startswith(start)
    assert Traced.take(repo / "trace").trained == ["ethanol-n40"]


@workers
def test_own_tests_get_their_models_trained(pytester: Pytester, repo: Path, workers: str) -> None:
    (repo / "test_own.py").write_text(
        "def test_own(mlff_predictions):\n    assert mlff_predictions.frames is not None\n"
    )
    result = _run(pytester, workers, "-k", "test_own and n40", only=False)
    result.assert_outcomes(passed=1, deselected=11 if workers == "-n0" else 0)
    seen = Traced.take(repo / "trace")
    assert (seen.trained, seen.late) == (["ethanol-n40"], [])
    assert len(seen.cases) == 1


def test_a_name_that_nobody_knows(pytester: Pytester, repo: Path) -> None:
    line = _one_error(_run(pytester, engine="slrum"))
    assert "engine 'slrum' is none of local, slurm, and no plugin's" in line
    # Nobody to ask: said before anything is collected.
    (repo / "conftest.py").unlink()
    line = _one_error(_run(pytester, engine="slrum"))
    assert "--mlff-engine: 'slrum' is none of local, slurm, and no plugin implements" in line


@workers
def test_an_engine_that_is_none(pytester: Pytester, repo: Path, workers: str) -> None:
    line = _one_error(_run(pytester, workers, engine="useless"))
    assert "engine useless: pytest_mlff_executor returned int, which has no submit()" in line
    assert Traced.take(repo / "trace").cases == []


def test_the_ini_twin(pytester: Pytester, repo: Path) -> None:
    pytester.makeini("[pytest]\nmlff_engine = threads\n")
    _run(pytester, "-k", "n20", engine=None).assert_outcomes(passed=PER_VARIANT + 1)
    seen = Traced.take(repo / "trace")
    assert (seen.asked, seen.trained, seen.late) == (["threads"], ["ethanol-n20"], [])
    assert set(verdicts(repo / "report.json").values()) == {"passed"}


def _at_a_terminal(words: list[str], folder: Path) -> str:
    """What a terminal of 110 columns is sent."""
    fcntl, pty, termios = (pytest.importorskip(name) for name in ("fcntl", "pty", "termios"))
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        os.execv(words[0], words)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 110, 0, 0))
    shown = b""
    while True:
        try:
            more = os.read(terminal, 4096)
        except OSError:  # how Linux says that the other end is closed
            break
        if not more:
            break
        shown += more
    _, status = os.waitpid(process, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0, shown.decode()
    return shown.decode()


@workers
def test_the_bar_at_a_terminal(pytester: Pytester, repo: Path, workers: str) -> None:
    """It has lines of its own, and pytest's lines are whole."""
    slow = TRAINER.replace("    (out_dir", "    import time; time.sleep(2.5)\n    (out_dir")
    (repo / "trainers.py").write_text(slow)
    words = ["-m", "pytest", "--mlff-model=recipe.yaml", "--mlff-suite=specs/sizes.yaml",
             "--mlff-only", "--mlff-engine=threads", "-k", "n20", workers]  # fmt: skip
    shown = _at_a_terminal([sys.executable, *words], repo).replace("\x1b[K", "")
    lines = [line.strip() for line in shown.replace("\r", "\n").splitlines()]
    bars = [line for line in lines if line.startswith("training: ")]
    assert any("1 running, 0 waiting]" in line for line in bars)
    assert any(line.startswith("training: 100%|") for line in bars)
    assert lines.count("engine threads: 1 trainings, 0 in the store, 1 to do") == 1
    assert [line for line in lines if line.startswith("[1/1] ok specs/sizes/ethanol-n20: ")]
    # Whatever else speaks of the training would be a line that was written into.
    others = [line for line in lines if "training: " in line and line not in bars]
    assert others == []
    assert "3 passed" in shown


def test_mlff_train_says_which_engines_it_knows(
    repo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pytest_mlff.cli.main import main

    monkeypatch.chdir(repo)
    words = ["train", "recipe.yaml", "--mlff-suite=specs/sizes.yaml"]
    assert main([*words, "--mlff-engine=threads"]) == 4
    assert capsys.readouterr().err == (
        "mlff: --mlff-engine: 'threads' is none of local, slurm; an engine of a plugin is "
        "pytest's alone\n"
    )
    assert Traced.take(repo / "trace").trained == []
