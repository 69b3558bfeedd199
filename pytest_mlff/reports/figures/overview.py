"""How close each case comes to its threshold, worst first."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_mlff.reports.figures.description import Axis, Figure, Limit, Series, XYPanel
from pytest_mlff.reports.figures.points import UNDECIDED, hover_of
from pytest_mlff.reports.figures.scales import rough_of, value_axis

if TYPE_CHECKING:
    from pytest_mlff.reports.model import CaseRecord, Report

_MOST = 30
_VERDICTS = ("failed", "regressed", "passed")


def _ratio(value: float | None, case: CaseRecord) -> float | None:
    if value is None or not case.threshold:
        return None
    if case.larger_is_better:
        return case.threshold / value if value > 0 else None
    return value / case.threshold


def threshold_overview(report: Report) -> Figure | None:
    """Value divided by threshold of the worst cases, on a logarithmic axis.

    None where no case has both a value and a positive threshold.
    """
    measured = [
        (ratio, case)
        for case in report.cases
        if (ratio := _ratio(case.value, case)) is not None and ratio > 0
    ]
    if not measured:
        return None
    measured.sort(key=lambda pair: (-pair[0], pair[1].case_id, pair[1].model or ""))
    shown = measured[:_MOST]
    several = len({case.model for _, case in shown if case.model is not None}) > 1
    places = [-float(k) for k in range(len(shown))]
    series: list[Series] = []
    for verdict in dict.fromkeys([*_VERDICTS, *(case.verdict for _, case in shown)]):
        here = [
            (at, ratio, case)
            for at, (ratio, case) in zip(places, shown, strict=True)
            if case.verdict == verdict
        ]
        listed = False
        for wanted in (True, False):
            found = [entry for entry in here if _interval_meant(entry[2]) == wanted]
            if found:
                series.append(_series(verdict, found, interval=wanted, in_legend=not listed))
                listed = True
    reach = [v for one in series for v in (*one.x, *one.low, *one.high) if v is None or v > 0]
    panel = XYPanel(
        title="",
        x=value_axis("Value / threshold", "1", [*reach, 1.0], log=True),
        y=Axis(
            "Case",
            "",
            limits=(-len(shown) + 0.4, 0.6),
            ticks=tuple(places),
            categories=tuple(_label(case, several=several) for _, case in shown),
        ),
        series=tuple(series),
        limits=(Limit(1.0, "threshold"),),
        horizontal=True,
    )
    return Figure(
        "overview",
        "Each case against its threshold, worst first",
        f"The {len(shown)} worst of {len(measured)} cases with a value and a threshold; right of "
        "the line the threshold is exceeded. Bars are 95 % intervals; a law has none by its "
        f"nature. {UNDECIDED}" + _others(report, len(measured)),
        "overview",
        (panel,),
    )


def _interval_meant(case: CaseRecord) -> bool:
    """Whether the value has an interval or ought to have one: laws and counts have none."""
    return case.ci_low is not None or "undecided" in case.evidence


def _series(
    verdict: str, found: list[tuple[float, float, CaseRecord]], *, interval: bool, in_legend: bool
) -> Series:
    return Series(
        verdict,
        verdict,
        tuple(ratio for _, ratio, _ in found),
        tuple(at for at, _, _ in found),
        low=tuple(_ratio(c.ci_low, c) for _, _, c in found) if interval else (),
        high=tuple(_ratio(c.ci_high, c) for _, _, c in found) if interval else (),
        rough=tuple(_ratio(rough_of(c), c) for _, _, c in found) if interval else (),
        hover=tuple(f"{c.case_id}: {hover_of(c)}" for _, _, c in found),
        mark="points",
        in_legend=in_legend,
    )


def _label(case: CaseRecord, *, several: bool) -> str:
    """Case id without the suite, and the model where there are several."""
    name = case.case_id.split("/", 1)[-1]
    return f"{name} @{case.model}" if several and case.model else name


def _others(report: Report, measured: int) -> str:
    if measured == len(report.cases):
        return ""
    lost = Counter(case.verdict for case in report.cases if case.value is None)
    rest = len(report.cases) - measured - sum(lost.values())
    parts = [f"{count} {verdict}" for verdict, count in lost.most_common()]
    parts += [f"{rest} with a value of zero or without a positive threshold"] if rest else []
    return f" Not shown: {', '.join(parts)}."
