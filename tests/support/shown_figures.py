"""Figures of the sample report, and its cases as pandas sees them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import pandas as pd
from support.sample_reports import saibench_report

from pytest_mlff.reports.figures import Figure, figures_of

if TYPE_CHECKING:
    from pytest_mlff.reports.model import Report

REPORT = saibench_report()
TWO = saibench_report(("one", "two"))


@functools.cache
def figures_of_one() -> dict[str, Figure]:
    return {shown.id: shown for shown in figures_of(REPORT)}


@functools.cache
def figures_of_two() -> tuple[Figure, ...]:
    return tuple(figures_of(TWO))


def table(report: Report, spec: str, metric: str = "force_mae") -> pd.DataFrame:
    """Cases of a spec with the axes of their variants as columns."""
    cases = pd.DataFrame([case.model_dump() for case in report.cases])
    axes = pd.DataFrame([{"variant": v.variant, "spec": v.spec, **v.axes} for v in report.variants])
    axes = (
        axes[axes.spec == spec]
        .dropna(axis="columns")
        .convert_dtypes(convert_string=False, convert_floating=False)
    )
    return cases[cases.metric == metric].merge(axes, on=["variant", "spec"])


SPECS = {
    "mae-vs-samples": "sample_efficiency",
    "cross-molecule": "cross_molecule",
    "overview": "none",
    "loss-saibench-sample-efficiency": "none",
    "loss-saibench-time-extrapolation": "none",
}


def figure(report: Report, name: str) -> Figure:
    """The figure of this id, made without the variants of other specs to save time."""
    if report is REPORT:
        return figures_of_one()[name]
    spec = SPECS.get(name, "time_extrapolation")
    kept = [variant for variant in report.variants if variant.spec == spec]
    part = report.model_copy(update={"variants": kept})
    return next(found for found in figures_of(part) if found.id == name)
