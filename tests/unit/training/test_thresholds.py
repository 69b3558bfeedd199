"""Thresholds from several seeds: the largest value plus the spread, never below what was seen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from support.sample_reports import saibench_report

from pytest_mlff.cli.thresholds import rounded_up, threshold_lines
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from pytest_mlff.reports.model import Report


def _seeded(seed: int) -> Report:
    report = saibench_report(seed=seed)
    trainings = [one.model_copy(update={"seed": seed}) for one in report.trainings]
    return report.model_copy(update={"trainings": trainings})


@pytest.mark.parametrize(
    "value, expected",
    [(0.0, 0.0), (1.0, 1.0), (1.01, 1.1), (99.5, 100.0), (12.0, 12.0), (1234.0, 1300.0),
     (0.00123, 0.0013), (0.3, 0.3)],
)  # fmt: skip
def test_rounded_up(value: float, expected: float) -> None:
    assert rounded_up(value) == expected


@pytest.mark.parametrize("exponent", range(-5, 6))
def test_rounding_never_goes_down_and_never_far_up(exponent: int) -> None:
    for step in range(100, 1000, 7):
        value = step * 10.0**exponent
        assert value * (1 - 1e-12) <= rounded_up(value) <= 1.1 * value * (1 + 1e-12)


def test_every_measured_case_has_a_threshold_above_what_was_seen() -> None:
    reports = [_seeded(seed) for seed in (1, 2, 3)]
    lines = {
        (line.spec, line.metric, line.species, line.axes): line for line in threshold_lines(reports)
    }
    axes = {(v.spec, v.variant): v.axes for v in reports[0].variants}
    seen: dict[tuple[Any, ...], list[float]] = {}
    for report in reports:
        for case in report.cases:
            if case.value is None or not case.metric.endswith("_mae"):
                continue
            where = tuple(axes[case.spec, case.variant].items())
            kind = case.species or "all"
            key = (f"{case.suite}/{case.spec}", case.metric, kind, where)
            seen.setdefault(key, []).append(case.value)
    assert lines.keys() == seen.keys()
    for key, values in seen.items():
        assert lines[key].maximum >= max(values)
        assert "seeds: 3" in lines[key].provenance
    alone = [key for key, values in seen.items() if len(values) == 3]
    for key in alone:
        spread = max(seen[key]) - min(seen[key])
        assert math.isclose(lines[key].maximum, rounded_up(max(seen[key]) + spread))


def test_too_few_or_equal_seeds_are_refused() -> None:
    one, two = _seeded(1), _seeded(2)
    with pytest.raises(MlffError, match="2 reports are too few"):
        list(threshold_lines([one, two]))
    with pytest.raises(MlffError, match="of the same seed"):
        list(threshold_lines([one, two, one]))


def test_a_single_model_sets_thresholds_too() -> None:
    report = _seeded(1)
    measured = [case for case in report.cases if case.value and case.metric.endswith("_mae")]
    lines = list(threshold_lines([report], "m on Monday"))
    assert len(lines) == len(measured)
    for line in lines:
        assert 'reference: "m on Monday: 1.3 times what it reached"' in line.provenance
    values = {(case.metric, case.species or "all") for case in measured}
    assert {(line.metric, line.species) for line in lines} == values
    assert min(line.maximum for line in lines) >= 1.3 * min(case.value or 0 for case in measured)


def test_a_case_that_one_run_lacks_is_named() -> None:
    reports = [_seeded(seed) for seed in (1, 2, 3)]
    measured = [case for case in reports[2].cases if case.value is not None]
    gone = next(case for case in measured if case.metric == "energy_mae")
    reports[2] = reports[2].model_copy(
        update={"cases": [case for case in reports[2].cases if case is not gone]}
    )
    with pytest.raises(MlffError, match=f"{gone.variant}/energy_mae: missing from one"):
        list(threshold_lines(reports))
