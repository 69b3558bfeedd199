"""What figures show equals what pandas and numpy make of the report's cases; their mutants."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from support.sample_reports import LETTERS, TRAIN_SETS, many_cases, saibench_report
from support.shown_figures import REPORT, figure, table

from pytest_mlff.reports.figures.description import MatrixPanel, WindowPanel, XYPanel

if TYPE_CHECKING:
    from pytest_mlff.reports.figures import Figure
    from pytest_mlff.reports.model import Report


def check_samples(shown: Figure, report: Report) -> None:
    panel = shown.panels[0]
    assert isinstance(panel, XYPanel)
    assert panel.x.log
    assert panel.y.log
    assert (panel.x.title, panel.y.title) == ("Training samples (frames)", "Force MAE (meV/Å)")
    frame = table(report, "sample_efficiency").dropna(subset="value").sort_values("samples")
    assert [series.label for series in panel.series] == ["all atoms", "C", "H", "O"]
    for series in panel.series:
        symbol = frame.species.isna() if series.label == "all atoms" else frame.species.eq(
            series.label
        )  # fmt: skip
        rows = frame[symbol]
        assert list(series.x) == rows.samples.tolist()
        assert list(series.y) == rows.value.tolist()
        assert [np.nan if v is None else v for v in series.low] == pytest.approx(
            rows.ci_low.tolist(), nan_ok=True
        )
        assert [np.nan if v is None else v for v in series.high] == pytest.approx(
            rows.ci_high.tolist(), nan_ok=True
        )


def check_windows(shown: Figure, report: Report) -> None:
    frame = table(report, "time_extrapolation")
    frame = frame[frame.species.isna()]
    counts = sorted(frame.samples.unique())
    assert [panel.title for panel in shown.panels] == [f"n = {count}" for count in counts]
    for panel, count in zip(shown.panels, counts, strict=True):
        assert isinstance(panel, WindowPanel)
        rows = frame[frame.samples == count]
        known = rows.dropna(subset="value").sort_values("value")
        expected = list(zip(known.start, known.start + known["size"], known.value, strict=True))
        measured = [bar for bar in panel.bars if bar.value is not None]
        assert [(b.begin, b.end, b.value) for b in measured] == expected
        assert panel.bars[: len(measured)] == tuple(measured)
        assert len(panel.bars) == len(rows)
        assert {bar.text for bar in panel.bars[len(measured) :]} <= {"unsupported"}
        assert panel.test == (90.0, 100.0)
        ends = [*known.value, *known.ci_low.dropna(), *known.ci_high.dropna()]
        assert (panel.colour.low, panel.colour.high) == (min(ends), max(ends))


def check_grouped(shown: Figure, report: Report, by: str) -> None:
    other = "start" if by == "size" else "size"
    frame = table(report, "time_extrapolation").dropna(subset="value")
    frame = frame[frame.species.isna()]
    panel = shown.panels[0]
    assert isinstance(panel, XYPanel)
    places = sorted(table(report, "time_extrapolation")[by].unique())
    assert list(panel.x.categories) == [str(place) for place in places]
    for series in panel.series:
        if series.mark == "tick":
            count = int(series.label.rpartition(" ")[2])
            means = frame[frame.samples == count].groupby(by).value.mean()
            found = {places[round(x)]: y for x, y in zip(series.x, series.y, strict=True)}
            assert found == pytest.approx(means.to_dict())
            continue
        rows = frame[frame.samples == int(series.label.rpartition(" ")[2])]
        rows = rows.sort_values([by, other])
        assert [places[round(x)] for x in series.x] == rows[by].tolist()
        assert list(series.y) == rows.value.tolist()


def check_similarity(shown: Figure, report: Report) -> None:
    for row, count in enumerate((1000, 15000)):
        for column, metric in enumerate(("soap_similarity", "force_mae")):
            panel = shown.panels[2 * row + column]
            assert isinstance(panel, XYPanel)
            frame = table(report, "time_extrapolation", metric).dropna(subset="value")
            frame = frame[frame.species.isna() & (frame.samples == count)]
            found = {
                (int(series.label.split()[1]), x): y
                for series in panel.series
                for x, y in zip(series.x, series.y, strict=True)
            }
            drawn = frame.set_index(["size", "start"]).value
            assert found == (1 - drawn if metric == "soap_similarity" else drawn).to_dict()


def check_cross(shown: Figure, report: Report) -> None:
    (panel,) = shown.panels
    assert isinstance(panel, MatrixPanel)
    frame = table(report, "cross_molecule")
    frame = frame[frame.species.isna()]
    expected = frame.pivot(index="train_set", columns="test_molecule", values="value")
    assert panel.rows == TRAIN_SETS
    assert list(panel.columns) == list(LETTERS)
    assert len(panel.cells) == 15 * 7
    for cell in panel.cells:
        row, column = panel.rows[cell.row], panel.columns[cell.column]
        value = expected[column].get(row) if column in expected else None
        if value is None or np.isnan(value):
            assert cell.value is None
            assert cell.reason
        else:
            assert cell.value == value
    belongs = {(panel.rows[r], panel.members[c]) for r, c in panel.belongs}
    assert belongs == {(row, letter) for row in TRAIN_SETS for letter in row}


def check_overview(shown: Figure, report: Report) -> None:
    (panel,) = shown.panels
    assert isinstance(panel, XYPanel)
    cases = pd.DataFrame([case.model_dump() for case in report.cases])
    cases = cases[(cases.threshold > 0) & (cases.value > 0)]
    ratio = (cases.value / cases.threshold).sort_values(ascending=False)
    points = sorted(
        (y, x) for series in panel.series for x, y in zip(series.x, series.y, strict=True)
    )
    drawn = [x for _, x in reversed(points)]
    assert drawn == pytest.approx(ratio.head(30).tolist(), rel=1e-12)
    labels = [cases.case_id[index].split("/", 1)[1] for index in ratio.head(30).index]
    assert list(panel.y.categories) == labels


CHECKS = {
    "mae-vs-samples": check_samples,
    "windows": check_windows,
    "mae-by-size": lambda shown, report: check_grouped(shown, report, "size"),
    "mae-by-start": lambda shown, report: check_grouped(shown, report, "start"),
    "similarity": check_similarity,
    "cross-molecule": check_cross,
    "overview": check_overview,
}


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("seed", [0, 7])
def test_a_figure_shows_the_cases(name: str, seed: int) -> None:
    report = saibench_report(seed=seed)
    CHECKS[name](figure(report, name), report)


def _swapped(panel: XYPanel) -> XYPanel:
    series = tuple(dataclasses.replace(s, x=s.y, y=s.x) for s in panel.series)
    return dataclasses.replace(panel, series=series)


def _mixed_labels(panel: XYPanel) -> XYPanel:
    labels = [s.label for s in panel.series]
    series = tuple(
        dataclasses.replace(s, label=label)
        for s, label in zip(panel.series, labels[1:] + labels[:1], strict=True)
    )
    return dataclasses.replace(panel, series=series)


def _no_intervals_swapped(panel: XYPanel) -> XYPanel:
    series = tuple(dataclasses.replace(s, low=s.high, high=s.low) for s in panel.series)
    return dataclasses.replace(panel, series=series)


def _unsorted(panel: WindowPanel) -> WindowPanel:
    return dataclasses.replace(panel, bars=tuple(reversed(panel.bars)))


def _shifted_window(panel: WindowPanel) -> WindowPanel:
    bars = (dataclasses.replace(panel.bars[0], begin=5.0), *panel.bars[1:])
    return dataclasses.replace(panel, bars=bars)


def _transposed(panel: MatrixPanel) -> MatrixPanel:
    cells = tuple(
        dataclasses.replace(c, row=c.column, column=c.row) if c.row < 7 else c for c in panel.cells
    )
    return dataclasses.replace(panel, cells=cells)


def _lost_dot(panel: MatrixPanel) -> MatrixPanel:
    return dataclasses.replace(panel, belongs=panel.belongs - {(0, 5)})


def _shifted_groups(panel: XYPanel) -> XYPanel:
    series = tuple(dataclasses.replace(s, x=tuple(x + 1 for x in s.x[:-1]) + s.x[-1:])
                   for s in panel.series)  # fmt: skip
    return dataclasses.replace(panel, series=series)


@pytest.mark.parametrize(
    "name, mutate",
    [
        ("mae-vs-samples", _swapped),
        ("mae-vs-samples", _mixed_labels),
        ("mae-vs-samples", _no_intervals_swapped),
        ("windows", _unsorted),
        ("windows", _shifted_window),
        ("mae-by-size", _shifted_groups),
        ("mae-by-start", _shifted_groups),
        ("mae-by-start", _mixed_labels),
        ("similarity", _swapped),
        ("similarity", _mixed_labels),
        ("cross-molecule", _transposed),
        ("cross-molecule", _lost_dot),
        ("overview", _swapped),
    ],
)
def test_a_mutant_is_caught(name: str, mutate) -> None:
    shown = figure(REPORT, name)
    CHECKS[name](shown, REPORT)
    wrong = dataclasses.replace(shown, panels=(mutate(shown.panels[0]), *shown.panels[1:]))
    with pytest.raises((AssertionError, KeyError, IndexError)):
        CHECKS[name](wrong, REPORT)


def test_size_and_start_are_not_mixed_up() -> None:
    with pytest.raises(AssertionError):
        check_grouped(figure(REPORT, "mae-by-size"), REPORT, "start")


def test_many_cases_are_cut_to_the_worst() -> None:
    report = many_cases(5000)
    shown = figure(report, "overview")
    check_overview(shown, report)
    assert "The 30 worst of" in shown.caption
    assert "100 unsupported" in shown.caption
