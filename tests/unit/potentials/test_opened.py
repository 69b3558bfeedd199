"""Whichever way a model takes its code, a changed line of it is a changed model."""

from __future__ import annotations

import json
import os
import py_compile
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

CODE = """
import ctypes, importlib.util, json, sys
from pytest_mlff.potentials.host.opened import Opened
opened = Opened()
{act}
print(json.dumps(opened.files(read={read})))
"""
SPECIFIED = (
    "made = importlib.util.spec_from_file_location('x', 'helper.py')\n"
    "made.loader.exec_module(importlib.util.module_from_spec(made))"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Code in all forms, and data."""
    (tmp_path / "package").mkdir()
    for name in ("helper.py", "package/__init__.py", "package/part.py"):
        (tmp_path / name).write_text("K = 1.0\n")
    (tmp_path / "data.json").write_text("{}")
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        archive.writestr("inside.py", "K = 1.0\n")
    (tmp_path / "bare.py").write_text("K = 1.0\n")
    py_compile.compile(str(tmp_path / "bare.py"), str(tmp_path / "bare.pyc"))
    (tmp_path / "bare.py").unlink()
    return tmp_path


def seen(folder: Path, act: str, read: bool) -> set[str]:
    environ = {key: one for key, one in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    path = os.pathsep.join([str(folder), environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(act=act, read=read)], cwd=folder, check=True,
        capture_output=True, text=True, env={**environ, "PYTHONPATH": path},
    )  # fmt: skip
    return {os.path.relpath(one, folder) for one in json.loads(done.stdout)}


READ = "open('data.json').read()"


@pytest.mark.parametrize(
    "act, expected",
    [
        ("import helper", {"helper.py"}),
        ("import package.part", {"package/__init__.py", "package/part.py"}),
        ("sys.path.insert(0, 'packed.zip'); import inside", {"packed.zip"}),
        ("import bare", {"bare.pyc"}),
        (SPECIFIED, {"helper.py"}),
        ("exec(open('helper.py').read())", {"helper.py"}),
        # What ctypes.CDLL tells of before it opens a file.
        ("open('own.so', 'w').close(); sys.audit('ctypes.dlopen', './own.so')", {"own.so"}),
        (f"import helper; {READ}", {"helper.py", "data.json"}),
        (READ, set()),
        ("import json.tool, numpy", set()),
    ],
)
def test_code_of_a_checkpoint(folder: Path, act: str, expected: set[str]) -> None:
    assert seen(folder, act, read=False) == expected
    # Python has compiled it by now, and opens the source no more.
    assert seen(folder, act, read=False) == expected


def test_a_factory_is_all_that_it_reads(folder: Path) -> None:
    assert seen(folder, READ, read=True) == {"data.json"}
