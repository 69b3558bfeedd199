"""``mlff laws``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import pytest

from pytest_mlff.cli import laws as command
from pytest_mlff.errors import MlffError
from pytest_mlff.laws import run_law, write_counterexample
from pytest_mlff.laws.mutants import mutant
from pytest_mlff.laws.registry import laws
from pytest_mlff.laws.selftest import detection_limits, format_limits, format_matrix, matrix

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.register(parser.add_subparsers(required=True))
    options = parser.parse_args(["laws", *arguments])
    code: int = options.run(options)
    return code


@pytest.mark.parametrize("arguments", [(), ("list",)])
def test_list_names_every_law(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(laws())


def test_repro_says_broken_then_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run_law("smoothness", mutant("hard_cutoff"), strictness="fast").counterexample
    assert found is not None
    path = write_counterexample(found, tmp_path)
    words = found.command(path).split()
    assert words[:2] == ["mlff", "laws"]
    assert run(*words[2:]) == 1
    told = capsys.readouterr().out
    assert "broken: pulling atom 2" in told
    assert "the energy jumps by 1 eV" in told
    assert run("repro", str(path), "--model", "exact:lennard_jones") == 0
    assert "holds" in capsys.readouterr().out


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "no such file"),
        ("rubbish\n", "not a readable extxyz file"),
        ("1\nProperties=species:S:1:pos:R:3\nH 0 0 0\n", "names no law"),
    ],
)
def test_bad_files_are_one_line(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "x.extxyz"
    if content is not None:
        path.write_text(content)
    with pytest.raises(MlffError, match=message) as caught:
        run("repro", str(path), "--model", "exact:morse")
    assert "\n" not in str(caught.value)


def test_bad_builtin_model_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.extxyz"
    path.write_text("1\nProperties=species:S:1:pos:R:3 mlff_law=rotation\nAr 0 0 0\n")
    with pytest.raises(MlffError, match="expected exact:NAME"):
        run("repro", str(path), "--model", "mutant:nothing")


def test_matrix_says_what_is_missed() -> None:
    found = matrix(["permutation"])
    text = format_matrix(found)
    assert "permutation: caught" in text
    assert "FALSE ALARM" not in text
    # The table itself must be able to say no.
    found["index_order"]["permutation"] = "passed"
    found["harmonic"]["permutation"] = "caught"
    text = format_matrix(found)
    assert "permutation: MISSED" in text
    assert "FALSE ALARM: permutation" in text


def test_detection_limit_is_finer_in_float64() -> None:
    found = detection_limits(["one_axis"])
    limits = {one.dtype: one.strength for one in found}
    assert limits["float64"] is not None
    assert limits["float32"] is not None
    assert limits["float64"] <= 1e-8
    assert 1e-7 <= limits["float32"] <= 1e-4
    assert "one_axis" in format_limits(found)
