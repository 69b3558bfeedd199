"""Single facts of figures: marks, captions, thresholds, curves of losses."""

from __future__ import annotations

import pandas as pd
from scipy import stats
from support.sample_reports import SPECIES
from support.shown_figures import REPORT, figure, figures_of_two, table

from pytest_mlff.reports.figures.description import MatrixPanel, XYPanel
from pytest_mlff.reports.figures.static import drawing


def test_44_pairs() -> None:
    (panel,) = figure(REPORT, "cross-molecule").panels
    assert isinstance(panel, MatrixPanel)
    asked = [cell for cell in panel.cells if cell.value is not None or cell.lost]
    assert len(asked) == 44
    assert [cell.text for cell in asked if cell.value is None] == ["error"]


def test_blank_cells_say_why() -> None:
    (panel,) = figure(REPORT, "cross-molecule").panels
    assert isinstance(panel, MatrixPanel)
    for cell in panel.cells:
        row, column = panel.rows[cell.row], panel.columns[cell.column]
        known = {symbol for letter in row for symbol in SPECIES[letter]}
        if column in row:
            assert cell.reason == "trained on it"
        elif missing := [s for s in SPECIES[column] if s not in known]:
            assert cell.reason == f"{', '.join(missing)} not trained on"
        else:
            assert cell.value is not None or cell.lost


def test_cells_above_their_threshold_are_marked() -> None:
    (panel,) = figure(REPORT, "cross-molecule").panels
    assert isinstance(panel, MatrixPanel)
    marked = sum(cell.text.endswith("↑") for cell in panel.cells)
    cases = [c for c in REPORT.cases if c.spec == "cross_molecule" and c.metric == "force_mae"]
    assert marked == sum(c.verdict == "failed" for c in cases) > 0


def test_rank_correlation_is_scipys() -> None:
    caption = figure(REPORT, "similarity").caption
    for count in (1000, 15000):
        columns = []
        for metric in ("soap_similarity", "force_mae"):
            frame = table(REPORT, "time_extrapolation", metric).dropna(subset="value")
            frame = frame[frame.species.isna() & (frame.samples == count)]
            columns.append(frame.set_index("variant").value)
        joined = pd.concat(columns, axis=1, join="inner")
        rho = stats.spearmanr(joined.iloc[:, 0], joined.iloc[:, 1]).statistic
        assert f"n = {count}: {rho:.2f}".replace("-", "−") in caption
    assert "Windows overlap" in caption


def test_thresholds_stand_on_the_sample_figure() -> None:
    force, energy = figure(REPORT, "mae-vs-samples").panels
    assert isinstance(force, XYPanel)
    assert isinstance(energy, XYPanel)
    assert {limit.value: limit.label for limit in force.limits} == {
        60.0: "threshold 60 meV/Å (all atoms)",
        78.0: "threshold 78 meV/Å (C, H, O)",
    }
    assert [limit.value for limit in energy.limits] == [4.0]


def test_a_threshold_that_varies_becomes_a_line() -> None:
    cases = [
        c.model_copy(update={"threshold": 9.0})
        if c.case_id == "saibench/sample_efficiency/aspirin-n200/energy_mae" else c
        for c in REPORT.cases
    ]  # fmt: skip
    changed = REPORT.model_copy(update={"cases": cases})
    energy = figure(changed, "mae-vs-samples").panels[1]
    assert isinstance(energy, XYPanel)
    assert not energy.limits
    line = next(s for s in energy.series if s.dashed)
    assert dict(zip(line.x, line.y, strict=True))[200] == 9.0
    assert set(line.y[1:]) == {4.0}


def test_what_is_unsupported_is_said() -> None:
    shown = figure(REPORT, "mae-vs-samples")
    assert "1 of 7 unsupported (50000 frames asked for" in shown.caption
    for panel in shown.panels:
        assert isinstance(panel, XYPanel)
        assert [(blank.x, blank.text) for blank in panel.blanks] == [(50000, "unsupported")]
    assert "5 of 30 unsupported" in figure(REPORT, "windows").caption


def test_an_undecided_interval_is_marked_and_not_drawn() -> None:
    panel = figure(REPORT, "mae-vs-samples").panels[0]
    assert isinstance(panel, XYPanel)
    oxygen = next(series for series in panel.series if series.label == "O")
    assert [oxygen.x[index] for index in oxygen.undecided] == [800]
    assert all(not series.undecided for series in panel.series if series is not oxygen)


def test_a_rough_width_stands_in_for_an_undecided_interval() -> None:
    """With one the mark is hollow and has a thin bar; without a bar nothing is known."""
    cases = [
        case.model_copy(update={"evidence": {**case.evidence, "rough_half_width": 12.5}})
        if "undecided" in case.evidence
        else case
        for case in REPORT.cases
    ]
    rough = REPORT.model_copy(update={"cases": cases})
    for report, known in ((REPORT, False), (rough, True)):
        drawn = figure(report, "mae-vs-samples")
        panel = drawn.panels[0]
        assert isinstance(panel, XYPanel)
        oxygen = next(series for series in panel.series if series.label == "O")
        (index,) = oxygen.undecided
        assert oxygen.rough[index] == (12.5 if known else None)
        assert [half for k, half in enumerate(oxygen.rough) if k != index] == [None] * (
            len(oxygen.x) - 1
        )
        nodes = list(drawing(drawn).iter())
        styles = [node.get("style", "") for node in nodes]
        thin = [s for s in styles if "opacity: 0.6" in s and "width: 0.6" in s]
        assert bool(thin) is known


def test_a_law_is_not_called_undecided() -> None:
    (panel,) = figure(REPORT, "overview").panels
    assert isinstance(panel, XYPanel)
    law = next(s for s in panel.series if any("rotation" in text for text in s.hover))
    assert law.low == ()


def test_every_numeric_axis_has_a_unit() -> None:
    for shown in figures_of_two():
        for panel in shown.panels:
            assert panel.x.title
            assert panel.y.title
            if isinstance(panel, XYPanel):
                measured = panel.x if panel.horizontal else panel.y
                assert measured.unit


def test_loss_curves_are_the_points_of_the_trainings() -> None:
    panels = figure(REPORT, "loss-saibench-sample-efficiency").panels
    trainings = [t for t in REPORT.trainings if t.spec == "sample_efficiency"]
    for panel, kind in zip(panels, ("train_loss", "validation"), strict=True):
        assert isinstance(panel, XYPanel)
        found = {s.label: (s.x, s.y) for s in panel.series}
        assert found == {
            t.variant: (
                tuple(p.step for p in t.loss if getattr(p, kind) is not None),
                tuple(v for p in t.loss if (v := getattr(p, kind)) is not None),
            )
            for t in trainings
        }


def test_of_many_loss_curves_three_stand_out() -> None:
    panel = figure(REPORT, "loss-saibench-time-extrapolation").panels[1]
    assert isinstance(panel, XYPanel)
    assert len(panel.series) == 25
    last = {t.variant: t.loss[-1].validation for t in REPORT.trainings
            if t.spec == "time_extrapolation"}  # fmt: skip
    ordered = sorted(last, key=lambda variant: last[variant])
    named = {s.role: s.label for s in panel.series if s.role != "muted"}
    assert ordered[0] in named["best"]
    assert ordered[len(ordered) // 2] in named["typical"]
    assert ordered[-1] in named["worst"]


def test_a_value_of_zero_takes_the_log_axis_away() -> None:
    cases = [
        c.model_copy(update={"value": 0.0, "ci_low": 0.0})
        if c.case_id == "saibench/sample_efficiency/aspirin-n200/energy_mae" else c
        for c in REPORT.cases
    ]  # fmt: skip
    shown = figure(REPORT.model_copy(update={"cases": cases}), "mae-vs-samples")
    assert "Both axes are logarithmic" in figure(REPORT, "mae-vs-samples").caption
    assert "Both axes are logarithmic" not in shown.caption
    energy = shown.panels[1]
    assert isinstance(energy, XYPanel)
    assert not energy.y.log
    assert energy.series[0].y[0] == 0.0
