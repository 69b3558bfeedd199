"""One fault of each kind at a fixed place: nothing lost, nothing falsely green, the rerun is whole.

Random places are the business of ``tests/benchmarks/fault_injection.py``.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.faults import (
    GREEN,
    RED,
    Left,
    Scene,
    Truth,
    damage,
    full_disk,
    in_report,
    problems,
    truth_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")

CASES = 26

KILLS_WORKER = """
def pytest_runtest_PHASE(item):
    if WORKER and "force_mae[C]" in item.name:
        import signal
        try:
            (HERE / "died").touch(exist_ok=False)  # of two workers, one
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)
"""
STRIKES_AFTER_EIGHT = """
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_logfinish(nodeid):
    yield
    listed = MARKS / "reported"
    if not WORKER and listed.exists() and len(listed.read_text().split("\\n")) > 8:
        import signal
        os.kill(os.getpid(), signal.SIGNAL)
"""
STRIKES_AT_THE_END = """
@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish():
    if not WORKER:
        import signal
        os.kill(os.getpid(), signal.SIGINT)
"""
FORGETS = """
@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session):
    from pytest_mlff.plugin.results import Tally

    heard = Tally.note

    def note(self, report):
        if "n5/energy_mae" not in report.nodeid:
            heard(self, report)
        elif CONCEALS:
            self.session.expected.pop(report.nodeid, None)

    Tally.note = note
"""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Left]:
    """Store and outcome of a run to which nothing happened."""
    scene = Scene(tmp_path_factory.mktemp("undisturbed"))
    left = scene.run()
    assert left.report is not None, left.output
    assert len(left.report["cases"]) == len(left.reported) == CASES
    assert left.exit_code == 0
    return scene.store, left


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def trap(scene: Scene, text: str) -> Callable[[], None]:
    """Lay a trap in the scene's conftest; what is returned takes it away."""
    path = scene.root / "conftest.py"
    before = path.read_text()
    path.write_text(before + text)

    def away() -> None:
        path.write_text(before)

    return away


def fine(left: Left, undisturbed: tuple[Path, Left], **how: Any) -> None:
    truth, code = truth_of(undisturbed[1])
    assert problems(left, truth, code, **how) == [], left.output


def again(scene: Scene, undisturbed: tuple[Path, Left]) -> None:
    """The same run once more, on what is left of the store."""
    fine(scene.run(), undisturbed, whole=True)


@pytest.mark.parametrize("phase", ["call", "teardown"])
def test_a_killed_worker(scene: Scene, undisturbed: tuple[Path, Left], phase: str) -> None:
    pytest.importorskip("xdist")
    away = trap(scene, KILLS_WORKER.replace("PHASE", phase))
    left = scene.run(2)
    assert (scene.root / "died").exists()
    fine(left, undisturbed)
    assert left.exit_code == 1
    wrong = [one for one in in_report(left.report).values() if one["verdict"] == "error"]
    assert len(wrong) == 1
    assert "crashed" in wrong[0]["reason"]
    away()
    again(scene, undisturbed)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_killed_controller(scene: Scene, undisturbed: tuple[Path, Left], workers: int) -> None:
    if workers:
        pytest.importorskip("xdist")
    away = trap(scene, STRIKES_AFTER_EIGHT.replace("SIGNAL", "SIGKILL"))
    left = scene.run(workers)
    assert left.exit_code == -9
    assert left.report is None
    assert len(in_report(left.partial)) == len(left.reported) == 8
    fine(left, undisturbed, survived=False)
    away()
    again(scene, undisturbed)
    assert not (scene.reports / "report.partial.json").exists()


@pytest.mark.parametrize("workers", [0, 2])
def test_ctrl_c(scene: Scene, undisturbed: tuple[Path, Left], workers: int) -> None:
    if workers:
        pytest.importorskip("xdist")
    away = trap(scene, STRIKES_AFTER_EIGHT.replace("SIGNAL", "SIGINT"))
    left = scene.run(workers)
    assert left.exit_code == pytest.ExitCode.INTERRUPTED
    found = in_report(left.report)
    assert len(found) == CASES
    missing = sum(one["reason"].startswith("not run") for one in found.values())
    # Each worker may have handed in one more, but not yet that it was taken down.
    assert CASES - 8 - workers <= missing <= CASES - 8
    fine(left, undisturbed)
    away()
    again(scene, undisturbed)


@pytest.mark.parametrize("workers", [0, 2])
def test_ctrl_c_while_reports_are_written(
    scene: Scene, undisturbed: tuple[Path, Left], workers: int
) -> None:
    if workers:
        pytest.importorskip("xdist")
    away = trap(scene, STRIKES_AT_THE_END)
    left = scene.run(workers)
    assert "a second Ctrl-C ends the run" in left.output
    assert left.exit_code == 0
    assert len(in_report(left.report)) == CASES
    fine(left, undisturbed, whole=True)
    away()


@pytest.mark.parametrize("position, cut", [(0.0, True), (0.5, True), (0.5, False)])
def test_a_damaged_store(
    scene: Scene, undisturbed: tuple[Path, Left], position: float, cut: bool
) -> None:
    shutil.copytree(undisturbed[0], scene.store, dirs_exist_ok=True)
    kinds = set()
    for path in scene.store.rglob("*"):
        if path.is_file() and path.stat().st_size:
            damage(path, position, cut=cut)
            kinds.add(path.relative_to(scene.store).parts[0])
    assert {"predictions", "trainings", "integrity", "durations"} <= kinds
    again(scene, undisturbed)


def test_a_training_that_was_killed_and_damaged(
    scene: Scene, undisturbed: tuple[Path, Left]
) -> None:
    shutil.copytree(undisturbed[0], scene.store, dirs_exist_ok=True)
    for path in scene.store.glob("trainings/*/*.json"):
        path.unlink()
    for path in scene.store.glob("trainings/*/*/*"):
        damage(path, 0.0, cut=True)
    again(scene, undisturbed)


def test_a_full_store(scene: Scene, undisturbed: tuple[Path, Left]) -> None:
    try:
        with full_disk(scene.store, 8) as grow:
            left = scene.run()
            fine(left, undisturbed)
            assert left.exit_code == 1
            found = in_report(left.report).values()
            assert "No space left on device" in str([one["reason"] for one in found])
            grow()
            again(scene, undisturbed)
    except OSError as error:
        pytest.skip(f"cannot mount a small disk: {error}")


def test_a_full_report_folder(scene: Scene, undisturbed: tuple[Path, Left]) -> None:
    try:
        with full_disk(scene.reports, 3) as grow:
            left = scene.run()
            fine(left, undisturbed, room=False)
            assert left.exit_code == 1
            assert left.report is None
            # As many cases as there was room for, in a whole file.
            assert 0 < len(in_report(left.partial)) < CASES
            assert "No space left on device" in left.output
            grow()
            again(scene, undisturbed)
    except OSError as error:
        pytest.skip(f"cannot mount a small disk: {error}")


def test_a_tally_that_forgets(scene: Scene, undisturbed: tuple[Path, Left]) -> None:
    truth, code = truth_of(undisturbed[1])
    away = trap(scene, FORGETS.replace("CONCEALS", "False"))
    left = scene.run()
    # The controller itself notices …
    assert left.exit_code == 1
    lost = [one for one in in_report(left.report).values() if one["reason"].startswith("lost")]
    assert len(lost) == 2
    away()
    # … and if it did not, the checker would.
    trap(scene, FORGETS.replace("CONCEALS", "True"))
    left = scene.run()
    assert left.exit_code == 0
    kinds = {one.partition(":")[0] for one in problems(left, truth, code)}
    assert kinds == {"lost", "green"}


def _without_first(left: Left) -> Left:
    assert left.report is not None
    return replace(left, report={**left.report, "cases": left.report["cases"][1:]})


def _first(left: Left, **changes: Any) -> Left:
    assert left.report is not None
    first, *rest = left.report["cases"]
    return replace(left, report={**left.report, "cases": [{**first, **changes}, *rest]})


MUTANTS: dict[str, tuple[Callable[[Left], Left], str]] = {
    "a case is missing": (_without_first, "lost"),
    "an error is green": (lambda left: _first(left, verdict="error"), "green"),
    "another value": (lambda left: _first(left, value=1.0), "green"),
    "it had to be killed": (lambda left: replace(left, exit_code=None, stayed=1), "hang"),
    "a worker stayed": (lambda left: replace(left, stayed=1), "hang"),
    "no report": (lambda left: replace(left, report=None), "lost"),
    "no JUnit file": (lambda left: replace(left, junit=None), "lost"),
    "a broken report": (lambda left: replace(left, broken=("report.json",)), "lost"),
    "JUnit lacks a case": (
        lambda left: replace(left, junit=dict(list((left.junit or {}).items())[1:])), "lost",
    ),
    "JUnit says otherwise": (
        lambda left: replace(left, junit=dict.fromkeys(left.junit or {}, "failure")), "green",
    ),
    "the rerun is red": (lambda left: replace(left, exit_code=1), "rerun"),
    "something was left over": (lambda left: replace(left, partial=left.report), "rerun"),
}  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_checker_sees(undisturbed: tuple[Path, Left], mutant: str) -> None:
    _, left = undisturbed
    truth, code = truth_of(left)
    assert problems(left, truth, code, whole=True) == []
    spoil, kind = MUTANTS[mutant]
    found = problems(spoil(left), truth, code, whole=True)
    assert kind in {one.partition(":")[0] for one in found}


def test_a_hidden_failure_is_seen(scene: Scene, undisturbed: tuple[Path, Left]) -> None:
    red = Scene(scene.root / "red", RED)
    left = red.run()
    truth, code = truth_of(left)
    assert code == 1
    assert sum(one["verdict"] == "failed" for one in truth.values()) == 4
    assert problems(left, truth, code, whole=True) == []
    assert GREEN != RED
    hidden: Truth = {name: {**case, "verdict": "passed"} for name, case in truth.items()}
    assert left.report is not None
    cases = [{**case, **hidden[case["nodeid"]]} for case in left.report["cases"]]
    mutant = replace(left, exit_code=0, report={**left.report, "cases": cases})
    found = problems(mutant, truth, code)
    assert sum(one.startswith("green: exit code 0") for one in found) == 1
    assert sum("and should say" in one for one in found) >= 4
