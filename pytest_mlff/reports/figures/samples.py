"""Error against the number of training samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlff.reports.figures.description import Blank, Figure, XYPanel
from pytest_mlff.reports.figures.points import (
    UNDECIDED,
    first_metric,
    metric_labels,
    missing_text,
    series_of,
    species_label,
    species_role,
    threshold_limits,
    unit_of_mean,
    value_unit,
)
from pytest_mlff.reports.figures.scales import count_axis, ends_of, value_axis

if TYPE_CHECKING:
    from pytest_mlff.reports.figures.rows import SpecRows
    from pytest_mlff.reports.model import CaseRecord


def mae_vs_samples(group: SpecRows, model: str | None) -> Figure | None:
    """Force and energy MAE against training samples, both axes logarithmic.

    SAIBench-MLFF (Li et al.), sample efficiency. None with fewer than two sizes that have a value.
    """
    sizes = {v.variant: group.count(v) for v in group.variants}
    if any(size is None or size <= 0 for size in sizes.values()):
        return None
    panels = [
        panel
        for metric in metric_labels()
        if (panel := _panel(group, model, metric, {k: v for k, v in sizes.items() if v}))
    ]
    if not panels:
        return None
    log = all(panel.y.log for panel in panels)
    scales = (
        "Both axes are logarithmic."
        if log
        else "A value of zero keeps the axis of errors linear in its panel."
    )
    return Figure(
        "mae-vs-samples",
        "Error against number of training samples",
        f"{scales} Bars are 95 % intervals, broken lines are thresholds. "
        f"{UNDECIDED}{missing_text(group, group.variants, first_metric(group, model), model)}",
        "samples",
        tuple(panels),
        columns=len(panels),
    )


def _panel(
    group: SpecRows, model: str | None, metric: str, sizes: dict[str, float]
) -> XYPanel | None:
    points: dict[str | None, list[tuple[float, CaseRecord]]] = {}
    for symbol in group.species(metric, model):
        found = [
            (sizes[variant.variant], case)
            for variant in group.variants
            if (case := group.measured(variant, metric, symbol, model))
        ]
        if found:
            points[symbol] = found
    if len({x for found in points.values() for x, _ in found}) < 2:
        return None
    every = [case for found in points.values() for _, case in found]
    straight, varying = threshold_limits(points)
    y = value_axis(
        metric_labels()[metric],
        value_unit(every),
        [v for c in every for v in (c.value, c.threshold)]
        + [v for c in every for v in ends_of(c) if v is None or v > 0],
        log=True,
    )
    return XYPanel(
        title=f"{metric_labels()[metric]} per {unit_of_mean(metric)}",
        x=count_axis("Training samples", "frames", list(sizes.values()), most=9),
        y=y,
        series=(
            *(
                series_of(species_label(symbol), species_role(symbol), found)
                for symbol, found in points.items()
            ),
            *varying,
        ),
        limits=straight,
        blanks=tuple(
            Blank(sizes[variant.variant], case.verdict)
            for variant in group.variants
            if (case := group.case(variant, metric, None, model)) and case.value is None
        ),
    )
