"""Errors in groups: points side by side over a few categories, with the mean of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pytest_mlff.reports.figures.description import Figure, Series, XYPanel
from pytest_mlff.reports.figures.points import (
    UNDECIDED,
    first_metric,
    metric_labels,
    missing_text,
    panel_title,
    series_of,
    value_unit,
)
from pytest_mlff.reports.figures.rows import begin_of, size_of
from pytest_mlff.reports.figures.scales import ends_of, group_axis, short, value_axis
from pytest_mlff.reports.figures.windows import by_samples

if TYPE_CHECKING:
    from pytest_mlff.reports.figures.rows import SpecRows
    from pytest_mlff.reports.model import CaseRecord

_WIDTH = 0.8
_LOG_FROM = 3.0
_PLACE = {"start": begin_of, "size": size_of}


@dataclass(frozen=True)
class Cluster:
    """Cases with values of one series in a category, in the order in which they stand."""

    series: str
    category: int
    cases: tuple[CaseRecord, ...]


class _What(NamedTuple):
    """What a panel shows."""

    metric: str
    species: str | None


def clusters(
    found: Sequence[Cluster], labels: Sequence[str], *, geometric: bool = False
) -> tuple[Series, ...]:
    """Points with intervals, and a short bar at the (geometric) mean of each cluster.

    ``labels`` names all series of the figure, so that places and colours agree between panels.
    """
    made: list[Series] = []
    slot = _WIDTH / max(len(labels), 1)
    for index, label in enumerate(labels):
        points: list[tuple[float, CaseRecord]] = []
        middles: list[tuple[float, float]] = []
        for cluster in found:
            values = [c.value for c in cluster.cases if c.value is not None]
            if cluster.series != label or not values:
                continue
            centre = cluster.category + (index - (len(labels) - 1) / 2) * slot
            spread = 0.85 * slot / len(values)
            points += [
                (centre + (k - (len(values) - 1) / 2) * spread, case)
                for k, case in enumerate(cluster.cases)
            ]
            middles.append((centre, _mean(values, geometric=geometric)))
        if not points:
            continue
        made.append(series_of(label, f"series-{index}", points, mark="points"))
        made.append(
            Series(
                f"mean of {label}", "all", tuple(x for x, _ in middles),
                tuple(y for _, y in middles), hover=tuple(f"mean {short(y)}" for _, y in middles),
                mark="tick", in_legend=False,
            )
        )  # fmt: skip
    return tuple(made)


def _mean(values: Sequence[float], *, geometric: bool) -> float:
    if geometric and min(values) > 0:
        return math.exp(math.fsum(map(math.log, values)) / len(values))
    return math.fsum(values) / len(values)


def grouped_windows(group: SpecRows, model: str | None, by: str) -> Figure | None:
    """MAE of all windows, grouped by their size or by their start; None where none has a value.

    SAIBench-MLFF (Li et al.), time extrapolation.
    """
    other = "start" if by == "size" else "size"
    parts = by_samples(group)
    labels = [label or "all windows" for label, _ in parts]
    places = sorted({v for one in group.variants if (v := _PLACE[by](one)) is not None})
    panels = []
    for metric in metric_labels():
        for symbol in group.species(metric, model):
            what = _What(metric, symbol)
            found = [
                Cluster(label, place, cases)
                for (_, part), label in zip(parts, labels, strict=True)
                for place, value in enumerate(places)
                if (cases := _cases(part, model, what, by, value))
            ]
            if found:
                panels.append(_panel(what, found, labels, places, by))
    if not panels:
        return None
    return Figure(
        f"mae-by-{by}",
        f"Error grouped by {by} of the training window",
        f"Each point is one training window with its 95 % interval; within a group they stand "
        f"in the order of their {other}, smallest first. Short bars are means of a group. "
        + UNDECIDED
        + missing_text(group, group.variants, first_metric(group, model), model),
        f"by-{by}",
        tuple(panels),
        columns=min(2, len(panels)),
    )


def _cases(
    group: SpecRows, model: str | None, what: _What, by: str, value: float
) -> tuple[CaseRecord, ...]:
    other = "start" if by == "size" else "size"
    held = [v for v in group.variants if _PLACE[by](v) == value]
    ordered = sorted(held, key=lambda v: _PLACE[other](v) or 0.0)
    return tuple(c for v in ordered if (c := group.measured(v, *what, model)))


def _panel(
    what: _What, found: Sequence[Cluster], labels: Sequence[str], places: Sequence[float], by: str
) -> XYPanel:
    every = [case for cluster in found for case in cluster.cases]
    values = [c.value for c in every if c.value is not None]
    log = max(values) > _LOG_FROM * min(values) > 0
    reach = [v for c in every for v in (c.value, *ends_of(c)) if v is None or v > 0 or not log]
    return XYPanel(
        title=panel_title(*what),
        x=group_axis(
            f"{'Size' if by == 'size' else 'Start'} of the training window",
            "% of the trajectory",
            [f"{value:g}" for value in places],
        ),
        y=value_axis(metric_labels()[what.metric], value_unit(every), reach, log=log),
        series=clusters(found, labels),
    )
