"""Models ranked on one dataset by one metric."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_mlff.metrics.registry import metric_named
from pytest_mlff.reports.figures.description import Figure, XYPanel
from pytest_mlff.reports.figures.points import series_of
from pytest_mlff.reports.figures.scales import ends_of, group_axis, value_axis

if TYPE_CHECKING:
    from pytest_mlff.reports.rankings import RankingTable


def ranking_figure(tables: Sequence[RankingTable], metric: str) -> Figure | None:
    """Values of all models by one metric, with intervals, a panel for each dataset and variant.

    None where no table of the metric has values.
    """
    models = sorted({model for table in tables for model in table.values})
    panels = []
    for table in tables:
        cases = list(table.values.items())
        if table.metric != metric or not cases:
            continue
        values = [case.value for _, case in cases if case.value is not None]
        ends = [end for _, case in cases for end in ends_of(case)]
        logarithmic = min(values) > 0.0 and all(end is None or end > 0.0 for end in ends)
        panels.append(
            XYPanel(
                title=table.title,
                x=group_axis("Model, best first", "", [model for model, _ in cases]),
                y=value_axis(
                    metric_named(metric).name, cases[0][1].unit, [*values, *ends], log=logarithmic
                ),
                series=tuple(
                    series_of(
                        model, f"series-{models.index(model)}", [(float(k), case)], mark="points"
                    )
                    for k, (model, case) in enumerate(cases)
                ),
            )
        )
    if not panels:
        return None
    name = re.sub(r"[^a-z0-9]+", "-", metric)
    title = f"{metric_named(metric).name}, best model first"
    caption = "Values with their 95 % intervals; models are told apart by the paired intervals."
    return Figure(f"ranking-{name}", title, caption, "rankings", tuple(panels), columns=2)
