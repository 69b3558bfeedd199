"""YAML with line numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import yaml

from pytest_mlff.errors import MlffError
from pytest_mlff.specs import yaml_source
from pytest_mlff.specs.yaml_source import read_yaml

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    def write(content: str | bytes) -> Path:
        path = tmp_path / "x.yaml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def test_values_and_lines(write) -> None:
    source = read_yaml(write("# first\na: 1\nb:\n  - x\n  - {c: [2.5,\n      true]}\n"))
    assert source.value == {"a": 1, "b": ("x", {"c": (2.5, True)})}
    assert source.lines == {
        (): 1, ("a",): 2, ("b",): 3, ("b", 0): 4, ("b", 1): 5, ("b", 1, "c"): 5,
        ("b", 1, "c", 0): 5, ("b", 1, "c", 1): 6,
    }  # fmt: skip
    assert source.line(("b", 1, "missing", 7)) == 5
    assert source.line(("nowhere",)) == 1


@pytest.mark.parametrize(
    "text, value",
    [
        ("1e-3", 1e-3), ("1.5E+2", 150.0), (".5", 0.5), ("-7", -7), ("+7", 7), ("010", 10),
        ("no", "no"), ("On", "On"), ("y", "y"), ("true", True), ("False", False), ("~", None),
        ("null", None), ("'1'", "1"), ('""', ""), ("12:30", "12:30"), ("2024-01-02", "2024-01-02"),
        ("0x1F", "0x1F"), ("1_000", "1_000"), ("1" * 30, float("1" * 30)), (".inf", math.inf),
        ("N", "N"),
    ],
)  # fmt: skip
def test_scalars_follow_the_core_schema(write, text: str, value: object) -> None:
    found = read_yaml(write(f"a: {text}\n")).value["a"]
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    "content, message",
    [
        ("", "x.yaml: is empty"),
        ("# only a comment\n", "x.yaml: is empty"),
        ("a: 1\nb: 2\na: 3\n", "x.yaml:3: a: key is already there in line 1"),
        ("c:\n  a: 1\n  a: 1\n", "x.yaml:3: c.a: key is already there in line 2"),
        ("a: 1\n2: b\n", "x.yaml:2: key '2' must be text; quote it"),
        ("a: 1\ntrue: b\n", "x.yaml:2: key 'true' must be text; quote it"),
        ('a: 1\n"b\\nc": 1\n"b\\nc": 2\n',
         "x.yaml:3: 'b\\nc': key is already there in line 2"),
        ("a: !!python/object/apply:os.system ['true']\n",
         "x.yaml:1: a: tag '!!python/object/apply:os.system' is not allowed"),
        ("a: !!python/name:os.system\n",
         "x.yaml:1: a: tag '!!python/name:os.system' is not allowed"),
        ("a: !mine {b: 1}\n", "x.yaml:1: a: tag '!mine' is not allowed"),
        ("a: !!set {b, c}\n", "x.yaml:1: a: tag '!!set' is not allowed"),
        ("a: !!binary aGk=\n", "x.yaml:1: a: tag '!!binary' is not allowed"),
        ("a: &x [*x]\n", "too large or too deeply nested"),
        (b"a: \xff\n", "x.yaml: not UTF-8 text (byte 3)"),
        ("a: [1, 2\nb: 3\n", "x.yaml:2: not valid YAML"),
        ("a: 1\n\tb: 2\n", "x.yaml:2: not valid YAML"),
        ("a: 1\n---\nb: 2\n", "x.yaml:2: not valid YAML"),
        ("a: *nothing\n", "x.yaml:1: not valid YAML"),
        ("a: \x07\n", "x.yaml: not valid YAML"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("loader", ["CSafeLoader", "SafeLoader"])
def test_bad_files_give_one_line(
    write, monkeypatch: pytest.MonkeyPatch, loader: str, content: str | bytes, message: str
) -> None:
    if not hasattr(yaml, loader):
        pytest.skip("PyYAML was built without libyaml")
    monkeypatch.setattr(yaml_source, "_loader", lambda: getattr(yaml, loader))
    with pytest.raises(MlffError) as caught:
        read_yaml(write(content))
    text = str(caught.value)
    assert message in text
    assert len(text.splitlines()) == 1
    assert text.startswith("x.yaml:")


def test_multiplying_aliases_are_stopped(write) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(MlffError, match="too large"):
        read_yaml(write("\n".join(lines)))


def test_missing_file_and_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MlffError, match=r"^no\.yaml: no such file$"):
        read_yaml(tmp_path / "no.yaml")
    with pytest.raises(MlffError, match=r"is a folder; name a YAML file$"):
        read_yaml(tmp_path)


def test_pure_and_compiled_loader_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(yaml, "CSafeLoader"):
        pytest.skip("PyYAML was built without libyaml")
    from pytest_mlff.specs import builtin_specs

    for path in builtin_specs().values():
        fast = read_yaml(path)
        with monkeypatch.context() as patch:
            patch.setattr(yaml_source, "_loader", lambda: yaml.SafeLoader)
            assert read_yaml(path) == fast
