"""``--mlff-update-baseline``: what enters the file, what stays, what is never written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.gated import IDS, SPEC, cases, gate_run, gated_repo, only_line
from support.repos import once

if TYPE_CHECKING:
    from pathlib import Path

    from pytest import Pytester

UPDATE = ("--mlff-baseline=baselines/demo.json", "--mlff-update-baseline")


def _file(pytester: Pytester) -> Path:
    return pytester.path / "baselines" / "demo.json"


def _values(pytester: Pytester) -> dict[str, float]:
    document: dict[str, Any] = json.loads(_file(pytester).read_text())
    return {name: entry["value"] for name, entry in document["cases"].items()}


@pytest.fixture
def before(pytester: Pytester, shared: Path) -> dict[str, float]:
    """Values of a first update, whose repository lies in pytester's folder."""

    def update() -> None:
        gated_repo(pytester)
        assert gate_run(pytester, "base", *UPDATE).ret == 0

    once(pytester, shared / "first", update)
    return _values(pytester)


def test_the_first_update_writes_every_case(pytester: Pytester, before: dict[str, float]) -> None:
    measured = {name: case["value"] for name, case in cases(pytester).items()}
    assert before == measured
    assert set(before) == set(IDS)
    assert gate_run(pytester, "base", UPDATE[0]).ret == 0


def test_without_a_name_it_lies_in_baselines_under_the_models_name(pytester: Pytester) -> None:
    gated_repo(pytester)
    result = gate_run(pytester, "base", "--mlff-update-baseline")
    assert result.ret == 0
    assert (pytester.path / "baselines" / "base.json").is_file()
    result.stdout.fnmatch_lines(["mlff: baseline *base.json: 5 added"])


def test_the_same_model_changes_no_byte(pytester: Pytester, before: dict[str, float]) -> None:
    files = {one.name: one.read_bytes() for one in _file(pytester).parent.iterdir()}
    result = gate_run(pytester, "base", *UPDATE)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*5 kept"])
    assert {one.name: one.read_bytes() for one in _file(pytester).parent.iterdir()} == files


def test_a_better_model_tightens(pytester: Pytester, before: dict[str, float]) -> None:
    result = gate_run(pytester, "better", *UPDATE)
    assert result.ret == 0
    after = _values(pytester)
    assert all(after[name] < before[name] for name in IDS)
    result.stdout.fnmatch_lines(["*5 tightened", "*tightened specs/small/*→*significantly better"])
    assert len(list(_file(pytester).parent.glob("*.npz"))) == 1


def test_another_seed_is_no_improvement(pytester: Pytester, before: dict[str, float]) -> None:
    assert gate_run(pytester, "reseeded", *UPDATE).ret == 0
    assert _values(pytester) == before


def test_a_worse_model_is_red_and_changes_nothing(
    pytester: Pytester, before: dict[str, float]
) -> None:
    result = gate_run(pytester, "worse", *UPDATE)
    assert result.ret == 1
    assert _values(pytester) == before
    result.stdout.fnmatch_lines(["*5 kept", "*kept *--mlff-accept-regression*"])


def test_cases_that_were_not_measured_stay_out(pytester: Pytester) -> None:
    gated_repo(pytester)
    assert gate_run(pytester, "blind", *UPDATE).ret == 1
    assert set(_values(pytester)) == {IDS[0]}


def test_a_run_that_ended_early_changes_nothing(pytester: Pytester) -> None:
    gated_repo(pytester, SPEC.replace("max: 100, unit: meV/atom", "max: 0.01, unit: meV/atom"))
    result = gate_run(pytester, "base", *UPDATE, "-x")
    assert result.ret == 1
    assert not _file(pytester).exists()
    result.stdout.fnmatch_lines(["*ended early, so no baseline was changed"])


def test_deselected_entries_and_other_specs_stay(
    pytester: Pytester, before: dict[str, float]
) -> None:
    result = gate_run(pytester, "better", *UPDATE, "-k", "energy")
    assert result.ret == 0
    after = _values(pytester)
    assert {name for name in IDS if after[name] != before[name]} == {IDS[0]}
    result.stdout.no_fnmatch_line("*orphaned*")
    root = pytester.path
    (root / "specs" / "small.yaml").rename(root / "specs" / "other.yaml")
    pytester.runpytest_inprocess(
        "--mlff-model=gated.py:base", "--mlff-suite=specs/other.yaml", *UPDATE
    )
    assert {name.split("/")[1] for name in _values(pytester)} == {"small", "other"}


def test_two_workers_write_the_same_file(pytester: Pytester, before: dict[str, float]) -> None:
    pytest.importorskip("xdist")
    alone = _file(pytester).read_bytes()
    for one in _file(pytester).parent.iterdir():
        one.unlink()
    assert gate_run(pytester, "base", *UPDATE, "-n2").ret == 0
    assert _file(pytester).read_bytes() == alone


def test_a_full_disk_leaves_the_old_file_and_the_report(
    pytester: Pytester, before: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytest_mlff.gate import files

    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(files, "write_atomically", full)
        result = gate_run(pytester, "better", *UPDATE)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*No space left on device; what was there before is unchanged"])
    assert _values(pytester) == before
    assert set(cases(pytester)) == set(IDS)
    assert json.loads((pytester.path / "report.json").read_text())["run"]["exit_code"] == 1
    assert gate_run(pytester, "base", UPDATE[0]).ret == 0


@pytest.mark.parametrize("how", ["report", "hand-edited", "model", "several"])
def test_what_cannot_be_updated_is_one_line(
    pytester: Pytester, before: dict[str, float], how: str
) -> None:
    arguments: tuple[str, ...] = UPDATE
    match how:
        case "report":
            arguments = ("--mlff-baseline=report.json", UPDATE[1])
            words = "is a report, which cannot be updated"
        case "hand-edited":
            text = _file(pytester).read_text()
            _file(pytester).write_text(text.replace('"n_frames": 3', '"n_frames": 4'))
            words = "changed after it was written"
        case "model":
            arguments = ("--mlff-model=gated.py:worse", "--mlff-baseline=gated.py:worse", UPDATE[1])
            words = "is a model of this run"
        case _:
            arguments = ("--mlff-model=gated.py:worse", *UPDATE)
            words = "name a folder"
    result = gate_run(pytester, "base", *arguments, report="later.json")
    assert words in only_line(result)
    assert not (pytester.path / "later.json").exists()
