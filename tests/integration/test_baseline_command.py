"""``mlff baseline prune``: what goes, what stays as it was, and what is refused."""

from __future__ import annotations

import hashlib
import io
import json
from typing import TYPE_CHECKING

import pytest
from support.baselines import record, written
from support.gated import IDS, gate_run, gated_repo

from pytest_mlff.cli.main import main
from pytest_mlff.gate.baseline import load_baseline

if TYPE_CHECKING:
    from pathlib import Path

SPEC = """\
schema_version: 1
title: Last frames of ethanol
source: {paper: made for this test, section: none}
datasets: {embedded: }
axes: {molecule: [ethanol]}
variant: "{molecule}"
frames: {test: {molecules: "{molecule}", start: 90}}
cases:
  - metric: force_mae
    species: [all, each]
    thresholds:
      - {max: 100, unit: meV/Å, provenance: {source: physical_limit, reference: made for this}}
"""
KEPT = ("specs/small/ethanol/force_mae", "specs/small/ethanol/force_mae[C]")
ORPHANS = ("specs/small/ethanol/energy_mae", "specs/small/water/force_mae[C]")
OTHER = ("specs/old/ethanol/force_mae", "specs/old/ethanol/force_mae[C]")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "small.yaml").write_text(SPEC, encoding="utf-8")
    path = tmp_path / "baselines" / "demo.json"
    written(path, *(record(name) for name in (*KEPT, *ORPHANS, *OTHER)))
    return path


def entries(path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))["cases"]
    return found


@pytest.mark.parametrize(
    "arguments, gone",
    [
        (["--suite", "specs/small.yaml"], ORPHANS),
        ([ORPHANS[1]], ORPHANS[1:]),
        (["specs/old/*"], OTHER),
        # A bracket names a species: nothing but [C] itself goes.
        (["*force_mae[C]"], (KEPT[1], ORPHANS[1], OTHER[1])),
        (["specs/old/*", "--suite", "specs/small.yaml"], (*ORPHANS, *OTHER)),
    ],
)
def test_what_goes(
    file: Path, arguments: list[str], gone: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    before, series = entries(file), load_baseline(file).cases
    assert main(["baseline", "prune", str(file), *arguments, "--yes"]) == 0
    shown = capsys.readouterr().out
    assert {line.split()[1] for line in shown.splitlines() if line.startswith("remove ")} == (
        set(gone)
    )
    after = entries(file)
    assert set(before) - set(after) == set(gone)
    # What stays is what it was, its frames too, and no file is left over.
    assert after == {name: before[name] for name in after}
    left = load_baseline(file)
    for name, case in left.cases.items():
        assert (case.record.series.totals == series[name].record.series.totals).all()
    assert len(list(file.parent.iterdir())) == 2


def test_nobody_is_asked_and_nothing_is_lost(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = {path: hashlib.sha256(path.read_bytes()).digest() for path in file.parent.iterdir()}
    command = ["baseline", "prune", str(file), "specs/old/*"]
    assert main(command) == 4
    assert "nobody to ask" in capsys.readouterr().err

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    assert main(command) == 1
    assert old == {
        path: hashlib.sha256(path.read_bytes()).digest() for path in file.parent.iterdir()
    }
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert main(command) == 0
    assert not any(name.startswith("specs/old/") for name in entries(file))


def test_a_full_disk_leaves_the_old_file(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = {path: path.read_bytes() for path in file.parent.iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert main(["baseline", "prune", str(file), "specs/old/*", "--yes"]) == 4
    assert "No space left" in capsys.readouterr().err
    assert old == {path: path.read_bytes() for path in file.parent.iterdir()}


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], "name entries"),
        (["specs/small/ethanol/force_rmse"], "has no entry 'specs/small/ethanol/force_rmse'"),
        (["*"], "delete the file"),
        (["--suite", "specs/absent.yaml"], "absent.yaml"),
        (["--suite", "quick"], "no entry of spec quick/quick (its specs: specs/old, specs/small)"),
    ],
)
def test_one_line(
    file: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    old = file.read_bytes()
    assert main(["baseline", "prune", str(file), *arguments, "--yes"]) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert file.read_bytes() == old


def test_a_report_is_left_as_it_was_measured(
    pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    gated_repo(pytester)
    gate_run(pytester, "base")
    old = (pytester.path / "report.json").read_bytes()
    capsys.readouterr()
    assert main(["baseline", "prune", "report.json", IDS[0], "--yes"]) == 4
    assert "report.json is a report" in capsys.readouterr().err
    assert (pytester.path / "report.json").read_bytes() == old


def test_damaged_files_are_refused(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = file.read_text(encoding="utf-8")
    file.write_text(content.replace('"value": ', '"value": 1', 1), encoding="utf-8")
    assert main(["baseline", "prune", str(file), "specs/old/*", "--yes"]) == 4
    assert "changed after it was written" in capsys.readouterr().err


def test_a_pruned_file_has_nothing_more_to_remove(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["baseline", "prune", str(file), "--suite", "specs/small.yaml", "--yes"]
    assert main(command) == 0
    content = file.read_bytes()
    capsys.readouterr()
    assert main(command) == 0
    assert "nothing to remove" in capsys.readouterr().out
    assert file.read_bytes() == content
