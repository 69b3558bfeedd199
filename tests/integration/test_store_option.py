"""``--mlff-store``: a second run predicts nothing, a damaged entry is computed again."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.repos import CASES, SPEC, model_repo, read_json, run_case

from pytest_mlff.store import pack

if TYPE_CHECKING:
    from pathlib import Path

    from pytest import Pytester

EASY = SPEC.replace("max: 5,", "max: 1.0e9,").replace("max: 0.5,", "max: 1.0e9,")
# Of the store a model is its digest: what costs nothing to open says as much as a checkpoint.
WORKERS = pytest.mark.parametrize(
    "workers", ["-n0", pytest.param("-n2", marks=pytest.mark.slow)], ids=["alone", "workers"]
)
MODEL, TETHERED = "models.py:noisy", "models.py:tethered"


def _passes(store: Path) -> dict[Path, tuple[int, int]]:
    """Stored prediction passes with inode and size."""
    found = sorted(store.glob("predictions/*/*.npz"))
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}


def _values(root: Path) -> list[float]:
    return [case["value"] for case in read_json(root / "report.json")["cases"]]


def test_one_pass_serves_all_cases_and_later_runs(pytester: Pytester) -> None:
    root = model_repo(pytester, EASY)
    assert run_case(pytester, "--mlff-store=kept", model=MODEL).ret == 0
    first, values = _passes(root / "kept"), _values(root)
    assert len(first) == 1
    assert run_case(pytester, "--mlff-store=kept", model=MODEL).ret == 0
    assert _passes(root / "kept") == first
    assert _values(root) == values
    assert not (root / ".mlff-store").exists()


def test_a_damaged_pass_is_computed_again(pytester: Pytester) -> None:
    root = model_repo(pytester, EASY)
    run_case(pytester, model=MODEL)
    values = _values(root)
    (path,) = _passes(root / ".mlff-store")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert run_case(pytester, model=MODEL).ret == 0
    assert path.stat().st_size == len(content)
    assert _values(root) == values


def test_another_precision_is_another_pass(pytester: Pytester) -> None:
    root = model_repo(pytester, EASY)
    with (root / "models.py").open("a") as stream:
        stream.write("\n\ndef typed(dtype):\n    return Knows(noise=0.01)\n")
    for asked in ((), ("--mlff-dtype=float32",)):
        run_case(pytester, *asked, model="models.py:typed")
    assert len(_passes(root / ".mlff-store")) == 2
    assert read_json(root / "report.json")["models"][0]["dtype"] == "float32"


@WORKERS
def test_a_factorys_answers_are_kept_as_long_as_its_code_stays(
    pytester: Pytester, workers: str
) -> None:
    """Of two factories each has its own helper, though both helpers have one name."""
    root = model_repo(pytester, EASY)
    text = (root / "models.py").read_text(encoding="utf-8")
    for folder, noise in (("one", 0.01), ("two", 0.03)):
        (root / folder).mkdir()
        (root / folder / "models.py").write_text(
            f"{text}\n\nimport helper\n\ndef helped():\n    return Knows(noise=helper.NOISE)\n"
        )
        (root / folder / "helper.py").write_text(f"NOISE = {noise}\n")

    def forces() -> list[float]:
        model, other = (f"{one}/models.py:helped" for one in ("one", "two"))
        result = run_case(pytester, "-p", "xdist", workers, f"--mlff-model={other}", model=model)
        assert result.ret == 0
        cases = read_json(root / "report.json")["cases"]
        named = {
            one["model"]: one["value"] for one in cases if one["case_id"].endswith("force_mae")
        }
        return [named[model], named[other]]

    first, second = forces()
    assert second > 2 * first
    kept = _passes(root / ".mlff-store")
    assert len(kept) == 2
    assert forces() == [first, second]
    assert _passes(root / ".mlff-store") == kept
    (root / "one" / "helper.py").write_text("NOISE = 0.1\n")
    worse, same = forces()
    assert worse > 2 * second
    assert same == second
    assert len(_passes(root / ".mlff-store")) == 3


@pytest.mark.parametrize("workers", [pytest.param("-n0", marks=pytest.mark.slow), "-n2"])
def test_a_store_that_cannot_be_written_costs_nothing_but_speed(
    pytester: Pytester, workers: str
) -> None:
    root = model_repo(pytester, EASY)
    (root / "file").write_text("")
    result = run_case(pytester, "--mlff-store=file", "-p", "xdist", workers, model=MODEL)
    assert result.ret == 0
    assert result.stdout.str().count("cannot be written") == 1
    assert {case["verdict"] for case in read_json(root / "report.json")["cases"]} == {"passed"}


def _refused(folder: Path) -> list[str]:
    """A command's first words where root, too, is refused what a folder's mode forbids."""
    if os.geteuid() != 0:
        return []
    drop = "-dac_override,-dac_read_search,-fowner"
    words = ["setpriv", f"--bounding-set={drop}", f"--inh-caps={drop}"]
    if shutil.which("setpriv") is None:
        pytest.skip("root may write everywhere, and there is no setpriv to forbid it")
    if subprocess.run([*words, "touch", str(folder / "x")], check=False).returncode == 0:
        pytest.skip("setpriv does not take root's rights here")
    return words


@WORKERS
def test_a_read_only_folder_gives_one_warning(pytester: Pytester, workers: str) -> None:
    root = model_repo(pytester, EASY)
    (root / "closed").mkdir(mode=0o555)
    done = subprocess.run(
        [
            *_refused(root / "closed"), sys.executable, "-m", "pytest", "-p", "no:cacheprovider",
            f"--mlff-model=../{MODEL}", "--mlff-suite=../specs/small.yaml", "--mlff-only", workers,
        ],
        cwd=root / "closed", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("cannot be written") == 1
    assert f"{CASES} passed" in done.stdout


@WORKERS
def test_a_forged_pass_is_noticed_unless_it_is_to_be_trusted(
    pytester: Pytester, workers: str
) -> None:
    """The model is physical: one whose answers scatter cannot be told from a forger."""
    root = model_repo(pytester, EASY)
    level = ("--mlff-level=GFN2-xTB", "-p", "xdist", workers)
    run_case(pytester, *level, model=TETHERED)
    values = _values(root)
    (path,) = _passes(root / ".mlff-store")
    header, _, content = path.read_bytes().partition(b"\n")
    head = json.loads(header)
    with np.load(io.BytesIO(content)) as archive:
        arrays = {name: 0.999 * archive[name] for name in archive.files}
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    forged = pack(head["kind"], head["key"], ".npz", stream.getvalue())

    def run(trust: str) -> tuple[list[float], int]:
        path.write_bytes(forged)
        result = run_case(pytester, f"--mlff-store-trust={trust}", *level, model=TETHERED)
        assert result.ret == 0
        return _values(root), result.stdout.str().count("is not what the model says")

    assert run("verify") == (values, 1)
    assert run("none") == (values, 0)
    believed, told = run("full")
    assert told == 0
    assert believed != values
    pytester.makeini("[pytest]\nmlff_store_trust = full")
    path.write_bytes(forged)
    run_case(pytester, *level, model=TETHERED)
    assert _values(root) == believed


def test_an_unknown_trust_is_refused(pytester: Pytester) -> None:
    model_repo(pytester)
    pytester.makeini("[pytest]\nmlff_store_trust = some")
    result = run_case(pytester)
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*mlff_store_trust: 'some' is none of verify, full, none*"])
