"""Where an annotation stands, and what is written where on GitHub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from support.github_reports import decoded, failed, many, record, report

from pytest_mlff.reports.github import SUMMARY_LIMIT, Place, github_output, locator, step_summary
from pytest_mlff.specs import Spec, builtin_specs, load_spec

SPEC = """\
schema_version: 1
title: Ethanol
source: {paper: made for this test, section: none}
# a comment
datasets:
  embedded:
axes:
  molecule: [ethanol]
variant: "{molecule}"
frames:
  test: {molecules: "{molecule}", start: 98}

cases:
  - metric: energy_mae
    thresholds: [{max: 1, unit: meV/atom, provenance: &why {source: paper, reference: none}}]

  # forces
  - metric: force_mae
    species: all
    thresholds: [{max: 1, unit: meV/Å, provenance: *why}]
  - metric: force_rmse
    species: [C, H]
    thresholds: [{max: 1, unit: meV/Å, provenance: *why}]
  - thresholds: [{max: 1, unit: meV/Å, provenance: *why}]
    metric: force_mae
    species: each
"""


@pytest.fixture
def own(tmp_path: Path) -> Spec:
    path = tmp_path / "repo" / "specs" / "own.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(SPEC, encoding="utf-8")
    return load_spec(path)


@pytest.mark.parametrize(
    "metric, species, begins",
    [
        ("energy_mae", None, "  - metric: energy_mae"),
        ("force_mae", None, "  - metric: force_mae"),
        ("force_rmse", "H", "  - metric: force_rmse"),
        ("force_mae", "O", "  - thresholds: [{max: 1, unit: meV/Å"),
        ("something_else", None, "datasets:"),
    ],
)
def test_the_line_of_the_entry(own: Spec, metric: str, species: str | None, begins: str) -> None:
    assert own.path is not None
    locate = locator([own], own.path.parents[1])
    place = locate(record(suite="specs", spec="own", metric=metric, species=species))
    assert place is not None
    assert place.file == "specs/own.yaml"
    assert SPEC.splitlines()[place.line - 1].startswith(begins)


def test_a_spec_outside_of_the_repository_has_no_place(own: Spec, tmp_path: Path) -> None:
    known = record(suite="specs", spec="own")
    assert locator([own], tmp_path)(known) == Place("repo/specs/own.yaml", 18)
    for workspace in (tmp_path / "elsewhere", "", None):
        assert locator([own], workspace)(known) is None
    assert locator([own], tmp_path)(record(suite="specs", spec="other")) is None


def test_a_builtin_spec_is_a_file_of_its_own_repository_alone() -> None:
    spec = load_spec(builtin_specs()["quick"])
    assert spec.path is not None
    known = record(suite="quick", spec="quick", metric="energy_mae")
    checkout = spec.path.parents[1]
    place = locator([spec], checkout)(known)
    assert place is not None
    assert place.file == "benchmark_specs/quick.yaml"
    # As in a virtual environment that lies in somebody else's workspace.
    assert locator([spec], checkout.parent)(known) is None


def test_a_spec_that_has_gone_still_has_a_place(own: Spec, tmp_path: Path) -> None:
    assert own.path is not None
    own.path.unlink()
    known = record(suite="specs", spec="own")
    assert locator([own], tmp_path)(known) == Place("repo/specs/own.yaml", 1)


@dataclass(frozen=True)
class _Planned:
    spec: Spec


def on_github(tmp_path: Path, **changes: str) -> dict[str, str]:
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(tmp_path / "repo"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        **changes,
    }


def test_summary_and_annotations(own: Spec, tmp_path: Path) -> None:
    made = report(failed(suite="specs", spec="own"))
    (line,) = github_output(made, [_Planned(own)], on_github(tmp_path))
    assert decoded(line)[1]["file"] == "specs/own.yaml"
    text = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert text == step_summary(made)


@pytest.mark.parametrize("value", ["", "false", "1", "True"])
def test_elsewhere_nothing_is_done(tmp_path: Path, value: str) -> None:
    environ = on_github(tmp_path, GITHUB_ACTIONS=value)
    assert github_output(report(failed()), [], environ) == []
    assert not (tmp_path / "summary.md").exists()


def test_what_the_step_wrote_before_stays_and_counts(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("x" * (SUMMARY_LIMIT - 40_000) + "\n", encoding="utf-8")
    github_output(many(3000), [], on_github(tmp_path))
    text = path.read_text(encoding="utf-8")
    assert text.startswith("xxx")
    assert SUMMARY_LIMIT - 20_000 < len(text.encode()) <= SUMMARY_LIMIT
    assert "rows are left out" in text
    assert "\n\n## May this force field be merged? No." in text
    # A second run in the same step finds no room, and does not spoil what is there.
    github_output(many(3000), [], on_github(tmp_path))
    assert len(path.read_bytes()) <= SUMMARY_LIMIT


def test_a_summary_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "summary.md").mkdir()
    lines = github_output(report(failed()), [], on_github(tmp_path))
    assert [decoded(line)[0] for line in lines] == ["error", "warning"]
    assert decoded(lines[1])[2] == "cannot write the summary (Is a directory)"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_said(tmp_path: Path) -> None:
    lines = github_output(report(), [], on_github(tmp_path, GITHUB_STEP_SUMMARY="/dev/full"))
    assert decoded(lines[-1])[2] == "cannot write the summary (No space left on device)"


def test_no_summary_file_is_no_error(tmp_path: Path) -> None:
    environ = on_github(tmp_path)
    del environ["GITHUB_STEP_SUMMARY"]
    assert github_output(report(record()), [], environ) == []
