"""Random faults in data files: one line or the file's own numbers.

A hundred of each format: ``python tests/benchmarks/fuzz_files.py``.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest
from support.mutated import FORMATS, fault_of, faults, made

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", FORMATS)
def test_mutated_files(tmp_path: Path, name: str) -> None:
    pytest.importorskip("dpdata")
    pytest.importorskip("h5py")
    (tmp_path / "sound").mkdir()
    assert fault_of(name, made(name, tmp_path / "sound")) is None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert faults(name, tmp_path, 5) == {}
