"""``mlff data`` as typed."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_mlff.cli import data
from pytest_mlff.datasets import open_dataset
from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER
from pytest_mlff.datasets.molecules import MOLECULES
from pytest_mlff.datasets.readers.npz import read_npz
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SPEC = """\
schema_version: 1
title: a spec
source: {paper: none, section: none}
datasets: {embedded: {}}
axes: {molecule: [ethanol, uracil], samples: [3, 30]}
variant: "{molecule}-n{samples}"
frames:
  train: {molecules: "{molecule}", end: 85, pick: random, count: samples}
  validation: {molecules: "{molecule}", start: 85, end: 90, pick: evenly, count: 5}
  test: {molecules: "{molecule}", start: 90}
cases:
  - metric: force_mae
    thresholds:
      - {max: 50, unit: meV/Å, provenance: {source: paper, reference: none}}
seed: 4
"""


def _run(*words: str) -> int:
    parser = argparse.ArgumentParser("mlff")
    data.register(parser.add_subparsers(required=True))
    options = parser.parse_args(["data", *words])
    code: int = options.run(options)
    return code


def test_list(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rmd17_file: Callable[..., Any]
) -> None:
    rmd17_file(
        tmp_path / "rmd17/rmd17_ethanol.npz",
        numbers=(6, 8, 1),
        old_indices=np.array([1, 2, 3, 4, 5, 5, 7]),
    )
    (tmp_path / "rmd17/rmd17_uracil.npz").write_bytes(b"damaged")
    assert _run("list", "--data", str(tmp_path)) == 0
    out, err = capsys.readouterr()
    rows = {tuple(line.split()[:2]): line for line in out.splitlines()}
    assert {("embedded", molecule.name) for molecule in MOLECULES} <= set(rows)
    row = rows["rmd17", "ethanol"]
    digest = open_dataset("rmd17", data_dir=tmp_path).load("ethanol").digest[:12]
    for word in ("7", "0.00 ps", "PBE/def2-SVP", "CC0-1.0", digest):
        assert word in row
    assert ("rmd17", "aspirin") not in rows
    assert str(tmp_path / "rmd17") in out
    assert "rmd17 ethanol: 1 MD steps occur more than once: 5" in err
    assert "rmd17_uracil.npz: not a readable npz file" in err


def test_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tblite")
    assert _run("verify", "--frames", "1") == 0
    assert capsys.readouterr().out.count("ok ") == len(MOLECULES)
    content = bytearray((EMBEDDED_FOLDER / "ethanol.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "ethanol.npz").write_bytes(bytes(content))
    assert _run("verify", str(tmp_path)) == 1
    assert capsys.readouterr().out.startswith("FAILED")
    with pytest.raises(MlffError, match="no such folder"):
        _run("verify", str(tmp_path / "none"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(MlffError, match=r"holds no \.npz file"):
        _run("verify", str(tmp_path / "empty"))


def test_generate_with_workers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tblite")
    pytest.importorskip("rdkit")
    words = [
        "generate", "--molecule", "ethanol", "--molecule", "malonaldehyde", "--frames", "2",
        "--equilibration", "1", "--out", str(tmp_path / "made"),
    ]  # fmt: skip
    assert _run(*words, "--jobs", "2") == 0
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == [
        "ethanol.npz",
        "malonaldehyde.npz",
    ]
    before = (tmp_path / "made/ethanol.npz").stat().st_mtime_ns
    assert _run(*words) == 0
    assert "already there" in capsys.readouterr().out
    assert (tmp_path / "made/ethanol.npz").stat().st_mtime_ns == before
    assert _run("verify", str(tmp_path / "made")) == 0


def test_generate_in_the_way(tmp_path: Path) -> None:
    pytest.importorskip("tblite")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MlffError, match="cannot be made"):
        _run("generate", "--molecule", "ethanol", "--out", str(tmp_path / "file"))


@pytest.mark.parametrize("file_format", ["extxyz", "npz"])
def test_export(tmp_path: Path, capsys: pytest.CaptureFixture[str], file_format: str) -> None:
    (tmp_path / "mine.yaml").write_text(SPEC)
    out = tmp_path / "out"
    words = ["export", str(tmp_path / "mine.yaml"), "ethanol-n30", "--format", file_format]
    assert _run(*words, "--out", str(out)) == 0
    shown = capsys.readouterr().out.split()
    assert shown == [
        str(out / name)
        for name in (
            f"train.{file_format}", f"validation.{file_format}", f"test.{file_format}", "split.json"
        )
    ]  # fmt: skip
    split = json.loads((out / "split.json").read_text())
    assert split["variant"] == "ethanol-n30"
    indices = {
        role: found["molecules"]["ethanol"]["indices"] for role, found in split["sets"].items()
    }
    n_frames = len(open_dataset("embedded").load("ethanol").frames)
    assert len(indices["train"]) == 30
    assert max(indices["train"]) < n_frames * 85 // 100
    assert indices["test"] == list(range(n_frames * 90 // 100, n_frames))
    if file_format == "npz":
        frames = read_npz(out / "train.npz").frames
        wanted = open_dataset("embedded").load("ethanol").frames.select(indices["train"])
        assert frames.digest == wanted.digest


def test_export_of_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(SPEC)
    with pytest.raises(
        MlffError, match=r"no variant 'ethanol-n4'; it has ethanol-n3, ethanol-n30, uracil-n3"
    ):
        _run("export", str(tmp_path / "mine.yaml"), "ethanol-n4", "--out", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_fetch_when_complete(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rmd17_file: Callable[..., Any]
) -> None:
    for molecule in open_dataset("rmd17", data_dir=tmp_path).molecules:
        rmd17_file(tmp_path / f"rmd17/npz_data/rmd17_{molecule}.npz")
    assert _run("fetch", "rmd17", "--out", str(tmp_path)) == 0
    assert "already complete" in capsys.readouterr().out


def test_fetch_of_a_wrong_archive(tmp_path: Path) -> None:
    (tmp_path / "a.tar.bz2").write_bytes(b"words")
    with pytest.raises(MlffError, match="is not the published checksum"):
        _run("fetch", "rmd17", "--out", str(tmp_path), "--archive", str(tmp_path / "a.tar.bz2"))


def test_names_in_the_parser_are_those_of_the_data() -> None:
    assert tuple(molecule.name for molecule in MOLECULES) == data._MOLECULES


def test_parser_imports_nothing_heavy() -> None:
    code = "import sys, pytest_mlff.cli.data; print('numpy' in sys.modules, 'ase' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={"PYTHONPATH": ":".join(sys.path), "PATH": ""},
    )  # fmt: skip
    assert answer.stdout.split() == ["False", "False"]
