"""Error against what a training cost, by method: which methods are on the Pareto front."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pytest_mlff.reports.figures.description import Figure, Series, XYPanel
from pytest_mlff.reports.figures.scales import count_axis, ends_of, short, value_axis

if TYPE_CHECKING:
    from pytest_mlff.reports.figures.rows import SpecRows
    from pytest_mlff.reports.model import CaseRecord, VariantRecord

_ERROR, _COST = "force_mae", "training_cost"


def error_against_cost(group: SpecRows, model: str | None) -> Figure | None:
    """Force MAE against core-seconds of training and labels, a panel for each training system.

    Of variants with an axis ``method``; None with fewer than two costs that are known.
    """
    panels: dict[str, list[VariantRecord]] = {}
    for variant in group.variants:
        if "method" in variant.axes:
            panels.setdefault(", ".join(variant.train_molecules), []).append(variant)
    drawn = [panel for name, some in panels.items() if (panel := _panel(group, model, name, some))]
    if not drawn:
        return None
    return Figure(
        "error-against-cost",
        "Error against the cost of training",
        "Processor time of a model's training with all stages before it and the labels of an "
        "oracle; what models share counts for each in full. Bars are 95 % intervals over test "
        "frames. Points with no other below and to the left of them are on the Pareto front.",
        "cost",
        tuple(drawn),
        columns=len(drawn),
    )


def _points(
    group: SpecRows, model: str | None, variants: list[VariantRecord]
) -> Iterator[tuple[VariantRecord, float, CaseRecord]]:
    for variant in variants:
        error = group.measured(variant, _ERROR, None, model)
        cost = group.measured(variant, _COST, None, model)
        if error is not None and cost is not None and cost.value:
            yield variant, cost.value, error


def _panel(
    group: SpecRows, model: str | None, name: str, variants: list[VariantRecord]
) -> XYPanel | None:
    found = list(_points(group, model, variants))
    if len({cost for _, cost, _ in found}) < 2:
        return None
    by_method: dict[str, list[tuple[VariantRecord, float, CaseRecord]]] = {}
    for point in found:
        by_method.setdefault(str(point[0].axes["method"]), []).append(point)
    costs = [cost for _, cost, _ in found]
    ends = [v for *_, case in found for v in (case.value, *ends_of(case)) if v is None or v > 0]
    return XYPanel(
        title=name,
        x=count_axis("Cost", "core-s", costs, most=6),
        y=value_axis("Force MAE", found[0][2].unit or "", ends, log=True),
        series=tuple(
            Series(
                method,
                f"series-{number % 6}",
                tuple(cost for _, cost, _ in points),
                tuple(case.value or 0.0 for *_, case in points),
                low=tuple(ends_of(case)[0] for *_, case in points),
                high=tuple(ends_of(case)[1] for *_, case in points),
                hover=tuple(f"{v.variant}: {short(case.value or 0.0)}" for v, _, case in points),
                mark="points",
            )
            for number, (method, points) in enumerate(by_method.items())
        ),
    )
