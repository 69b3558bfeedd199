"""Several models beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_mlff.reports.figures.description import Figure, XYPanel
from pytest_mlff.reports.figures.grouped import Cluster, clusters
from pytest_mlff.reports.figures.points import UNDECIDED, metric_labels, panel_title, value_unit
from pytest_mlff.reports.figures.scales import ends_of, group_axis, value_axis

if TYPE_CHECKING:
    from pytest_mlff.reports.figures.rows import SpecRows
    from pytest_mlff.reports.model import CaseRecord


def model_comparison(groups: Sequence[SpecRows], models: Sequence[str]) -> Figure | None:
    """MAE over all atoms of every model, spec by spec, on the variants that all of them have.

    None with fewer than two models, or no variant that all have a value for.
    """
    if len(models) < 2:
        return None
    panels = [panel for metric in metric_labels() if (panel := _panel(groups, models, metric))]
    if not panels:
        return None
    return Figure(
        "models",
        "Models compared",
        "Each point is one variant with its 95 % interval, in the order of the report; only "
        "variants that every model has a value for are shown (their number stands in brackets"
        f"). Short bars are geometric means. {UNDECIDED}",
        "models",
        tuple(panels),
        columns=1,
    )


def _panel(groups: Sequence[SpecRows], models: Sequence[str], metric: str) -> XYPanel | None:
    found: list[Cluster] = []
    labels: list[str] = []
    every: list[CaseRecord] = []
    for group in groups:
        rows = [
            cases
            for variant in group.variants
            if all(cases := [group.measured(variant, metric, None, model) for model in models])
        ]
        if not rows:
            continue
        place = len(labels)
        labels.append(f"{group.spec} ({len(rows)})")
        for index, model in enumerate(models):
            column = tuple(case for row in rows if (case := row[index]) is not None)
            found.append(Cluster(model, place, column))
            every += column
    if not labels:
        return None
    return XYPanel(
        title=panel_title(metric, None),
        x=group_axis("Spec (variants)", "", labels),
        y=value_axis(
            metric_labels()[metric],
            value_unit(every),
            [c.value for c in every] + [v for c in every for v in ends_of(c) if v is None or v > 0],
            log=True,
        ),
        series=clusters(found, models, geometric=True),
    )
