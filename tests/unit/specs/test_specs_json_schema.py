"""The published JSON Schema says what the models say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from pytest_mlff.errors import MlffError
from pytest_mlff.specs import builtin_specs, load_spec
from pytest_mlff.specs.json_schema import SCHEMA_FILE, json_schema, schema_text
from pytest_mlff.specs.yaml_source import read_yaml


def plain(value: object) -> object:
    return json.loads(json.dumps(value))


def is_valid(value: object) -> bool:
    return bool(Draft202012Validator(json_schema()).is_valid(plain(value)))


def test_the_file_is_up_to_date() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), (
        f"run: mlff specs schema --output {SCHEMA_FILE.name}"
    )


def test_it_is_a_schema_with_descriptions() -> None:
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    for name, model in {"SpecFile": schema, **schema["$defs"]}.items():
        for key, entry in model["properties"].items():
            assert entry.get("description"), f"{name}.{key} has no description"
        # Sets of frames may have names of the spec's own.
        further = {"$ref": "#/$defs/Selection"} if name == "FramesPlan" else False
        assert model["additionalProperties"] == further


def test_builtin_specs_are_valid_and_name_the_schema() -> None:
    for name, path in builtin_specs().items():
        assert is_valid(read_yaml(path).value), name
        first = path.read_text(encoding="utf-8").splitlines()[0]
        comment, _, target = first.partition("$schema=")
        assert comment == "# yaml-language-server: ", name
        assert (path.parent / target).name == SCHEMA_FILE.name, name


def test_the_named_schema_lies_there_in_a_checkout() -> None:
    root = Path(__file__).parents[3]
    for path in (root / "benchmark_specs").rglob("*.yaml"):
        target = path.read_text(encoding="utf-8").splitlines()[0].partition("$schema=")[2]
        schema = root / "pytest_mlff" / "specs" / SCHEMA_FILE.name
        assert (path.parent / target).resolve() == schema.resolve(), path


THRESHOLDS = """\
    thresholds:
      - max: 45
        unit: meV/Å
        provenance: {source: paper, reference: Table 1}
"""


@pytest.mark.parametrize(
    "old, new",
    [
        ("title: A title", "titel: A title"),
        ("schema_version: 1", "schema_version: 2"),
        ("        unit: meV/Å\n", ""),
        ("max: 45", "max: '45'"),
        ("max: 45", "max: -1"),
        ("metric: force_mae", "metric: force_mea"),
        ("metric: force_mae", "metric: wright_factor_"),
        ("max: 45", "min: 45"),
        ("source: paper,", "source: papers,"),
        ("[all, each]", "[all, each, 3]"),
        ("[all, each]", "[all, eahc]"),
        ("samples: [200, 100]", "samples: 200"),
        ("samples: [200, 100]", "samples: []"),
        ("pick: random", "pick: last"),
        ("where: samples > 0", "where: 3"),
        ("  section: Section 1\n", ""),
        (f"force_mae\n    species: [all, each]\n{THRESHOLDS}", "rotation\n"),
    ],
)
def test_what_one_refuses_the_other_refuses(write_spec, old: str, new: str) -> None:
    path = write_spec((old, new))
    assert not is_valid(read_yaml(path).value)
    with pytest.raises(MlffError):
        load_spec(path)


@pytest.mark.parametrize(
    "old, new",
    [
        ("title: A title", "title: Another"),
        ("[all, each]", "each"),
        ("[all, each]", "[C, H]"),
        ("end: 80", "end: 75.5"),
        ("end: 80", "end: samples / 10"),
        ("  embedded:\n", "  mine: {path: a.xyz, units: 'Hartree, Bohr', format: extxyz}\n"),
        ("samples: [200, 100]", "samples: [200, a, 1.5, true]"),
        ("where: samples > 0", "where: 'true'"),
        ("max: 45", "max: 4.5e+1"),
        (THRESHOLDS, ""),
    ],
)
def test_what_one_takes_the_other_takes(write_spec, old: str, new: str) -> None:
    path = write_spec((old, new))
    assert is_valid(read_yaml(path).value)
    load_spec(path)
