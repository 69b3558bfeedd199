"""Runs that something happens to, and a checker that says what they lost or hid.

The scene is a small model repository: a recipe with a trainer that writes a checkpoint after
each step, a fixed model, two fixture variants, a data check and a metric that is unsupported.
Its model is a formula in JSON, so that no process has to import torch.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = [
    "GREEN",
    "RED",
    "Left",
    "Scene",
    "damage",
    "full_disk",
    "in_report",
    "problems",
    "truth_of",
]

SPEC = """\
schema_version: 1
title: Two sizes of ethanol
source: {paper: made for this test, section: none}
datasets:
  embedded:
axes:
  samples: [5, 9]
variant: "n{samples}"
frames:
  train: {molecules: ethanol, end: 20, count: samples, pick: random}
  test: {molecules: ethanol, start: 99.5}
cases:
  - metric: train_test_overlap
    thresholds: [{max: 0, unit: "1", provenance: &limit {source: physical_limit,
                  reference: made for this test}}]
  - metric: energy_mae
    thresholds: [{max: ENERGY, unit: meV/atom, provenance: *limit}]
  - metric: translation
    options: {examples: 1}
    thresholds: [{max: 1, unit: "1", provenance: *limit}]
  - metric: force_mae
    species: [all, each]
    thresholds: [{max: 100000, unit: meV/Å, provenance: *limit}]
"""
GREEN, RED = "100000000", "0.001"
"""Limits of the energy (meV/atom) that every model keeps, and that none does."""

RECIPE = "schema_version: 1\ntrainer: spring.py:train\nbudget: 5\n"

SPRING = '''\
"""A model that is a formula: every atom on a spring to the centre of its molecule."""

import json
import os
import time
from pathlib import Path

import numpy as np
from pytest_mlff.potentials.protocol import PotentialInfo, Prediction

STEPS = 6


def keep(path, value):
    scratch = path.with_suffix(".new")
    scratch.write_text(json.dumps(value))
    os.replace(scratch, path)


def train(fixture, config, out_dir):
    """Half of the way to the answer in each step, from the last whole checkpoint on."""
    state = {"step": 0, "k": 0.0}
    try:
        state = {**state, **json.loads((out_dir / "state.json").read_text())}
    except (OSError, ValueError):
        pass
    answer = float(np.mean(np.abs(fixture.train.forces)))
    for step in range(state["step"], STEPS):
        time.sleep(0.02)
        state = {"step": step + 1, "k": state["k"] + 0.5 * (answer - state["k"])}
        keep(out_dir / "state.json", state)
    (out_dir / "model.spring").write_text(json.dumps({"k": state["k"]}))
    return "model.spring"


class Spring:
    def __init__(self, k, info):
        self.k, self.info = k, info

    def predict(self, frames):
        energy, forces = [], []
        for index in range(len(frames)):
            time.sleep(0.003)
            start, stop = frames.offsets[index], frames.offsets[index + 1]
            away = frames.positions[start:stop]
            away = away - away.mean(axis=0)
            energy.append(0.5 * self.k * float(np.sum(away**2)))
            forces.append(-self.k * away)
        return Prediction(np.array(energy), np.concatenate(forces))


class Adapter:
    family, extra = "spring", "none"

    def recognises(self, kind):
        return kind.path.suffix == ".spring"

    def load(self, kind, options):
        import hashlib

        (Path(__file__).parent / "marks" / f"model.{os.getpid()}").touch()
        content = kind.path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        info = PotentialInfo(options.name, "spring", options.source, digest, None, None,
                             "cpu", "float64", {})
        return Spring(json.loads(content)["k"], info)
'''

CONFTEST = """\
import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
MARKS = HERE / "marks"
WORKER = os.environ.get("PYTEST_XDIST_WORKER")


def pytest_mlff_adapters(config):
    from spring import Adapter

    return [Adapter()]


def pytest_sessionstart(session):
    (MARKS / f"{'worker' if WORKER else 'main'}.{os.getpid()}").touch()


def pytest_collection_finish(session):
    if not WORKER and session.items:
        (MARKS / "collected").touch()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node, ids):
    (MARKS / "collected").touch()


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report):
    if not WORKER and report.when not in ("setup", "call"):
        with (MARKS / "reported").open("a") as stream:
            stream.write(report.nodeid + "\\n")
"""

# What of a case has to come out the same, whatever happened on the way.
_SAME = ("verdict", "value", "unit", "ci_low", "ci_high", "n_frames", "reason", "model")
_COLOUR = {"failed": "failure", "regressed": "failure", "error": "failure",
           "unsupported": "skipped", "skipped": "skipped", "reported": "skipped",
           "passed": "passed"}  # fmt: skip
_MEASURED = ("passed", "reported", "unsupported", "failed")
_NOT_RUN = "not run: "
_WORSE = ("passed", "skipped", "failure", "error")

Truth = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Left:
    """What a run left behind.

    Attributes
    ----------
    exit_code : int or None
        Negative for a signal; None for a run that had to be killed for lasting too long.
    report, partial : dict or None
        The report and the unfinished report, parsed; None where there is none of this run.
    broken : tuple of str
        Files that are there and cannot be read.
    junit : dict or None
        Outcome of each item by the last part of its id.
    reported : tuple of str
        Ids of items whose reports the controller had handed on.
    collected : bool
        Whether the run had come to know its items.
    output : str
        The end of what it printed.
    stayed : int
        Processes of the run that still lived after the time limit.
    """

    exit_code: int | None
    report: dict[str, Any] | None = None
    partial: dict[str, Any] | None = None
    broken: tuple[str, ...] = ()
    junit: dict[str, str] | None = None
    reported: tuple[str, ...] = ()
    collected: bool = False
    output: str = ""
    stayed: int = 0
    seconds: float = 0.0


@dataclass
class Scene:
    """A model repository in a folder of its own.

    Attributes
    ----------
    root : Path
        Made if need be.
    limit : str
        `GREEN` or `RED`.
    patience : float
        Seconds after which a run hangs.
    store, reports : Path
        Where the store lies, and the folder that reports are written to.
    """

    root: Path
    limit: str = GREEN
    patience: float = 60.0
    store: Path = field(init=False)
    reports: Path = field(init=False)
    junit: Path = field(init=False)
    """The JUnit file; beside the reports only where it is put there."""

    def __post_init__(self) -> None:
        self.store, self.reports = self.root / "store", self.root / "reports"
        self.junit = self.root / "junit.xml"
        for folder in (self.root / "marks", self.root / "specs", self.store, self.reports):
            folder.mkdir(parents=True, exist_ok=True)
        fixed = {"k": 0.25}
        for name, text in {
            "specs/two.yaml": SPEC.replace("ENERGY", self.limit),
            "spring.yaml": RECIPE,
            "spring.py": SPRING,
            "conftest.py": CONFTEST,
            "fixed.spring": json.dumps(fixed),
            "pytest.ini": "[pytest]\n",
        }.items():
            (self.root / name).write_text(text, encoding="utf-8")

    def start(self, workers: int = 0, *more: str) -> subprocess.Popen[bytes]:
        """Start a run; it is the leader of a process group."""
        for mark in (self.root / "marks").iterdir():
            mark.unlink()
        plugins = ["-p", "pytest_mlff.plugin.hooks", "-p", "no:cacheprovider"]
        if workers:
            plugins += ["-p", "xdist.plugin", f"-n{workers}"]
        self._before = self._content("report.json")
        self.junit.unlink(missing_ok=True)
        environ = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "OMP_NUM_THREADS": "1",
                   "PYTHONDONTWRITEBYTECODE": "1"}  # fmt: skip
        for name in ("PYTEST_ADDOPTS", "GITHUB_ACTIONS", "PYTEST_XDIST_WORKER"):
            environ.pop(name, None)
        self._begun = time.monotonic()
        with (self.root / "output.txt").open("wb") as output, _hears_ctrl_c():
            return subprocess.Popen(
                [sys.executable, "-m", "pytest", *plugins, "--mlff-model=spring.yaml",
                 "--mlff-model=fixed.spring", "--mlff-suite=specs/two.yaml", "--mlff-only",
                 "--mlff-level=GFN2-xTB", "--mlff-device=cpu", f"--mlff-store={self.store}",
                 f"--mlff-report={self.reports / 'report.json'}",
                 f"--junitxml={self.junit}", *more],
                cwd=self.root, stdout=output, stderr=subprocess.STDOUT, env=environ,
                start_new_session=True,
            )  # fmt: skip

    def clear(self) -> None:
        """Empty the store; reports of earlier runs stay, as old ones do."""
        shutil.rmtree(self.store, ignore_errors=True)
        self.store.mkdir()

    def run(self, workers: int = 0, *more: str) -> Left:
        """A run that nothing happens to."""
        return self.end(self.start(workers, *more))

    def pids(self, kind: str) -> list[int]:
        """Processes of the run that live: ``main``, ``worker`` or ``model``."""
        found = (int(one.suffix[1:]) for one in (self.root / "marks").glob(f"{kind}.*"))
        return [pid for pid in found if _lives(pid)]

    def below(self) -> list[int]:
        """Processes that the run has started and that live: none may outlast it."""
        return [*self.pids("worker"), *self.pids("model")]

    def wait_for(self, ready: Callable[[], bool], run: subprocess.Popen[bytes]) -> bool:
        """Wait until something holds; False if the run ended before."""
        end = time.monotonic() + self.patience
        while not ready():
            if run.poll() is not None or time.monotonic() > end:
                return False
            time.sleep(0.002)
        return True

    def end(self, run: subprocess.Popen[bytes]) -> Left:
        """Wait for a run to end and see what it has left; it is killed when patience ends."""
        limit = self.patience
        until = time.monotonic() + limit
        code: int | None = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = run.wait(limit)
        seconds = time.monotonic() - self._begun
        while self.below() and time.monotonic() < until:
            time.sleep(0.02)
        stayed = len(self.below()) + (code is None)
        if stayed:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
            run.wait()
        return replace(self.left(code), stayed=stayed, seconds=seconds)

    def left(self, code: int | None) -> Left:
        """What lies there now."""
        broken: list[str] = []
        content = {name: self._content(name) for name in ("report.json", "report.partial.json")}
        parsed: dict[str, dict[str, Any] | None] = dict.fromkeys(content)
        for name, text in content.items():
            if text is None:
                continue
            try:
                parsed[name] = json.loads(text)
            except ValueError as error:
                # A write of the unfinished report may be cut in two by a kill; its reader knows.
                from pytest_mlff.errors import MlffError
                from pytest_mlff.reports.json_report import load_report

                try:
                    parsed[name] = load_report(self.reports / name).model_dump()
                except MlffError:
                    broken.append(f"{name} ({error})")
        if content["report.json"] == self._before:
            parsed["report.json"] = None
        marks = self.root / "marks"
        listed = marks / "reported"
        return Left(
            exit_code=code,
            report=parsed["report.json"],
            partial=parsed["report.partial.json"],
            broken=tuple(broken),
            junit=_junit(self.junit),
            reported=tuple(listed.read_text().splitlines()) if listed.exists() else (),
            collected=(marks / "collected").exists(),
            output=(self.root / "output.txt").read_text(errors="replace")[-4000:],
        )

    def _content(self, name: str) -> bytes | None:
        try:
            return (self.reports / name).read_bytes()
        except OSError:
            return None


@contextlib.contextmanager
def _hears_ctrl_c() -> Iterator[None]:
    """What a shell starts in the background ignores Ctrl-C, and so would all its children."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _lives(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in "ZX"


def _junit(path: Path) -> dict[str, str] | None:
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError):
        return None
    found: dict[str, str] = {}
    for case in root.iter("testcase"):
        name = case.get("name")
        if name is None:
            continue  # pytest's entry for an item that was interrupted between its phases
        tags = {child.tag for child in case} & {"failure", "error", "skipped"}
        # A worker that dies after a case was measured, and before it was taken down, gives
        # the case a second entry; the worst one counts.
        found[name] = max(tags.pop() if tags else "passed", found.get(name, "passed"),
                          key=_WORSE.index)  # fmt: skip
    return found


def in_report(report: Mapping[str, Any] | None) -> Truth:
    """What a report says of each case, by the id of its item."""
    cases = [] if report is None else report["cases"]
    assert len({case["nodeid"] for case in cases}) == len(cases), "a case stands there twice"
    return {case["nodeid"]: {name: case[name] for name in _SAME} for case in cases}


def truth_of(left: Left) -> tuple[Truth, int]:
    """What an undisturbed run says of each case, and its exit code."""
    assert left.report is not None, left.output
    assert left.exit_code is not None
    return in_report(left.report), left.exit_code


def problems(
    left: Left, truth: Truth, code: int, *, whole: bool = False, survived: bool = True,
    room: bool = True,
) -> list[str]:  # fmt: skip
    """What is wrong with what a run left; each begins with ``lost``, ``green`` or ``hang``.

    Parameters
    ----------
    left : Left
        The run.
    truth, code : dict, int
        Cases and exit code of an undisturbed run.
    whole : bool
        Nothing is left of any fault: everything has to be as in the undisturbed run.
    survived : bool
        The controller was not killed, so it had its say at the end.
    room : bool
        There was room for the reports.
    """
    found = [f"lost: cannot be read: {name}" for name in left.broken]
    if left.exit_code is None or left.stayed:
        found.append(f"hang: {left.stayed} processes had to be killed")
    final, partial = in_report(left.report), in_report(left.partial)
    known = final if left.report is not None else partial
    for nodeid, case in (*final.items(), *partial.items()):
        if nodeid not in truth:
            found.append(f"lost: {nodeid} is no case")
        elif case["verdict"] in _MEASURED and case != truth[nodeid]:
            found.append(f"green: {nodeid} says {case}, and should say {truth[nodeid]}")
    if left.exit_code == 0 and (code != 0 or final != truth):
        wrong = [one for one in truth if final.get(one) != truth[one]]
        found.append(f"green: exit code 0, but {len(wrong)} cases are not as they should be")
    if room:
        found += [f"lost: {one} was reported" for one in left.reported if one not in known]
        if survived and left.collected and set(final) != set(truth):
            gone = len(set(truth) - set(final))
            found.append(f"lost: {gone} of {len(truth)} cases are not in the report")
    if survived and left.collected and left.junit is not None:
        found += _disagree(left.junit, known, left.reported)
    elif survived and left.reported and room:
        found.append("lost: no JUnit file")
    if whole and (final != truth or left.exit_code != code or left.partial is not None):
        differ = sorted(one for one in truth if final.get(one) != truth[one])
        found.append(f"rerun: exit code {left.exit_code} instead of {code}, {differ[:2]} differ")
    return found


def _in_junit(nodeid: str) -> str:
    """What the JUnit file calls a case."""
    return nodeid.partition("[")[2].removesuffix("]")


def _disagree(junit: Mapping[str, str], known: Truth, reported: tuple[str, ...]) -> list[str]:
    found = []
    for nodeid in reported:
        name = _in_junit(nodeid)
        if name not in junit:
            found.append(f"lost: {name} is not in the JUnit file")
    for nodeid, case in known.items():
        outcome = junit.get(_in_junit(nodeid))
        died = (outcome, case["verdict"]) == ("error", "error")
        if outcome is not None and not died and outcome != _COLOUR[case["verdict"]]:
            found.append(f"green: {nodeid} is {case['verdict']}, and {outcome} in the JUnit file")
        if (
            outcome is None
            and not (case["verdict"] == "skipped" and case["reason"].startswith(_NOT_RUN))
            and not case["reason"].startswith("lost: ")
        ):
            found.append(f"lost: {nodeid} is {case['verdict']}, and not in the JUnit file")
    return found


def damage(path: Path, position: float, *, cut: bool) -> None:
    """Cut a file at a place, or let zeros stand for what followed, as after a power cut.

    Parameters
    ----------
    path : Path
        The file.
    position : float
        Where, as a part of its length: 0 ≤ position < 1.
    cut : bool
        Cut it; else write zeros.
    """
    content = path.read_bytes()
    place = int(position * len(content))
    path.write_bytes(content[:place] + (b"" if cut else bytes(len(content) - place)))


@contextlib.contextmanager
def full_disk(folder: Path, pages: int) -> Iterator[Callable[[], None]]:
    """Mount a file system of a few pages of 4 KiB on a folder, which needs root.

    Yields
    ------
    callable
        Gives it 64 MiB.

    Raises
    ------
    OSError
        If it may not be mounted.
    """
    mount = shutil.which("mount")
    if mount is None:
        raise OSError("no mount here")
    options = f"size={4096 * pages},nr_inodes=0"
    made = subprocess.run([mount, "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
                          capture_output=True, text=True, check=False)  # fmt: skip
    if made.returncode:
        raise OSError(made.stderr.strip())

    def grow() -> None:
        subprocess.run([mount, "-o", "remount,size=64m", str(folder)], check=True)

    try:
        yield grow
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
