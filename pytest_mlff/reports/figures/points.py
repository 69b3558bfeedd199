"""Cases as points, and their thresholds as lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_mlff.metrics.registry import metric_named, metrics
from pytest_mlff.reports.figures.description import Limit, Series
from pytest_mlff.reports.figures.scales import rough_of, with_interval

if TYPE_CHECKING:
    from pytest_mlff.reports.figures.description import Mark
    from pytest_mlff.reports.figures.rows import SpecRows
    from pytest_mlff.reports.model import CaseRecord, VariantRecord

UNDECIDED = (
    "A hollow mark has an undecided interval: its thin bar is what is to be expected of one; "
    "without a bar, nothing is."
)
"""Sentence for captions of figures with such marks."""


_TITLES = {"energy": "Energy per atom", "forces": "Forces, {}", "stress": "Stress"}


def metric_labels() -> dict[str, str]:
    """Titles of the metrics that have figures of their own, those of forces first."""
    drawn = [one for one in metrics().values() if one.label and one.labels]
    drawn.sort(key=lambda one: one.labels != "forces")
    return {one.id: one.label for one in drawn}


def first_metric(group: SpecRows, model: str | None) -> str | None:
    """The metric that a figure of one shows: the first that the cases have."""
    return next((name for name in metric_labels() if group.species(name, model)), None)


def panel_title(metric: str, symbol: str | None) -> str:
    """What a metric is of, e.g. ``Forces, all atoms``."""
    one = metric_named(metric)
    return _TITLES.get(one.labels or "", one.label).format(species_label(symbol))


def unit_of_mean(metric: str) -> str:
    """What a metric is a mean over."""
    return "atom" if metric_named(metric).labels == "energy" else "component"


def species_label(symbol: str | None) -> str:
    """``all atoms`` or the symbol."""
    return "all atoms" if symbol is None else symbol


def species_role(symbol: str | None) -> str:
    """Colour role of a species."""
    return "all" if symbol is None else f"species-{symbol}"


def hover_of(case: CaseRecord) -> str:
    """Variant, value with interval and unit, verdict."""
    unit = "" if case.unit == "1" else f" {case.unit}"
    return f"{case.variant}: {with_interval(case)}{unit}, {case.verdict}"


def value_unit(cases: Iterable[CaseRecord]) -> str:
    """Unit of the first case."""
    return next((case.unit for case in cases), "1")


def series_of(
    label: str,
    role: str,
    points: Sequence[tuple[float, CaseRecord]],
    *,
    mark: Mark = "both",
    in_legend: bool = True,
) -> Series:
    """Cases with a value as a series, sorted along x."""
    kept = sorted(((x, c) for x, c in points if c.value is not None), key=lambda pair: pair[0])
    return Series(
        label=label,
        role=role,
        x=tuple(x for x, _ in kept),
        y=tuple(c.value for _, c in kept if c.value is not None),
        low=tuple(c.ci_low for _, c in kept),
        high=tuple(c.ci_high for _, c in kept),
        rough=tuple(rough_of(c) for _, c in kept),
        hover=tuple(hover_of(c) for _, c in kept),
        mark=mark,
        in_legend=in_legend,
    )


def threshold_limits(
    points: Mapping[str | None, Sequence[tuple[float, CaseRecord]]],
) -> tuple[tuple[Limit, ...], tuple[Series, ...]]:
    """Thresholds of each species in a panel: lines where constant, dashed series where not."""
    constant: dict[float, list[str]] = {}
    varying = []
    for symbol, found in points.items():
        held = sorted((x, c.threshold) for x, c in found if c.threshold is not None)
        values = {value for _, value in held}
        if len(values) == 1:
            constant.setdefault(values.pop(), []).append(species_label(symbol))
        elif values:
            varying.append(
                Series(
                    f"threshold, {species_label(symbol)}",
                    species_role(symbol),
                    tuple(x for x, _ in held),
                    tuple(value for _, value in held),
                    mark="line",
                    dashed=True,
                    thin=True,
                )
            )
    several = len(points) > 1
    unit = value_unit(case for found in points.values() for _, case in found)
    limits = tuple(
        Limit(
            value,
            f"threshold {value:g} {unit}" + (f" ({', '.join(of)})" if several else ""),
        )
        for value, of in constant.items()
    )
    return limits, tuple(varying)


def missing_text(
    group: SpecRows, variants: Iterable[VariantRecord], metric: str | None, model: str | None
) -> str:
    """Sentence on the variants without a value, one reason quoted; empty if there are none."""
    reasons: dict[str, list[str]] = {}
    total = 0
    for variant in variants:
        total += 1
        case = None if metric is None else group.case(variant, metric, None, model)
        if case is None or case.value is None:
            why = variant.unsupported or (case.reason if case else "not run")
            kind = "unsupported" if variant.unsupported else case.verdict if case else "not run"
            reasons.setdefault(kind, []).append(why)
    parts = [
        f"{len(why)} of {total} {kind}" + (f" ({why[0]})" if kind != "not run" else "")
        for kind, why in reasons.items()
    ]
    return f" Without a value: {'; '.join(parts)}." if parts else ""
