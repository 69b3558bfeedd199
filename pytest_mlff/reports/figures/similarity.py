"""Similarity of each training window to the test window, beside the error."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_mlff.metrics.registry import metric_named, metrics
from pytest_mlff.reports.figures.description import Axis, Figure, XYPanel
from pytest_mlff.reports.figures.points import UNDECIDED, series_of, value_unit
from pytest_mlff.reports.figures.rows import begin_of, size_of
from pytest_mlff.reports.figures.scales import ends_of, limits, ordered_roles, value_axis
from pytest_mlff.reports.figures.windows import by_samples
from pytest_mlff.similarity.correlation import rank_correlation

if TYPE_CHECKING:
    from pytest_mlff.metrics.registry import Metric
    from pytest_mlff.reports.figures.rows import SpecRows
    from pytest_mlff.reports.model import CaseRecord


def similarities_beside_errors(group: SpecRows, model: str | None) -> list[Figure | None]:
    """A figure of each metric that should foretell another one, e.g. SOAP similarity."""
    return [
        _beside(group, model, one, metric_named(one.foretells))
        for one in metrics().values()
        if one.foretells is not None
    ]


def _beside(group: SpecRows, model: str | None, hint: Metric, told: Metric) -> Figure | None:
    """A hint against start on the left, what it should foretell on the right, one row per n.

    SAIBench-MLFF (Li et al.), time extrapolation: similarity to the test window. Similarities may
    judge the data alone. None where no window has both.
    """
    sizes = sorted({v for one in group.variants if (v := size_of(one)) is not None})
    panels: list[XYPanel] = []
    sentences = []
    for label, part in by_samples(group):
        pairs = [
            (similar.value, error.value)
            for variant in part.variants
            if (similar := part.measured(variant, hint.id, None, model))
            and (error := part.measured(variant, told.id, None, model))
            and similar.value is not None
            and error.value is not None
        ]
        if not pairs:
            continue
        left = _panel(part, model, hint, sizes, f"{_name(hint)}{_of(label)}")
        right = _panel(part, model, told, sizes, f"{told.name}, all atoms{_of(label)}")
        panels += [left, right]
        sentences.append(f"{label}: {_correlation(pairs)}" if label else _correlation(pairs))
    if not panels:
        return None
    return Figure(
        "similarity",
        f"{hint.name} of training window and test window, beside the error",
        f"Left: {'1 − ' if hint.larger_is_better else ''}{hint.title}; right: the error of the "
        "model trained there. Lines join windows of one size; bars are 95 % intervals. "
        f"{UNDECIDED} Rank correlation (Spearman) of {hint.name} and error over windows: "
        f"{'; '.join(sentences)}. Windows overlap, so this interval is narrower than it should be.",
        "similarity",
        tuple(panels),
        columns=2,
    )


def _name(metric: Metric) -> str:
    """On a panel both fall where things get better; cosines lie too close to 1 to be read."""
    return f"1 − {metric.name}" if metric.larger_is_better else metric.name


def _away_from_one(case: CaseRecord) -> CaseRecord:
    value, low, high = (
        None if number is None else 1 - number for number in (case.value, case.ci_high, case.ci_low)
    )
    return case.model_copy(update={"value": value, "ci_low": low, "ci_high": high})


def _of(label: str) -> str:
    return f", {label}" if label else ""


def _correlation(pairs: Sequence[tuple[float, float]]) -> str:
    found = rank_correlation([a for a, _ in pairs], [b for _, b in pairs], p_value=False)
    if found.value is None:
        return f"none ({found.reason})"
    if found.ci_low is None or found.ci_high is None:
        text = f"{found.value:.2f} ({found.reason}; {found.n} windows)"
    else:
        text = f"{found.value:.2f} ({found.ci_low:.2f} to {found.ci_high:.2f}; {found.n} windows)"
    return re.sub(r"-(?=\d)", "−", text)


def _panel(
    group: SpecRows, model: str | None, metric: Metric, sizes: Sequence[float], title: str
) -> XYPanel:
    points: dict[float, list[tuple[float, CaseRecord]]] = {}
    for variant in group.variants:
        start, size = begin_of(variant), size_of(variant)
        case = group.measured(variant, metric.id, None, model)
        if start is not None and size is not None and case is not None:
            drawn = _away_from_one(case) if metric.larger_is_better else case
            points.setdefault(size, []).append((start, drawn))
    every = [case for found in points.values() for _, case in found]
    starts = sorted({v for one in group.variants if (v := begin_of(one)) is not None})
    roles = dict(zip(sizes, ordered_roles(len(sizes)), strict=True))
    return XYPanel(
        title=title,
        x=Axis(
            "Start of the training window", "% of the trajectory", limits=limits(starts, log=False),
            ticks=tuple(starts), categories=tuple(f"{start:g}" for start in starts),
        ),
        y=value_axis(
            _name(metric),
            value_unit(every),
            [v for c in every for v in (c.value, *ends_of(c))],
            log=False,
        ),
        series=tuple(
            series_of(f"size {size:g} %", roles[size], found)
            for size, found in sorted(points.items())
        ),
    )  # fmt: skip
