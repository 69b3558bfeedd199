"""Variants to cases."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from pytest_mlff.metrics.registry import metric_named, metrics
from pytest_mlff.specs import cases_of, expand, load_spec

MORE = """\
    thresholds:
      - {max: 1, unit: meV/Å, species: H, where: samples < 150, provenance: &p {source: paper,
         reference: Table 1}}
      - {max: 2, unit: meV/Å, species: each, provenance: *p}
      - {max: 3, unit: meV/Å, species: all, where: dataset == 'rmd17', provenance: *p}
      - {max: 4, unit: meV/Å, provenance: *p}
  - metric: rotation
    options: {examples: 5, strict: true, note: x, tolerance: 1.5e-3}
    thresholds: [{max: 1, unit: "1", provenance: {source: physical_limit, reference: exact}}]
"""
OLD = """\
    thresholds:
      - max: 45
        unit: meV/Å
        provenance: {source: paper, reference: Table 1}
"""


def test_ids_and_order(write_spec) -> None:
    spec = load_spec(write_spec((OLD, MORE), name="mine.yaml"))
    cases = cases_of(expand(spec)[0], ["O", "H", "C", "H"])
    assert [case.case_id for case in cases] == [
        "own/mine/aspirin-n100/force_mae",
        "own/mine/aspirin-n100/force_mae[C]",
        "own/mine/aspirin-n100/force_mae[H]",
        "own/mine/aspirin-n100/force_mae[O]",
        "own/mine/aspirin-n100/rotation",
    ]
    assert [case.species for case in cases] == [None, "C", "H", "O", None]
    assert {(case.suite, case.spec_name) for case in cases} == {("own", "mine")}
    assert cases[4].options == {"examples": 5, "strict": True, "note": "x", "tolerance": 1.5e-3}


def test_first_threshold_that_fits_holds(write_spec) -> None:
    spec = load_spec(write_spec((OLD, MORE)))

    def limits(dataset: str, index: int) -> list[float]:
        found = cases_of(expand(spec, dataset)[index], ["C", "H"])
        return [case.threshold.limit for case in found]

    assert limits("embedded", 0) == [4, 2, 1, 1]  # n = 100: all, C, H, rotation
    assert limits("embedded", 1) == [4, 2, 2, 1]  # n = 200
    assert limits("rmd17", 0) == [3, 2, 2, 1]


def test_threshold_carries_unit_and_provenance(write_spec) -> None:
    case = cases_of(expand(load_spec(write_spec()))[0], ["C"])[0]
    assert (case.threshold.limit, case.threshold.unit) == (45.0, "meV/Å")
    assert isinstance(case.threshold.limit, float)
    assert case.threshold.provenance.source == "paper"
    assert case.threshold.provenance.reference == "Table 1"


def test_explicit_symbols(write_spec) -> None:
    spec = load_spec(write_spec(("[all, each]", "[O, all, H]")))
    found = cases_of(expand(spec)[0], ["C", "H", "O"])
    assert [case.species for case in found] == [None, "H", "O"]


def test_each_alone_has_no_case_over_all_atoms(write_spec) -> None:
    spec = load_spec(write_spec(("[all, each]", "each")))
    assert [case.species for case in cases_of(expand(spec)[0], ["C", "H"])] == ["C", "H"]


def test_cases_are_values(write_spec) -> None:
    cases = cases_of(expand(load_spec(write_spec()))[0], ["C", "H"])
    copies = pickle.loads(pickle.dumps(cases))
    assert copies == cases
    assert len({*cases, *copies}) == 3
    assert replace(cases[0], species="H") != cases[0]


@pytest.mark.parametrize("spelling", ["meV/\u00c5", "meV/\u212b", "meV/A\u030a"])
def test_every_spelling_of_the_unit(write_spec, spelling: str) -> None:
    spec = load_spec(write_spec(("unit: meV/Å", f"unit: {spelling}")))
    assert spec.cases[0].thresholds[0].unit == metric_named("force_mae").unit


def test_units_of_the_report_contract() -> None:
    from pytest_mlff.units import REPORT_UNITS

    for metric in metrics().values():
        prefix, _, kind = metric.id.rpartition("_")
        if kind in ("mae", "rmse") and prefix in ("energy", "force", "stress"):
            assert metric.unit == REPORT_UNITS["forces" if prefix == "force" else prefix]
        assert (metric.kind == "law") is metric.title.startswith("law: ")
        if metric.kind == "law":
            assert metric.unit == "1"
    contract = "energy_mae energy_rmse force_mae force_rmse stress_mae soap_similarity"
    assert set(contract.split()) <= set(metrics("metric"))


def test_stress_per_volume_is_read_in_gpa(write_spec) -> None:
    """Thresholds written in meV/Å³, as older specs have them, bind at the same stress."""
    written = OLD.replace("45", "2").replace("meV/Å", "meV/Å³")
    path = write_spec(
        (OLD, written), ("metric: force_mae", "metric: stress_mae"), ("species: [all, each]", "")
    )
    threshold = cases_of(expand(load_spec(path))[0], ["H"])[0].threshold
    assert threshold is not None
    assert threshold.unit == "GPa"
    assert threshold.limit == pytest.approx(0.002 * 160.2176634, rel=1e-12)
