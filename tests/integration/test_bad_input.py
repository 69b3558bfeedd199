"""Bad input: one clear line, exit code 4, no traceback; one row for each."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.repos import SPEC, model_repo

if TYPE_CHECKING:
    from pathlib import Path

    from pytest import Pytester

OWN = SPEC.replace(
    "  embedded:\n", "  own: {path: ../mine.npz, format: npz, level_of_theory: PBE}\n"
).replace("[ethanol]", "[mine]")
NO_THRESHOLD_UNIT = SPEC.replace("unit: meV/atom, ", "")
NO_PROVENANCE = SPEC.replace(
    """provenance: &limit {source: physical_limit,
                  reference: made for this test}""",
    "where: molecule == 'ethanol'",
).replace("provenance: *limit", "where: molecule == 'ethanol'")

# arguments, spec, what the one line must say (in this order)
TABLE = {
    "no such checkpoint": (["--mlff-model=nowhere.ckpt"], SPEC, ["nowhere.ckpt"]),
    "not a checkpoint": (["--mlff-model=notes.txt"], SPEC, ["notes.txt", "text"]),
    "truncated": (["--mlff-model=truncated.ckpt"], SPEC, ["truncated.ckpt", "truncated"]),
    "a directory": (["--mlff-model=specs"], SPEC, ["specs", "directory"]),
    "unknown adapter": (["--mlff-model=nequipp:notes.txt"], SPEC, ["nequipp", "nequip"]),
    "factory that raises": (
        ["--mlff-model=models.py:raises"], SPEC, ["models.py:raises", "RuntimeError", "no licence"],
    ),
    "factory that returns nothing": (
        ["--mlff-model=models.py:returns_nothing"], SPEC, ["models.py:returns_nothing", "None"],
    ),
    "no such factory": (["--mlff-model=models.py:exactt"], SPEC, ["exactt"]),
    "spec with an unknown key": (
        [], SPEC.replace("title:", "titel:"), ["specs/small.yaml:2:", "titel", "title"],
    ),
    "spec with a wrong type": (
        [], SPEC.replace("start: 98", "start: [98]"), ["specs/small.yaml:10:", "start"],
    ),
    "threshold without unit": ([], NO_THRESHOLD_UNIT, ["specs/small.yaml:13:", "unit"]),
    "threshold without provenance": ([], NO_PROVENANCE, ["specs/small.yaml:13:", "provenance"]),
    "where that is no expression": (
        [], SPEC.replace("variant:", 'where: "molecule =="\nvariant:'), ["small.yaml:8:", "where"],
    ),
    "unknown suite": (["--mlff-suite=quik"], SPEC, ["quik", "quick"]),
    "unknown dataset": (["--mlff-dataset=rmd18"], SPEC, ["rmd18", "embedded"]),
    "unknown molecule": ([], SPEC.replace("[ethanol]", "[ethnol]"), ["ethnol", "ethanol"]),
    "corrupt npz": ([], OWN.replace("mine.npz", "corrupt.npz").replace("[mine]", "[corrupt]"),
                    ["corrupt.npz"]),
    "truncated npz": ([], OWN.replace("mine.npz", "short.npz").replace("[mine]", "[short]"),
                      ["short.npz"]),
    "wrong-keyed npz": ([], OWN, ["mine.npz", "positions"]),
    "missing data file": ([], OWN.replace("mine.npz", "absent.npz").replace("[mine]", "[absent]"),
                          ["absent.npz"]),
    "report in a file's place": (["--mlff-report=notes.txt/r.json"], SPEC, ["--mlff-report"]),
    "report that is a folder": (["--mlff-report=specs"], SPEC, ["--mlff-report", "folder"]),
    "report into a pipe": (["--mlff-report=pipe"], SPEC, ["--mlff-report", "device or pipe"]),
    "page into a pipe": (["--mlff-html=pipe"], SPEC, ["--mlff-html", "device or pipe"]),
    "cuda without a GPU": (["--mlff-device=cuda"], SPEC, ["cuda"]),
    "seed that is no number": (["--mlff-seed=x"], SPEC, ["--mlff-seed", "'x'"]),
}  # fmt: skip


def _fill(root: Path, checkpoint: str) -> None:
    whole = open(checkpoint, "rb").read()  # noqa: PTH123, SIM115
    (root / "truncated.ckpt").write_bytes(whole[: len(whole) // 2])
    os.mkfifo(root / "pipe")
    (root / "notes.txt").write_text("these are notes, not a model\n")
    (root / "corrupt.npz").write_bytes(b"PK\x03\x04 and then rubbish" * 20)
    np.savez(root / "mine.npz", positions=np.zeros((3, 2, 3)))
    np.savez(root / "short.npz", R=np.zeros((50, 2, 3)), z=np.ones(2), E=np.zeros(50))
    content = (root / "short.npz").read_bytes()
    (root / "short.npz").write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize("row", TABLE)
def test_one_line_and_exit_4(pytester: Pytester, tiny_demo: str, row: str) -> None:
    arguments, spec, words = TABLE[row]
    if "--mlff-device=cuda" in arguments:
        torch = pytest.importorskip("torch")
        if torch.cuda.is_available():
            pytest.skip("this machine has a GPU")
    root = model_repo(pytester, spec)
    _fill(root, tiny_demo)
    if not any(one.startswith("--mlff-model") for one in arguments):
        arguments = ["--mlff-model=models.py:exact", *arguments]
    if not any(one.startswith("--mlff-suite") for one in arguments):
        arguments = [*arguments, "--mlff-suite=specs/small.yaml"]
    result = pytester.runpytest_inprocess(*arguments)
    assert result.ret == 4
    lines = [line for line in result.stderr.lines if line.strip()]
    assert len(lines) == 1, lines
    assert lines[0].startswith("ERROR: ")
    rest = lines[0]
    for word in words:
        assert word in rest, (word, lines[0])
        rest = rest.partition(word)[2]
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


def test_a_report_folder_without_permission(pytester: Pytester) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    model_repo(pytester)
    locked = pytester.mkdir("locked")
    locked.chmod(0o500)
    result = pytester.runpytest_inprocess(
        "--mlff-model=models.py:exact", "--mlff-report=locked/r.json"
    )
    assert result.ret == 4


def test_a_family_without_its_library_names_the_extra(
    pytester: Pytester, tiny_demo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model_repo(pytester)
    # Fresh processes in which NequIP cannot be imported, the model's own among them.
    hidden = pytester.mkdir("hidden")
    (hidden / "sitecustomize.py").write_text("import sys\nsys.modules['nequip'] = None\n")
    paths = [str(hidden), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    result = pytester.run(
        sys.executable, "-m", "pytest", f"--mlff-model={tiny_demo}",
        "--mlff-suite=specs/small.yaml",
    )  # fmt: skip
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: *'nequip'*pytest-mlff[[]nequip[]]*"])
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize(
    "options, over",
    [
        (["--mlff-write=csv:specs/small.yaml"], "--mlff-suite=specs/small.yaml"),
        (["--mlff-write=csv:models.py"], "--mlff-model=models.py:exact"),
        (["--mlff-report=r.json", "--mlff-write=csv:./r.json"], "the JSON report"),
        (["--mlff-write=csv:r", "--mlff-write=csv:r"], "the csv report"),
    ],
)
def test_no_report_is_written_over_what_the_run_reads(
    pytester: Pytester, options: list[str], over: str
) -> None:
    root = model_repo(pytester)
    before = {path: path.read_bytes() for path in root.rglob("*.*") if path.is_file()}
    result = pytester.runpytest_inprocess(
        "--mlff-model=models.py:exact", "--mlff-suite=specs/small.yaml", *options
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [one for one in result.stderr.lines if one.strip()]
    assert f"would be written over {over}" in line
    assert all(path.read_bytes() == content for path, content in before.items())
