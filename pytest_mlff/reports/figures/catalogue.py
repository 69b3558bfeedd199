"""All figures that a report has data for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_mlff.reports.figures.cross import cross_molecule_chart
from pytest_mlff.reports.figures.data_cost import error_against_cost
from pytest_mlff.reports.figures.dynamics import dynamics_figures, error_beside_stability
from pytest_mlff.reports.figures.errors import error_figures
from pytest_mlff.reports.figures.grouped import grouped_windows
from pytest_mlff.reports.figures.loss import loss_curves
from pytest_mlff.reports.figures.models import model_comparison
from pytest_mlff.reports.figures.overview import threshold_overview
from pytest_mlff.reports.figures.rows import groups_of, models_of
from pytest_mlff.reports.figures.samples import mae_vs_samples
from pytest_mlff.reports.figures.similarity import similarities_beside_errors
from pytest_mlff.reports.figures.windows import window_chart

if TYPE_CHECKING:
    from pytest_mlff.reports.figures.description import Figure
    from pytest_mlff.reports.figures.rows import SpecRows
    from pytest_mlff.reports.model import Report, SpreadRecord, TrainingRecord


@dataclass(frozen=True)
class _Draft:
    """A figure and what tells it from others of its kind."""

    figure: Figure
    spec: str = ""
    fixed: str = ""
    model: str = ""


def figures_of(report: Report) -> list[Figure]:
    """Figures of a report, with ids that differ, the overview first; only those it has data for."""
    groups, models = groups_of(report), models_of(report)
    drafts = [
        _Draft(figure)
        for figure in (
            threshold_overview(report),
            model_comparison(groups, models),
            error_beside_stability(groups, models),
        )
        if figure is not None
    ]
    for group in groups:
        drafts += [_Draft(figure, group.name) for figure in dynamics_figures(group, models)]
        for model in models or (None,):
            drafts += _of_group(group, model)
    drafts += _errors(report.spreads)
    drafts += _losses(report.trainings)
    return _named(drafts)


def _of_group(group: SpecRows, model: str | None) -> Iterator[_Draft]:
    if (costs := error_against_cost(group, model)) is not None:
        yield _Draft(costs, group.name, "", model or "")
    if group.has_roles("train_start", "train_end"):
        for fixed, part in group.split("train_start", "train_end", "train_count"):
            for figure in (
                window_chart(part, model),
                grouped_windows(part, model, "size"),
                grouped_windows(part, model, "start"),
                *similarities_beside_errors(part, model),
            ):
                if figure is not None:
                    yield _Draft(figure, group.name, fixed, model or "")
    elif group.has_roles("train_systems", "test_systems") and (
        group.axis("train_systems") != group.axis("test_systems")
    ):
        for fixed, part in group.split("train_systems", "test_systems"):
            if (figure := cross_molecule_chart(part, model)) is not None:
                yield _Draft(figure, group.name, fixed, model or "")
    elif group.has_roles("train_count"):
        for fixed, part in group.split("train_count"):
            if (figure := mae_vs_samples(part, model)) is not None:
                yield _Draft(figure, group.name, fixed, model or "")


def _errors(spreads: Sequence[SpreadRecord]) -> Iterator[_Draft]:
    parts: dict[tuple[str, str], list[SpreadRecord]] = {}
    for one in spreads:
        parts.setdefault((f"{one.suite}/{one.spec}", one.model), []).append(one)
    for (spec, model), found in parts.items():
        for figure in error_figures(found):
            yield _Draft(figure, spec, "", model)


def _losses(trainings: Sequence[TrainingRecord]) -> Iterator[_Draft]:
    parts: dict[tuple[str, str], list[TrainingRecord]] = {}
    for one in trainings:
        parts.setdefault((f"{one.suite}/{one.spec}", one.model), []).append(one)
    for (spec, model), found in parts.items():
        if (figure := loss_curves(found)) is not None:
            yield _Draft(figure, spec, "", model)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _named(drafts: Sequence[_Draft]) -> list[Figure]:
    """Ids and titles with as much context as tells figures of one kind apart."""
    figures: list[Figure] = []
    taken: set[str] = set()
    for draft in drafts:
        alike = [d for d in drafts if d.figure.id == draft.figure.id]
        telling = [
            text
            for key in ("spec", "fixed", "model")
            if (text := getattr(draft, key)) and len({getattr(d, key) for d in alike}) > 1
        ]
        base = "-".join([draft.figure.id, *filter(None, map(_slug, telling))])
        name, count = base, 1
        while name in taken:
            count += 1
            name = f"{base}-{count}"
        taken.add(name)
        context = [text for text in (draft.spec, draft.fixed, draft.model) if text]
        figures.append(
            replace(
                draft.figure,
                id=name,
                title=": ".join([draft.figure.title, *([", ".join(telling)] if telling else [])]),
                caption=draft.figure.caption + (f" ({'; '.join(context)}.)" if context else ""),
            )
        )
    return figures
