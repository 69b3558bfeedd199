"""Random faults in data files: one line or the file's own numbers (100 a format by hand)."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest
from support.mutated import FORMATS, fault_of, made, mutate

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", FORMATS)
def test_sound_files_read_as_their_libraries_read_them(tmp_path: Path, name: str) -> None:
    assert fault_of(name, made(name, tmp_path)) is None


def _faults(name: str, folder: Path, count: int) -> dict[int, str]:
    path = made(name, folder)
    sound = path.read_bytes()
    found = {}
    for seed in range(count):
        path.write_bytes(mutate(sound, seed))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fault = fault_of(name, path)
        if fault is not None:
            found[seed] = fault
    return found


@pytest.mark.parametrize("name", FORMATS)
def test_mutated_files(tmp_path: Path, name: str) -> None:
    assert _faults(name, tmp_path, 12) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_a_hundred_mutated_files(tmp_path: Path, name: str) -> None:
    assert _faults(name, tmp_path, 100) == {}
