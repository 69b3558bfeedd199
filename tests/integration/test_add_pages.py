"""The pages "Add a …" are executed, each as a plugin package that entry points find."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from support.repos import SUPPORT

DOCS = Path(__file__).parents[2] / "docs"
SPEC = """\
schema_version: 1
title: Throw-away
source: {paper: none, section: none}
datasets: {embedded: }
axes: {molecule: [ethanol]}
variant: "{molecule}"
frames: {test: {molecules: "{molecule}", start: 98}}
cases:
"""
FORCES = """\
  - metric: force_mae
    thresholds:
      - max: 1.0e+6
        unit: meV/Å
        provenance: {source: physical_limit, reference: any}
"""


MODEL = "models.py:noisy"
"""Costs less than a network, and a page on metrics or reports is not about the model."""


def _blocks(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def _package(page: str, folder: Path) -> dict[str, str]:
    """Write the page's package, with metadata as an installer writes it; its environment."""
    for block in _blocks(page, "python"):
        name = block.partition('"""')[2].partition('"""')[0]
        (folder / name).write_text(block, encoding="utf-8")
    info = folder / "throw_away-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: throw-away\nVersion: 1\n")
    groups = tomllib.loads("".join(_blocks(page, "toml")))["project"]["entry-points"]
    (info / "entry_points.txt").write_text(
        "".join(
            f"[{group}]\n" + "".join(f"{name} = {place}\n" for name, place in points.items())
            for group, points in groups.items()
        )
    )
    (folder / "models.py").write_text((SUPPORT / "models.py").read_text(encoding="utf-8"))
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "MLFF_STORE": str(folder / "store")}


def _run(folder: Path, environment: dict[str, str], *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def _benchmark(
    folder: Path, environment: dict[str, str], model: str, *options: str
) -> tuple[int, str]:
    return _run(
        folder, environment, "pytest", "-p", "no:cacheprovider", "--mlff-only",
        f"--mlff-model={model}", "--mlff-suite=specs/own/s.yaml", *options,
    )  # fmt: skip


def _spec(folder: Path, cases: str) -> None:
    path = folder / "specs" / "own" / "s.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SPEC + cases, encoding="utf-8")


def test_a_metric(tmp_path: Path) -> None:
    environment = _package("add-a-metric.md", tmp_path)
    (cases,) = _blocks("add-a-metric.md", "yaml")
    _spec(tmp_path, cases)
    validate = ("pytest_mlff.cli.main", "specs", "validate", "specs/own/s.yaml")
    assert _run(tmp_path, environment, *validate)[0] == 0
    code, said = _benchmark(tmp_path, environment, MODEL)
    assert code == 0, said
    assert "≥ 0.9" in said
    # A value on the wrong side of the limit fails, and `max` is refused.
    _spec(tmp_path, cases.replace("0.9", "1.0"))
    code, said = _benchmark(tmp_path, environment, MODEL)
    assert code == 1, said
    assert "below the threshold of 1" in said
    _spec(tmp_path, cases.replace("min:", "max:"))
    code, said = _run(tmp_path, environment, *validate)
    assert code == 4
    assert "must be `min`: of force_direction larger is better" in said
    # Without the package there is no such metric.
    _spec(tmp_path, cases)
    (tmp_path / "throw_away-1.dist-info" / "entry_points.txt").unlink()
    code, said = _run(tmp_path, environment, *validate)
    assert code == 4
    assert "unknown metric 'force_direction'" in said


def test_a_law(tmp_path: Path) -> None:
    environment = _package("add-a-law.md", tmp_path)
    code, said = _run(tmp_path, environment, "pytest", "-q", "test_mirror.py")
    assert code == 0, said
    assert "2 passed" in said
    code, said = _run(tmp_path, environment, "pytest_mlff.cli.main", "laws", "list")
    assert code == 0
    assert "mirror" in said


def test_a_model_family(tmp_path: Path) -> None:
    environment = _package("add-a-model-family.md", tmp_path)
    (tmp_path / "my.spring").write_text('{"k": 1.0}')
    _spec(tmp_path, FORCES)
    code, said = _benchmark(tmp_path, environment, "my.spring")
    # It was opened and measured; of another level of theory, accuracy does not bind, and a
    # run that judged nothing is not green.
    assert code == 1, said
    assert "1 case: 1 reported" in said


def test_a_report_format(tmp_path: Path) -> None:
    environment = _package("add-a-report-format.md", tmp_path)
    _spec(tmp_path, FORCES)
    wanted = ("--mlff-report=r.json", "--mlff-write=markdown:run.md")
    code, said = _benchmark(tmp_path, environment, MODEL, *wanted)
    assert code == 0, said
    assert "mlff: markdown report written to " in said
    written = (tmp_path / "run.md").read_text(encoding="utf-8")
    assert re.fullmatch(r"- own/s/ethanol/force_mae: passed, [\d.]+ meV/Å\n", written)
    report = ("pytest_mlff.cli.main", "report", "r.json", "--write")
    code, said = _run(tmp_path, environment, *report, "markdown:later.md")
    assert (code, said) == (0, "markdown report written to later.md\n")
    assert (tmp_path / "later.md").read_text(encoding="utf-8") == written
    code, said = _run(tmp_path, environment, *report, "markdwon:later.md")
    assert code == 4
    assert "did you mean 'markdown'? (formats: html, csv, markdown)" in said
    # One that fails makes the run red in one line, and costs no other report.
    module = tmp_path / "markdown_list.py"
    module.write_text(module.read_text().replace("    lines = [", "    1 / 0\n    lines = ["))
    (tmp_path / "r.json").unlink()
    code, said = _benchmark(tmp_path, environment, MODEL, *wanted)
    assert code == 1, said
    assert "run.md: the format markdown failed (ZeroDivisionError: division by zero)" in said
    assert (tmp_path / "r.json").is_file()
    # Without the package there is no such format, and that is said before the run.
    (tmp_path / "throw_away-1.dist-info" / "entry_points.txt").unlink()
    code, said = _benchmark(tmp_path, environment, MODEL, *wanted)
    assert code == 4
    assert "unknown report format 'markdown' (formats: html, csv)" in said


def test_a_dataset(tmp_path: Path) -> None:
    environment = {**os.environ, "MLFF_STORE": str(tmp_path / "store")}
    record, spec = _blocks("add-a-dataset.md", "yaml")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    for name, text in (("datasets/ours.yaml", record), ("specs/own/s.yaml", spec)):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "models.py").write_text((SUPPORT / "models.py").read_text(encoding="utf-8"))
    data = ("pytest_mlff.cli.main", "data")
    out = "datasets/ours/ethanol.extxyz"
    code, said = _run(tmp_path, environment, *data, "convert", "embedded:ethanol", "--out", out)
    assert code == 0, said
    code, said = _benchmark(tmp_path, environment, MODEL)
    assert code == 0, said
    assert "1 case: 1 passed" in said
    # The record is what makes the difference: another unit is another verdict, none an error.
    path = tmp_path / "datasets" / "ours.yaml"
    path.write_text(record.replace("units: eV", "units: kcal/mol"))
    code, said = _benchmark(tmp_path, environment, MODEL)
    assert code == 1, said
    path.unlink()
    validate = ("pytest_mlff.cli.main", "specs", "validate", "specs/own/s.yaml")
    code, said = _run(tmp_path, environment, *validate)
    assert code == 4, said
    assert "ours" in said
    assert "Traceback" not in said


def test_an_entry_point_that_cannot_be_loaded_is_one_line(tmp_path: Path) -> None:
    environment = _package("add-a-metric.md", tmp_path)
    (tmp_path / "force_direction.py").write_text("import not_there\n")
    _spec(tmp_path, FORCES)
    validate = ("pytest_mlff.cli.main", "specs", "validate", "specs/own/s.yaml")
    code, said = _run(tmp_path, environment, *validate)
    assert code == 4
    assert "throw-away (entry point pytest_mlff.metrics: force_direction) cannot be loaded" in said
    assert "Traceback" not in said
