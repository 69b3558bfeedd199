"""What figures show equals what pandas and numpy make of the report's cases."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.sample_reports import LETTERS, SPECIES, TRAIN_SETS, many_cases, saibench_report

from pytest_mlff.reports.figures import Figure, figures_of
from pytest_mlff.reports.figures.description import MatrixPanel, WindowPanel, XYPanel
from pytest_mlff.reports.figures.static import drawing

if TYPE_CHECKING:
    from pytest_mlff.reports.model import Report

REPORT = saibench_report()
TWO = saibench_report(("one", "two"))


@functools.cache
def figures_of_one() -> dict[str, Figure]:
    return {shown.id: shown for shown in figures_of(REPORT)}


@functools.cache
def figures_of_two() -> tuple[Figure, ...]:
    return tuple(figures_of(TWO))


def table(report: Report, spec: str, metric: str = "force_mae") -> pd.DataFrame:
    """Cases of a spec with the axes of their variants as columns."""
    cases = pd.DataFrame([case.model_dump() for case in report.cases])
    axes = pd.DataFrame([{"variant": v.variant, "spec": v.spec, **v.axes} for v in report.variants])
    axes = (
        axes[axes.spec == spec]
        .dropna(axis="columns")
        .convert_dtypes(convert_string=False, convert_floating=False)
    )
    return cases[cases.metric == metric].merge(axes, on=["variant", "spec"])


SPECS = {
    "mae-vs-samples": "sample_efficiency",
    "cross-molecule": "cross_molecule",
    "overview": "none",
    "loss-saibench-sample-efficiency": "none",
    "loss-saibench-time-extrapolation": "none",
}


def figure(report: Report, name: str) -> Figure:
    """The figure of this id, made without the variants of other specs to save time."""
    if report is REPORT:
        return figures_of_one()[name]
    spec = SPECS.get(name, "time_extrapolation")
    kept = [variant for variant in report.variants if variant.spec == spec]
    part = report.model_copy(update={"variants": kept})
    return next(found for found in figures_of(part) if found.id == name)


def without(report: Report, **fields: object) -> Report:
    """The report less the cases that have these values."""
    kept = [c for c in report.cases if any(getattr(c, k) != v for k, v in fields.items())]
    return report.model_copy(update={"cases": kept})


# --- checks that a wrong figure must not pass ------------------------------------------------


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


# --- mutants: each check must catch a figure that is wrong ----------------------------------


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


# --- single facts ---------------------------------------------------------------------------


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


# --- reports of every shape -----------------------------------------------------------------


def test_nothing_measured_makes_no_figure() -> None:
    bare = REPORT.model_copy(update={"cases": [], "variants": [], "trainings": [], "models": []})
    assert figures_of(bare) == []
    assert figures_of(REPORT.model_copy(update={"cases": [], "trainings": []})) == []


def test_values_that_are_all_null_make_no_figure() -> None:
    lost = [
        c.model_copy(update={"value": None, "ci_low": None, "ci_high": None, "verdict": "error"})
        for c in REPORT.cases
    ]
    report = REPORT.model_copy(update={"cases": lost, "trainings": []})
    assert figures_of(report) == []


def test_without_species_one_line_is_left() -> None:
    cases = [c for c in REPORT.cases if c.species is None]
    panel = figure(REPORT.model_copy(update={"cases": cases}), "mae-vs-samples").panels[0]
    assert isinstance(panel, XYPanel)
    assert [series.label for series in panel.series] == ["all atoms"]


def test_without_similarity_that_figure_alone_is_missing() -> None:
    every = set(figures_of_one())
    left = {f.id for f in figures_of(without(REPORT, metric="soap_similarity"))}
    assert every - left == {"similarity"}


def test_without_forces_energies_take_their_place() -> None:
    cases = [c for c in REPORT.cases if c.metric != "force_mae"]
    report = REPORT.model_copy(update={"cases": cases})
    panel = figure(report, "windows").panels[0]
    assert isinstance(panel, WindowPanel)
    assert panel.colour.title == "Energy MAE (meV/atom)"
    (only,) = figure(report, "mae-vs-samples").panels
    assert only.y.title == "Energy MAE (meV/atom)"


def test_cases_of_unknown_variants_are_left_out() -> None:
    report = REPORT.model_copy(update={"variants": []})
    assert {f.kind for f in figures_of(report)} == {"overview", "loss"}


def test_several_models_have_figures_of_their_own() -> None:
    made = {f.id: f for f in figures_of_two()}
    assert len(made) == len(figures_of_two())
    assert {"windows-one", "windows-two", "models"} <= set(made)
    shown = made["windows-two"].panels[0]
    assert isinstance(shown, WindowPanel)
    frame = table(TWO, "time_extrapolation")
    rows = frame[frame.species.isna() & (frame.model == "two") & (frame.samples == 1000)]
    assert [bar.value for bar in shown.bars] == sorted(rows.value)


def test_models_are_compared_on_what_all_have() -> None:
    force = next(f for f in figures_of_two() if f.id == "models").panels[0]
    assert isinstance(force, XYPanel)
    frames = [table(TWO, spec) for spec in
              ("sample_efficiency", "time_extrapolation", "cross_molecule")]  # fmt: skip
    # The first model has an error on one pair, so that the pair is shown for neither.
    expected = []
    for frame in frames:
        wide = frame[frame.species.isna()].pivot(index="variant", columns="model", values="value")
        expected.append(wide.dropna())
    assert [int(label.split("(")[1][:-1]) for label in force.x.categories] == [
        len(wide) for wide in expected
    ]
    assert len(expected[2]) == 43
    for model in ("one", "two"):
        points = next(s for s in force.series if s.label == model)
        assert sorted(points.y) == pytest.approx(
            sorted(value for wide in expected for value in wide[model])
        )
        means = next(s for s in force.series if s.label == f"mean of {model}")
        assert means.y == pytest.approx([stats.gmean(wide[model]) for wide in expected])


def test_names_that_fold_into_one_slug_still_differ() -> None:
    report = saibench_report(("Model A", "model-a"))
    kept = [variant for variant in report.variants if variant.spec == "sample_efficiency"]
    names = [f.id for f in figures_of(report.model_copy(update={"variants": kept}))]
    assert {"mae-vs-samples-model-a", "mae-vs-samples-model-a-2"} <= set(names)
    assert len(names) == len(set(names))


@pytest.mark.parametrize("seed", range(6))
def test_any_part_of_a_report_can_be_shown(seed: int) -> None:
    """Cases, variants, species, intervals and thresholds go missing at random."""
    rng = np.random.default_rng(seed)
    keep = rng.choice([0.1, 0.4, 0.8])
    cases = []
    for case in TWO.cases:
        fate = rng.random()
        if fate < keep:
            cases.append(case)
        elif fate < keep + 0.1:
            lost = {"value": None, "ci_low": None, "ci_high": None, "verdict": "error"}
            cases.append(case.model_copy(update=lost))
        elif fate < keep + 0.15:
            cases.append(case.model_copy(update={"ci_low": None, "threshold": None}))
        elif fate < keep + 0.2 and case.value is not None:
            cases.append(case.model_copy(update={"ci_low": -1.0}))
    variants = [variant for variant in TWO.variants if rng.random() < 0.7]
    report = TWO.model_copy(update={"cases": cases, "variants": variants})
    values = {case.value for case in cases}
    for shown in figures_of(report):
        assert shown.panels
        if seed == 0 and not shown.id.endswith("-two"):
            assert len(drawing(shown))  # all of them would take minutes
        for panel in shown.panels:
            if isinstance(panel, WindowPanel):
                assert {bar.value for bar in panel.bars} <= values | {None}
            if isinstance(panel, MatrixPanel):
                assert {cell.value for cell in panel.cells} <= values | {None}


def test_many_cases_are_cut_to_the_worst() -> None:
    report = many_cases(5000)
    shown = figure(report, "overview")
    check_overview(shown, report)
    assert "The 30 worst of" in shown.caption
    assert "100 unsupported" in shown.caption


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


OTHER_NAMES = {
    "start": "begin", "size": "width", "samples": "n", "train_set": "seen", "test_molecule": "new",
}  # fmt: skip


def _renamed(report: Report, *, roles: bool) -> Report:
    """The same report with other names of its axes; the mutant without their roles."""
    variants = [
        one.model_copy(
            update={
                "axes": {OTHER_NAMES.get(key, key): value for key, value in one.axes.items()},
                "roles": {role: OTHER_NAMES[axis] for role, axis in one.roles.items()}
                if roles
                else {},
            }
        )
        for one in report.variants
    ]
    return report.model_copy(update={"variants": variants})


def test_figures_follow_the_roles_of_axes_and_not_their_names() -> None:
    shown = [one.id for one in figures_of(_renamed(REPORT, roles=True))]
    assert shown == list(figures_of_one())
    assert {"windows", "mae-by-size", "similarity", "cross-molecule", "mae-vs-samples"} <= {*shown}
    names = _renamed(REPORT, roles=False)
    assert [one.id for one in figures_of(names) if not one.id.startswith("loss")] == ["overview"]
