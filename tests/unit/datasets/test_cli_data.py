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
from pytest_mlff.datasets.record import record_names
from pytest_mlff.errors import MlffError
from pytest_mlff.specs import DatasetOption

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
    rmd17_file(tmp_path / "rmd17/rmd17_ethanol.npz")
    assert _run("list", "--data", str(tmp_path)) == 0
    rows = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()}
    assert set(record_names()) <= set(rows)
    assert rows["embedded"][1:4] == ["7/7", "GFN2-xTB", "CC0-1.0"]
    assert rows["rmd17"][1:4] == ["1/10", "PBE/def2-SVP", "CC0-1.0"]
    assert rows["md17"][1] == "0/10"
    assert "not stated" in " ".join(rows["md17"])


def test_info(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rmd17_file: Callable[..., Any]
) -> None:
    rmd17_file(
        tmp_path / "rmd17/rmd17_ethanol.npz",
        numbers=(6, 8, 1),
        old_indices=np.array([1, 2, 3, 4, 5, 5, 7]),
    )
    (tmp_path / "rmd17/rmd17_uracil.npz").write_bytes(b"damaged")
    assert _run("info", "rmd17", "--data", str(tmp_path)) == 0
    out, err = capsys.readouterr()
    rows = {line.split()[0]: line for line in out.splitlines()}
    digest = open_dataset("rmd17", data_dir=tmp_path).load("ethanol").digest[:12]
    for word in ("7", "0.00 ps", "PBE/def2-SVP", digest):
        assert word in rows["ethanol"]
    assert "not here" in rows["aspirin"]
    assert "damaged" in rows["uracil"]
    assert "licence: CC0-1.0" in out
    assert "doi:10.6084/m9.figshare.12672038.v3, sha256:cddeea2e" in out
    assert "trap: Frames are scrambled" in out
    assert "rmd17 ethanol: 1 MD steps occur more than once: 5" in err
    assert "rmd17_uracil.npz: not a readable npz file" in err
    assert _run("info", "gete", "--data", str(tmp_path)) == 0
    out = capsys.readouterr().out
    assert "licence: not stated by its publisher" in out
    assert "Datasets/GeTe at no address known" in out


def test_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tblite")
    assert _run("verify", "--frames", "1") == 0
    assert capsys.readouterr().out.count("ok ") == len(MOLECULES)
    content = bytearray((EMBEDDED_FOLDER / "ethanol.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "ethanol.npz").write_bytes(bytes(content))
    assert _run("verify", str(tmp_path)) == 1
    assert capsys.readouterr().out.startswith("FAILED")
    with pytest.raises(MlffError, match="no such folder, and no dataset"):
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


def test_no_licence_no_download(tmp_path: Path) -> None:
    with pytest.raises(MlffError, match=r"md17: its publisher states no licence.*with --yes"):
        _run("fetch", "md17", "--out", str(tmp_path))
    assert not list(tmp_path.iterdir())
    with pytest.raises(MlffError, match="gete: no address to fetch from is known"):
        _run("fetch", "gete", "--yes", "--out", str(tmp_path))
    with pytest.raises(MlffError, match="rmd17 has no system 'water'; it has aspirin"):
        _run("fetch", "rmd17", "--system", "water")


def test_verify_against_the_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = (
        "Properties=species:S:1:pos:R:3:forces:R:3 energy=-1.0\n"
        "C 0 0 0 0 0 0\nH 0 0 1 0 0 0\nO 0 1 0 0 0 0\n"
    )
    folder = tmp_path / "acac"
    folder.mkdir()
    (folder / "test_dihedral.xyz").write_text(f"3\n{frame}" * 45)
    assert _run("verify", "acac", "--data", str(tmp_path)) == 1
    out = capsys.readouterr().out
    assert "absent acac train_300K" in out
    assert "is not the published sha256:0c2246a5" in out
    assert "[3] atoms, not 15" in out
    assert "frames, not" not in out


def test_convert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = {
        "z": np.array([6, 8, 1]),
        "R": np.arange(36.0).reshape(4, 3, 3) ** 1.1,
        "E": np.array([-1.0, -2.0, -3.0, -4.5]),
        "F": np.arange(36.0).reshape(4, 3, 3),
    }
    np.savez(tmp_path / "a.npz", **raw)
    words = ["convert", str(tmp_path / "a.npz"), "--units", "kcal/mol", "--out"]
    kcal = 4184.0 / (6.02214076e23 * 1.602176634e-19)
    for name in ("b.extxyz", "b.npz"):
        assert _run(*words, str(tmp_path / name)) == 0
        assert "4 frames with energy, forces, in eV and Å" in capsys.readouterr().out
        back = open_dataset("own", DatasetOption(path=str(tmp_path / name))).load("b").frames
        np.testing.assert_allclose(np.asarray(back.energy), raw["E"] * kcal, rtol=1e-7)
        np.testing.assert_allclose(
            np.asarray(back.forces), raw["F"].reshape(-1, 3) * kcal, rtol=1e-7
        )
        np.testing.assert_array_equal(back.positions, raw["R"].reshape(-1, 3))
    with pytest.raises(MlffError, match="does not say its units"):
        _run("convert", str(tmp_path / "a.npz"), "--out", str(tmp_path / "c.npz"))
    with pytest.raises(MlffError, match=r"must end with \.extxyz or \.npz"):
        _run("convert", "embedded:ethanol", "--out", str(tmp_path / "c.pdb"))
    with pytest.raises(MlffError, match="embedded has no system 'water'"):
        _run("convert", "embedded:water", "--out", str(tmp_path / "c.npz"))


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
