"""Figures of reports of every shape: parts missing, several models, other names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats
from support.sample_reports import saibench_report
from support.shown_figures import REPORT, TWO, figure, figures_of_one, figures_of_two, table

from pytest_mlff.reports.figures import figures_of
from pytest_mlff.reports.figures.description import MatrixPanel, WindowPanel, XYPanel
from pytest_mlff.reports.figures.static import drawing

if TYPE_CHECKING:
    from pytest_mlff.reports.model import Report


def without(report: Report, **fields: object) -> Report:
    """The report less the cases that have these values."""
    kept = [c for c in report.cases if any(getattr(c, k) != v for k, v in fields.items())]
    return report.model_copy(update={"cases": kept})


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
