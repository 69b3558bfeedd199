"""Training windows on the trajectory, sorted by error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlff.reports.figures.description import Axis, Bar, Figure, WindowPanel
from pytest_mlff.reports.figures.points import first_metric, hover_of, metric_labels, missing_text
from pytest_mlff.reports.figures.scales import colour_scale, ends_of, with_interval

if TYPE_CHECKING:
    from pytest_mlff.reports.figures.rows import SpecRows
    from pytest_mlff.reports.model import VariantRecord


def by_samples(group: SpecRows) -> list[tuple[str, SpecRows]]:
    """Subgroups of one number of samples each, ascending, with a label for titles."""
    counts = sorted({n for v in group.variants if (n := group.count(v)) is not None})
    if not counts:
        return [("", group)]
    return [(f"n = {count:.0f}", group.of_count(count)) for count in counts]


def window_chart(group: SpecRows, model: str | None) -> Figure | None:
    """Windows as bars over the trajectory, best on top, coloured by force MAE.

    SAIBench-MLFF (Li et al.), time extrapolation. None where no window has a value.
    """
    metric = first_metric(group, model)
    drawn = [v for v in group.variants if v.train_window and len(v.train_window) == 2]
    cases = [c for v in drawn if metric and (c := group.measured(v, metric, None, model))]
    if metric is None or not cases:
        return None
    panels = (
        _panel(title, part.where(lambda v: v in drawn), model, metric)
        for title, part in by_samples(group)
    )
    made = tuple(panel for panel in panels if panel is not None)
    return Figure(
        "windows",
        "Training windows, sorted by error",
        "Each bar is the stretch of the trajectory that a model was trained on; the shaded "
        f"stretch is the test. Colour and number: {metric_labels()[metric]} over all atoms in "
        f"{cases[0].unit} with its 95 % interval, smallest on top; the colours span "
        "values and intervals." + missing_text(group, drawn, metric, model),
        "windows",
        made,
        columns=min(2, len(made)),
    )


def _panel(title: str, group: SpecRows, model: str | None, metric: str) -> WindowPanel | None:
    measured = [c for v in group.variants if (c := group.measured(v, metric, None, model))]
    if not measured:
        return None

    def bar(variant: VariantRecord) -> Bar:
        begin, end = variant.train_window or (0.0, 0.0)
        label = f"{begin:g}–{end:g} %"
        case = group.case(variant, metric, None, model)
        if case is None or case.value is None:
            kind = "unsupported" if variant.unsupported else case.verdict if case else "not run"
            reason = variant.unsupported or (case.reason if case else "not run")
            return Bar(label, begin, end, None, kind, f"{variant.variant}: {reason}")
        return Bar(label, begin, end, case.value, with_interval(case), hover_of(case))

    bars = sorted(
        map(bar, group.variants),
        key=lambda b: (b.value is None, 0.0 if b.value is None else b.value, b.begin, b.end),
    )
    test = next((v.test_window for v in group.variants if len(v.test_window) == 2), [0.0, 0.0])
    return WindowPanel(
        title=title,
        # Room on the right for the numbers.
        x=Axis(
            "Trajectory", "% of the frames", limits=(0.0, 100.0), ticks=(0, 20, 40, 60, 80, 100)
        ),
        y=Axis("Training window, best on top", ""),
        bars=tuple(bars),
        test=(test[0], test[1]),
        # Each n has its own scale: on a common one the differences between windows would fade. It
        # spans the intervals, so that what they do not tell apart has nearly one colour.
        colour=colour_scale(
            metric_labels()[metric],
            measured[0].unit,
            [v for c in measured for v in (c.value, *ends_of(c)) if v is not None],
        ),
    )
