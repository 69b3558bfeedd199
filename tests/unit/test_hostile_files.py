"""Files made to crash a reader: each is one line."""

from __future__ import annotations

import io
import json
import random
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_mlff.datasets.readers.npz import read_npz
from pytest_mlff.errors import MlffError
from pytest_mlff.gate.baseline import load_baseline
from pytest_mlff.gate.files import sealed
from pytest_mlff.reports.json_report import load_report
from pytest_mlff.specs.yaml_source import read_yaml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MANY = 200_000
LAUGHS = "a0: &a0 [x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)


def one_line(read: Callable[[Path], object], path: Path) -> str:
    with pytest.raises(MlffError) as caught:
        read(path)
    text = str(caught.value)
    assert "\n" not in text
    assert path.name in text
    return text


@pytest.mark.parametrize(
    "text",
    ["a: " + "[" * MANY, "[" * MANY + "]" * MANY, "{a: " * MANY, "- " * MANY, "? " * MANY, LAUGHS,
     "a: &a [*a]"],
    ids=["open", "closed", "mappings", "lists", "keys", "laughs", "itself"],
)  # fmt: skip
def test_deep_yaml(tmp_path: Path, text: str) -> None:
    path = tmp_path / "deep.yaml"
    path.write_text(text)
    assert "too large or too deeply nested" in one_line(read_yaml, path)


def test_depth_of_use_is_read(tmp_path: Path) -> None:
    path = tmp_path / "flat.yaml"
    path.write_text("a: " + "[" * 30 + "]" * 30)
    assert read_yaml(path).value["a"]


@pytest.mark.parametrize("read", [load_baseline, load_report])
@pytest.mark.parametrize(
    "value, said",
    [
        ("[" * MANY, "nested too deeply"),
        ("[" * 500 + "]" * 500, "nested too deeply"),
        ('{"a":' * 500 + "1" + "}" * 500, "nested too deeply"),
        ("1" * 5000, "integer string"),
        ("NaN", "NaN is no finite number"),
        ("-Infinity", "-Infinity is no finite number"),
        ("1e999", "1e999 is no finite number"),
    ],
)
def test_hostile_json(
    tmp_path: Path, read: Callable[[Path], object], value: str, said: str
) -> None:
    path = tmp_path / "run.json"
    path.write_text(f'{{"schema_version": 1, "kind": "mlff-baseline", "cases": {value}}}')
    assert said in one_line(read, path)


@pytest.mark.parametrize("read", [load_baseline, load_report])
@pytest.mark.parametrize("text", ["5", '"x"', "null", "true", "[]", "[[]]"])
def test_json_that_is_no_object(tmp_path: Path, read: Callable[[Path], object], text: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(text)
    one_line(read, path)


@pytest.mark.parametrize("version", [1e300, 10**400, "1" * 5000, [1], {}, None, True, -1, "١"])
def test_odd_versions_of_a_baseline(tmp_path: Path, version: object) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(sealed({"kind": "mlff-baseline", "schema_version": version})))
    one_line(load_baseline, path)


def arrays() -> bytearray:
    stream = io.BytesIO()
    values = np.random.default_rng(0).normal(size=(50, 2, 3))
    np.savez_compressed(
        stream, numbers=np.array([1, 1]), positions=values, energy=np.zeros(50), forces=values
    )
    return bytearray(stream.getvalue())


def test_flipped_bits_of_an_npz(tmp_path: Path) -> None:
    """Flags, methods, versions, names, headers: read as before, or one line."""
    good, path = arrays(), tmp_path / "x.npz"
    draw = random.Random(0)
    refused = 0
    for trial in range(1500):
        content = bytearray(good)
        begin, length = (
            (0, 46), (content.find(b"PK\x01\x02"), 46), (0, len(content)), (len(content) - 22, 22)
        )[trial % 4]  # fmt: skip
        for _ in range(2):
            content[begin + draw.randrange(length)] ^= 1 << draw.randrange(8)
        path.write_bytes(content)
        said = ""
        try:
            read_npz(path)
        except MlffError as error:
            said = str(error)
        refused += bool(said)
        assert "\n" not in said
    assert refused > 500


def npz_of(path: Path, header: str, size: int = 64) -> None:
    """An npz whose first array has a header of one's own."""
    text = header.encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("numbers", "positions", "energy", "forces"):
            length = len(text).to_bytes(2, "little")
            archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + length + text + b"\0" * size)


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000000000,)}",
        "{'descr': '<i8', 'fortran_order': False, 'shape': (" + "9" * 40 + ",)}",
        "{'descr': '<i8', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}",
        "[" * 9000,
        "{'descr': [('a', '<i8')] * 3, 'shape': 1}",
        "",
    ],
    ids=["huge", "huger", "negative", "pickle", "brackets", "code", "empty"],
)
def test_odd_headers_of_an_npz(tmp_path: Path, header: str) -> None:
    path = tmp_path / "odd.npz"
    npz_of(path, header)
    assert "cannot be read" in one_line(read_npz, path)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    block = b"\0" * (1 << 24)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("numbers", "positions", "energy", "forces"):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                for _ in range(17):
                    stream.write(block)
    assert "would unpack to 1.1 GB" in one_line(read_npz, path)
