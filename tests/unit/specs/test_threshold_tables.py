"""Tables of thresholds: the same as one condition a row, and each slip is one line."""

from __future__ import annotations

import pytest
import yaml

from pytest_mlff.cli.thresholds import Line, written
from pytest_mlff.errors import MlffError
from pytest_mlff.specs import builtin_specs, cases_of, expand, load_spec

TABLE = "- by: [molecule, samples]\n        rows: [{rows}]"
FULL = "[aspirin, 100, 45], [aspirin, 200, 40.5], [ethanol, 100, 30], [ethanol, 200, 20]"
PLAIN = "- max: 45"


def _row_by_row(text: str) -> str:
    """A spec in which each row is a threshold of its own, with a condition."""
    content = yaml.safe_load(text)
    for case in content["cases"]:
        plain = []
        for threshold in case.get("thresholds", []):
            rows, by = threshold.pop("rows", None), threshold.pop("by", None)
            if rows is None:
                plain.append(threshold)
            for *values, limit in rows or ():
                where = [f"{a} == {v!r}" for a, v in zip(by, values, strict=True)]
                if "where" in threshold:
                    where.append(f"({threshold['where']})")
                plain.append({**threshold, "max": limit, "where": " and ".join(where)})
        if plain:
            case["thresholds"] = plain
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False)


@pytest.mark.parametrize(
    "name", ["saibench/cross_molecule", "saibench/sample_efficiency", "saibench/time_extrapolation"]
)
def test_the_shipped_tables_are_one_condition_a_row(name: str, tmp_path) -> None:
    path = builtin_specs()[name]
    text = path.read_text(encoding="utf-8")
    assert "rows:" in text
    plain = tmp_path / "saibench" / path.name
    plain.parent.mkdir()
    plain.write_text(_row_by_row(text), encoding="utf-8")
    tables, conditions = load_spec(path), load_spec(plain)
    compared = 0
    for dataset in tables.datasets:
        for one, other in zip(expand(tables, dataset), expand(conditions, dataset), strict=True):
            for a, b in zip(cases_of(one, "CHO"), cases_of(other, "CHO"), strict=True):
                assert (a.case_id, a.threshold) == (b.case_id, b.threshold)
                compared += 1
    assert compared > 50


def test_a_table_gives_each_variant_its_row(write_spec) -> None:
    spec = load_spec(write_spec((PLAIN, TABLE.format(rows=FULL))))
    found = {
        variant.id: {case.threshold.limit for case in cases_of(variant, "CH")}
        for variant in expand(spec)
    }
    assert found == {
        "aspirin-n200": {40.5}, "aspirin-n100": {45.0}, "ethanol-n200": {20.0},
        "ethanol-n100": {30.0},
    }  # fmt: skip
    assert spec.cases[0].thresholds[0].limits == (45.0, 40.5, 30.0, 20.0)


AT = "spec.yaml:23: cases[0].thresholds[0].rows"
SLIPS = [
    ("a row twice", FULL + ", [ethanol, 200, 21]", f"{AT}[4]: molecule ethanol, samples 200 stands "
     "there twice"),
    ("a value of no axis", FULL.replace("200, 20]", "300, 20]"), f"{AT}[3]: 300 is no value of "
     "samples"),
    ("true is not one", FULL.replace("[aspirin, 100", "[aspirin, true"), f"{AT}[0]: True is no "
     "value of samples"),
    ("a value too few", FULL.replace("[aspirin, 100, 45]", "[aspirin, 45]"), f"{AT}[0]: must hold "
     "3 values (molecule, samples, the limit), is ['aspirin', 45]"),
    ("a limit below zero", FULL.replace("45]", "-45]"), f"{AT}[0]: the limit must be a number of "
     "at least 0, is -45"),
    ("a limit in words", FULL.replace("45]", "much]"), f"{AT}[0]: the limit must be a number of at "
     "least 0, is 'much'"),
    ("a limit that is none", FULL.replace("45]", ".nan]"), f"{AT}[0]: must be a number, text, true "
     "or false, is nan"),
    ("no list", "3", f"{AT}[0]: must be a list of axis values and a number, is 3"),
    ("no rows", "", f"{AT}: is missing or empty; `by` names axes, `rows` gives a value for each"),
]  # fmt: skip


@pytest.mark.parametrize("rows, message", [row[1:] for row in SLIPS], ids=[r[0] for r in SLIPS])
def test_slips_in_rows(write_spec, rows: str, message: str) -> None:
    with pytest.raises(MlffError) as caught:
        load_spec(write_spec((PLAIN, TABLE.format(rows=rows))))
    assert str(caught.value) == message


def test_a_missing_row(write_spec) -> None:
    spec = load_spec(
        write_spec((PLAIN, TABLE.format(rows=FULL.replace(", [ethanol, 100, 30]", ""))))
    )
    variants = {variant.id: variant for variant in expand(spec)}
    assert cases_of(variants["aspirin-n100"], "CH")
    with pytest.raises(MlffError) as caught:
        cases_of(variants["ethanol-n100"], "CH")
    assert str(caught.value) == (
        f"{AT}: variant ethanol-n100: has no row for molecule ethanol, samples 100"
    )


@pytest.mark.parametrize(
    "text, message",
    [
        (
            "- max: 3\n        by: [samples]\n        rows: [[100, 1]]",
            "max: does not go with `rows`",
        ),
        ("- by: [samples]", "rows: is missing or empty"),
        ("- rows: [[100, 1]]", "by: is missing or empty"),
        ("- by: [sampels]\n        rows: [[100, 1]]", "by: unknown name 'sampels'; did you mean"),
        ("- by: [samples, samples]\n        rows: [[100, 100, 1]]", "by: names an axis twice"),
        ("- species: all", "max: is missing"),
    ],
)
def test_slips_in_tables(write_spec, text: str, message: str) -> None:
    with pytest.raises(MlffError) as caught:
        load_spec(write_spec((PLAIN, text)))
    assert f"cases[0].thresholds[0].{message}" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_what_the_command_prints_is_read_back(write_spec) -> None:
    axes = [(m, n) for m in ("aspirin", "ethanol") for n in (100, 200)]
    why = "{source: own_baseline, reference: made here, frames: 8, seeds: 3}"

    def line(species: str, limit: float, *place: tuple[str, str | int]) -> Line:
        return Line("own/spec", "force_mae", place, species, limit, "meV/Å", why)

    text = written(
        [line(x, f * n, ("molecule", m), ("samples", n)) for x, f in (("all", 1.5), ("H", 0.5))
         for m, n in axes]
    )  # fmt: skip
    both, hydrogen = yaml.safe_load(text)
    assert (both["by"], both["species"], hydrogen["species"]) == (
        ["molecule", "samples"], "all", "H",
    )  # fmt: skip
    assert both["rows"] == [[m, n, 1.5 * n] for m, n in axes]
    assert hydrogen["provenance"]["seeds"] == 3
    # A spec without axes has one number, and no empty `where` or `by`.
    assert yaml.safe_load(written([line("all", 1.5)])) == [
        {"max": 1.5, "unit": "meV/Å", "provenance": yaml.safe_load(why)}
    ]
