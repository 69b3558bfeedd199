"""Whose pass it is: neither a check of data nor another model answers for a model."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from support.sample_reports import saibench_report

from pytest_mlff.reports.headline import headline_of, unjudged_models
from pytest_mlff.reports.model import ModelRecord
from pytest_mlff.run.model_names import infos_told_apart, records_told_apart

if TYPE_CHECKING:
    from pytest_mlff.reports.model import CaseRecord

BASE = saibench_report()
PASSED = next(case for case in BASE.cases if case.verdict == "passed" and case.model)


def _case(verdict: str, model: str | None = "m", **more: Any) -> CaseRecord:
    fields = {"verdict": verdict, "model": model, "species": None, "evidence": {}}
    return PASSED.model_copy(update=fields | more)


def _tone(*cases: CaseRecord) -> str:
    models = [
        ModelRecord(
            name=name, source=name, family="ase", digest=None, species=None, cutoff=None,
            device="cpu", dtype="float64", versions={},
        )
        for name in sorted({case.model for case in cases if case.model is not None})
    ]  # fmt: skip
    told = {"sources": ["m.ckpt"], "exit_code": 0, "collected": len(cases), "deselected": 0}
    run = BASE.run.model_copy(update=told)
    report = BASE.model_copy(update={"run": run, "cases": list(cases), "models": models})
    return headline_of(report).tone


@pytest.mark.parametrize(
    "cases, expected",
    [
        ([_case("passed")], []),
        ([_case("undecided")], []),
        ([_case("failed"), _case("reported")], []),
        ([_case("reported"), _case("passed", None)], ["m"]),
        ([_case("unsupported"), _case("passed", None)], ["m"]),
        ([_case("unsupported"), _case("passed", "other")], ["m"]),
        ([_case("skipped"), _case("reported", "other")], ["other"]),
    ],
)
def test_a_model_without_a_judged_case_is_named(
    cases: list[CaseRecord], expected: list[str]
) -> None:
    assert unjudged_models((case.model, case.verdict) for case in cases) == expected
    assert (_tone(*cases) == "good") == (cases == [_case("passed")])


def test_checks_of_data_alone_are_no_yes() -> None:
    assert _tone(_case("passed", None)) == "unknown"
    assert _tone(_case("passed", None), _case("passed")) == "good"


def test_a_pooled_pass_says_nothing_of_a_group() -> None:
    pooled = _case("passed", variant="pooled")
    assert _tone(pooled, _case("undecided")) == "good"
    assert _tone(pooled, _case("undecided", group="config_type=rare")) == "unknown"
    assert _tone(pooled, _case("undecided", "other"), _case("passed", "other")) == "unknown"


def test_models_of_one_name_are_called_by_their_sources() -> None:
    sources = ("a/best.ckpt", "b/best.ckpt", "c.ckpt")
    planned: Any = {
        f"n{k}": SimpleNamespace(source=SimpleNamespace(text=text))
        for k, text in enumerate(sources)
    } | {"data": SimpleNamespace(source=None)}
    records = {
        "n0": _case("undecided", "best"), "n1": _case("passed", "best"), "n2": _case("passed", "c"),
        "data": _case("passed", None),
    }  # fmt: skip
    told = records_told_apart(records, planned)
    assert [one.model for one in told.values()] == ["a/best.ckpt", "b/best.ckpt", "c", None]
    infos: Any = [
        SimpleNamespace(name="best", source=sources[0]), SimpleNamespace(name="c", source="c.ckpt")
    ]  # fmt: skip
    assert infos_told_apart(infos) == infos
