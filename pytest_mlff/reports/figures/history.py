"""Values of cases over the runs of a repository."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_mlff.gate.threshold import RED
from pytest_mlff.reports.figures.description import Axis, Figure, XYPanel
from pytest_mlff.reports.figures.points import UNDECIDED, series_of, threshold_limits
from pytest_mlff.reports.figures.scales import ends_of, value_axis

if TYPE_CHECKING:
    from pytest_mlff.reports.history import History, Track

_MOST: Final = 12
_TICKS: Final = 5


def values_over_runs(history: History) -> Figure | None:
    """One panel a case: value and interval at each run, threshold as a broken line.

    The gravest cases first, twelve at most; None where no case has two values.
    """
    drawn = [track for track in history.tracks if len(track.measured) > 1]
    if not drawn:
        return None
    left = len(drawn) - _MOST
    more = f" {left} more cases are left out." if left > 0 else ""
    return Figure(
        "history",
        "Cases over the runs",
        "Bars are 95 % intervals, broken lines are thresholds, red marks are runs in which the "
        f"case is red, ▲ marks a worsening beyond both intervals. {UNDECIDED}{more}",
        "history",
        tuple(_panel(history, track) for track in drawn[:_MOST]),
        columns=min(2, len(drawn)),
    )


def _panel(history: History, track: Track) -> XYPanel:
    points = [(float(index), case) for index, case in track.measured]
    red = {float(index) for index, case in track.measured if case.verdict in RED}
    straight, varying = threshold_limits({None: points})
    values = [v for _, c in points for v in (c.value, c.threshold, *ends_of(c))]
    worse = {change.run for change in track.changes if change.worse}
    labels = history.labels
    apart = -(-len(labels) // _TICKS)
    free = (at for at in range(0, len(labels), apart) if all(abs(at - w) >= apart for w in worse))
    ticks = sorted({*free, *worse})
    y = value_axis(points[-1][1].metric, points[-1][1].unit, values, log=False)
    return XYPanel(
        title=f"{track.case_id} · {track.model}" if track.model else track.case_id,
        x=Axis(
            "Run", "", False, (-0.5, len(history.reports) - 0.5),
            tuple(float(tick) for tick in ticks),
            tuple(f"{labels[tick]}\n▲" if tick in worse else labels[tick] for tick in ticks),
        ),
        y=y,
        series=(
            series_of("value", "all", points, in_legend=False),
            series_of("red", "failed", [p for p in points if p[0] in red], mark="points"),
            *varying,
        ),
        limits=tuple(replace(limit, label="threshold") for limit in straight),
    )  # fmt: skip
