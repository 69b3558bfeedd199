"""Figures of simulations: what is in each panel, drawn once, and a film that a page can play."""

from __future__ import annotations

import numpy as np
import pytest
from support.sample_reports import saibench_report

from pytest_mlff.metrics.pictures import Picture, curve, film_of
from pytest_mlff.reports.figures import Figure, figures_of
from pytest_mlff.reports.figures.description import XYPanel
from pytest_mlff.reports.html.case_data import case_data
from pytest_mlff.reports.model import CaseRecord, Report, VariantRecord

MODELS = ("good", "fair", "poor")
R = np.linspace(0.0, 5.0, 50)
TIME = np.linspace(0.0, 1.0, 11)


def case(
    model: str, variant: str, metric: str, unit: str, value: float, *shown: Picture
) -> CaseRecord:
    return CaseRecord(
        case_id=f"egraffbench/dynamics/{variant}/{metric}", suite="egraffbench", spec="dynamics",
        variant=variant, metric=metric, species=None, model=model, dataset="embedded", value=value,
        unit=unit, n_frames=10, n_atoms=90, ci_low=0.9 * value, ci_high=1.1 * value,
        threshold=None, threshold_provenance=None, baseline=None, regressed=None,
        verdict="reported", reason="", seconds=1.0, nodeid="x", evidence={}, pictures=list(shown),
        film=film_of(np.array([8, 1, 1]), np.zeros((400, 3, 3)), np.arange(400.0), None, "a film")
        if metric == "stability_time" else None,
    )  # fmt: skip


@pytest.fixture(scope="module")
def report() -> Report:
    cases = []
    for place, model in enumerate(MODELS):
        for number, variant in enumerate(("ethanol", "toluene")):
            g = np.exp(-((R - 1.5 - 0.1 * place) ** 2))
            known = np.exp(-((R - 1.5) ** 2))
            rdf = Picture(
                "rdf",
                (
                    curve("floor", R, known, 0.9 * known, 1.1 * known),
                    curve("reference", R, known),
                    curve("model", R, g),
                ),
                part="all",
                note="noise floor 0.1",
            )
            alive = np.linspace(1.0, 1.0 - 0.3 * place, 11)
            survival = Picture("survival", (curve("model", TIME, alive, 0.8 * alive, alive),))
            hot = Picture("temperature", (curve("model", TIME, 500 + TIME),), level=500.0)
            warning = Picture("warning", (curve("points", TIME[1:], TIME[1:]),), note="rank 1.00")
            step = 1 + place + 0.1 * number
            cases += [
                case(model, variant, "rdf_jsd", "1", 0.1, rdf),
                case(model, variant, "wright_factor", "%", 0.1, rdf),
                case(model, variant, "stability_time", "ps", 1.0 / step, survival),
                case(model, variant, "temperature_error", "K", 1.0, hot),
                case(model, variant, "force_violation", "1", 0.01 * step, warning),
                case(model, variant, "force_mae", "meV/Å", 10.0 * step),
            ]
    made = saibench_report(MODELS)
    variants = [
        VariantRecord(
            suite="egraffbench", spec="dynamics", variant=name, dataset="embedded", axes={},
            train_molecules=[], test_molecules=[name], train_window=None, test_window=[0.0, 100.0],
            n_train=None, n_test=10,
        )
        for name in ("ethanol", "toluene")
    ]  # fmt: skip
    return made.model_copy(update={"cases": cases, "variants": variants, "trainings": []})


@pytest.fixture(scope="module")
def figures(report: Report) -> dict[str, Figure]:
    return {figure.id: figure for figure in figures_of(report)}


def panel(figure: Figure, index: int = 0) -> XYPanel:
    found = figure.panels[index]
    assert isinstance(found, XYPanel)
    return found


def test_structure_stands_before_its_noise_floor(figures: dict[str, Figure]) -> None:
    assert len(figures["rdf"].panels) == 2  # a variant each, though two metrics show the curves
    series = panel(figures["rdf"]).series
    assert [one.label for one in series] == ["noise floor", "reference", *MODELS]
    assert (series[0].mark, series[1].dashed) == ("band", True)
    assert series[0].low[10] == pytest.approx(0.9 * series[1].y[10], rel=1e-4)
    assert "ethanol: noise floor 0.1; toluene: noise floor 0.1." in figures["rdf"].caption


def test_survival_is_drawn_in_steps_with_its_band(figures: dict[str, Figure]) -> None:
    shown = panel(figures["survival"])
    assert [(one.mark, one.steps) for one in shown.series[:2]] == [("band", True), ("line", True)]
    assert shown.series[-1].y[-1] == pytest.approx(0.4)
    assert {one.label for one in shown.series if one.in_legend} == set(MODELS)


def test_temperature_has_its_thermostat_and_a_warning_its_points(
    figures: dict[str, Figure],
) -> None:
    (limit,) = panel(figures["temperature"]).limits
    assert (limit.value, limit.label) == (500.0, "thermostat")
    assert {one.mark for one in panel(figures["warning"]).series} == {"points"}
    assert "rank 1.00" in figures["warning"].caption


def test_error_beside_stability_says_how_well_it_foretells(figures: dict[str, Figure]) -> None:
    figure = figures["error-beside-stability"]
    assert len(figure.panels) == 2
    assert "stability_time: -1.00 over 6 pairs" in figure.caption
    assert "force_violation: 1.00 over 6 pairs" in figure.caption


def test_with_two_models_nothing_is_correlated(report: Report) -> None:
    fewer = [one for one in report.cases if one.model != "poor"]
    ids = {one.id for one in figures_of(report.model_copy(update={"cases": fewer}))}
    assert "survival" in ids
    assert "error-beside-stability" not in ids


def test_figures_are_drawn(figures: dict[str, Figure]) -> None:
    pytest.importorskip("matplotlib")
    from pytest_mlff.reports.figures.static import render

    for name in ("rdf", "survival", "error-beside-stability"):
        assert b"<svg" in render(figures[name], "svg")


def test_a_film_is_small_and_goes_into_the_page(report: Report) -> None:
    again = Report.model_validate_json(report.model_dump_json())
    assert again == report
    films = case_data(again)["films"]
    assert len(films) == 6
    film = films[0]["film"]
    assert len(film["time_ps"]) == 200
    assert film["time_ps"][-1] == 399.0  # the end is kept
    assert len(film["positions"]) < 50_000
    assert film["view"] is not None
    broken = report.cases[2].film
    assert broken is not None
    report.cases[2].__dict__["film"] = type(broken)(broken.symbols, "abc", broken.time_ps, None, "")
    assert len(case_data(report)["films"]) == 5
