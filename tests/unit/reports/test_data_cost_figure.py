"""Error against cost, drawn from the report of the ASTEROID study that the documentation shows."""

from __future__ import annotations

from pathlib import Path

from pytest_mlff.reports.figures.data_cost import error_against_cost
from pytest_mlff.reports.figures.rows import groups_of
from pytest_mlff.reports.model import Report

STUDY = Path(__file__).parents[3] / "docs" / "results" / "asteroid" / "ethanol-seed0.json"


def test_each_method_has_its_points() -> None:
    report = Report.model_validate_json(STUDY.read_text(encoding="utf-8"))
    (group,) = groups_of(report)
    figure = error_against_cost(group, "asteroid")
    assert figure is not None
    (panel,) = figure.panels
    drawn = {one.label: dict(zip(one.x, one.y, strict=True)) for one in panel.series}
    assert drawn.keys() == {
        "accurate_only", "bias_aware", "cheap_only", "cheap_then_finetune", "delta"
    }  # fmt: skip
    cases = {(one.variant, one.metric): one.value for one in report.cases if one.species is None}
    name = "ethanol-delta-n25-mmff94500-gammamedian-seed0"
    assert drawn["delta"][cases[name, "training_cost"]] == cases[name, "force_mae"]
    # Of a run that trained nothing there are no costs.
    bare = report.model_copy(
        update={"cases": [one for one in report.cases if one.metric != "training_cost"]}
    )
    (group,) = groups_of(bare)
    assert error_against_cost(group, "asteroid") is None
