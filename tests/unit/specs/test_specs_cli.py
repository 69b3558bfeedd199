"""``mlff specs``."""

from __future__ import annotations

import argparse
import json
import re
from typing import TYPE_CHECKING

import pytest
from ase.io import write
from support.mutated import copper

from pytest_mlff.cli.specs import register
from pytest_mlff.errors import MlffError
from pytest_mlff.run.plan import plan_spec
from pytest_mlff.specs.json_schema import schema_text

if TYPE_CHECKING:
    from pathlib import Path


def run(*words: str) -> int:
    parser = argparse.ArgumentParser(prog="mlff")
    register(parser.add_subparsers())
    arguments = parser.parse_args(["specs", *words])
    code = arguments.run(arguments)
    assert isinstance(code, int)
    return code


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(
        line.split()[0] == "quick" and line.endswith("(variants on embedded: 7, rmd17: 7)")
        for line in lines
    )


def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", "quick", "--dataset", "rmd17") == 0
    out = capsys.readouterr().out
    # 5 molecules of C, H, O; 2 of C, H; uracil holds N as well.
    assert "7 variants, 78 cases" in out
    assert "  uracil (13 cases)" in out
    assert "    quick/quick/pooled/force_mae  reported" in out
    assert "    quick/quick/uracil/force_mae[N]  ≤ " in out
    assert "quick/quick/toluene/force_mae[O]" not in out


def test_show_own_file_whose_data_is_not_there(
    write_spec, capsys: pytest.CaptureFixture[str]
) -> None:
    write_spec(
        ("  embedded:\n", "  mine: {path: mol.xyz, units: eV}\n"),
        ("molecule: [ethanol, aspirin]", "molecule: [mol]"),
    )
    assert run("show", "spec.yaml") == 0
    out = capsys.readouterr().out
    assert "own/spec/mol-n100/force_mae[each]  ≤ 45 meV/Å" in out


def test_validate(
    write_spec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    good = write_spec()
    bad = write_spec(("max: 45", "max: x"), name="bad.yaml")
    assert run("validate", good.name, "quick") == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "OK own/spec (embedded: 4 variants, rmd17: 4 variants, not opened since aspirin, ethanol "
        "is not here: --data DIR)",
        "OK quick/quick (embedded: 7 variants, rmd17: 7 variants)",
    ]
    assert err == ""
    assert run("validate", bad.name, good.name, "missing.yaml") == 4
    out, err = capsys.readouterr()
    assert out.startswith("OK own/spec")
    first, second = err.splitlines()
    assert first == "bad.yaml:22: cases[0].thresholds[0].max: must be a number, is 'x'"
    assert second.startswith("no spec file missing.yaml")


def test_validate_looks_at_every_dataset(write_spec, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_spec(("{samples: [400, 800]}", "{samples: [1.5, 800]}"))
    assert run("validate", path.name) == 4
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    "old, new, line",
    [
        (
            "  rmd17:\n",
            "  rmd71:\n",
            "spec.yaml:8: datasets.rmd71: unknown dataset 'rmd71'; did you mean 'rmd17'?; choose",
        ),
        (
            "  embedded:\n",
            "  embedded: {path: x.npz}\n",
            "spec.yaml:7: datasets.embedded: `path` does not go with the name 'embedded'; give",
        ),
    ],
)
def test_every_dataset_of_a_spec_is_known(
    write_spec, capsys: pytest.CaptureFixture[str], old: str, new: str, line: str
) -> None:
    """Also one that the run is not on."""
    path = write_spec((old, new))
    assert run("validate", path.name) == 4
    (found,) = capsys.readouterr().err.splitlines()
    assert found.startswith(line)
    with pytest.raises(MlffError, match=re.escape(line)):
        plan_spec(path, "embedded", None)


def test_schema(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("schema") == 0
    printed = capsys.readouterr().out
    assert printed == schema_text()
    assert json.loads(printed)["title"] == "pytest_mlff benchmark spec"
    assert run("schema", "--output", str(tmp_path / "s.json")) == 0
    assert (tmp_path / "s.json").read_text(encoding="utf-8") == printed
    assert run("schema", "--output", str(tmp_path)) == 4
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_validate_opens_files_of_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Own records always; published ones where they lie, or with --data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "pytest.ini").touch()
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets/ours.yaml").write_text(
        "schema_version: 1\ntitle: ours\nformat: extxyz\nunits: eV\ncitation: us\n"
        'files: "{system}.extxyz"\nsystems: {cu: {species: [Cu]}}\n'
    )
    text = (
        "schema_version: 1\ntitle: t\nsource: {paper: p, section: s}\nvariant: all\n"
        "datasets: {ours: {}}\nframes:\n  test: {systems: cu, start: 50}\n"
        "cases: [{metric: force_mae}]\n"
    )
    (tmp_path / "s.yaml").write_text(text)
    assert run("validate", "s.yaml") == 4
    assert "ours cu not found in" in capsys.readouterr().err
    write(tmp_path / "datasets/cu.extxyz", copper(4))
    assert run("validate", "s.yaml") == 4
    assert "no known time order, but the test frames are cut by a time" in capsys.readouterr().err
    (tmp_path / "s.yaml").write_text(text.replace(", start: 50", ""))
    assert run("validate", "s.yaml") == 0
    published = text.replace("ours", "rmd17").replace("cu", "ethanol")
    (tmp_path / "s.yaml").write_text(published)
    capsys.readouterr()
    assert run("validate", "s.yaml") == 0
    assert "not opened since ethanol is not here" in capsys.readouterr().out
    assert run("validate", "s.yaml", "--data", "datasets") == 4
    assert "rmd17 ethanol not found in datasets" in capsys.readouterr().err
