"""The page of ``mlff compare --html``: rankings by dataset and metric, agreement, cost."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlff.errors import MlffError
from pytest_mlff.reports.figures.rankings import ranking_figure
from pytest_mlff.reports.html.embed import policy
from pytest_mlff.reports.html.page import environment, require_html, stylesheet
from pytest_mlff.reports.html.plots import plot_of

if TYPE_CHECKING:
    from pytest_mlff.reports.model import Report
    from pytest_mlff.reports.rankings import Rankings


def read_costs(path: Path) -> dict[str, dict[str, float]]:
    """Costs of models from a JSON file: model to what is counted (with its unit) to a number.

    Raises
    ------
    MlffError
        If the file is not readable or holds something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MlffError(f"{path}: no file of costs ({error})") from error
    rows = found.items() if isinstance(found, dict) else ()
    if not rows:
        raise MlffError(f"{path}: must map models to costs, such as {{'A': {{'ms a step': 3}}}}")
    for model, row in rows:
        for name, value in row.items() if isinstance(row, dict) else ((model, None),):
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise MlffError(f"{path}: {model}: {name} must be a number")
            if not math.isfinite(value):
                raise MlffError(f"{path}: {model}: {name} is {value}")
    return dict(found)


def render_rankings(
    found: Rankings,
    reports: Sequence[Report],
    costs: Mapping[str, Mapping[str, float]] | None = None,
) -> str:
    """One self-contained page without scripts.

    Raises
    ------
    MissingExtraError
        If jinja2 or matplotlib is not installed.
    """
    require_html()
    drawn = (
        ranking_figure(found.tables, metric)
        for metric in dict.fromkeys(table.metric for table in found.tables)
    )
    plots = [plot_of(one) for one in drawn if one]
    models = {model.name: model for report in reports for model in report.models}
    page = environment().get_template("rankings.html.jinja")
    return page.render(
        found=found,
        models=list(models.values()),
        costs=costs,
        columns=list(dict.fromkeys(name for row in (costs or {}).values() for name in row)),
        plots=plots,
        styles=stylesheet(),
        policy=policy([]),
    )
