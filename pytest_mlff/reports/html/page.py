"""The HTML report: one file that holds everything and asks nobody for anything."""

from __future__ import annotations

from collections import Counter
from importlib import import_module, resources
from typing import TYPE_CHECKING, Any, Final

from pytest_mlff.errors import needing
from pytest_mlff.reports.comparison import comparison_of
from pytest_mlff.reports.headline import ORDER, headline_of, severity, tally_by_model
from pytest_mlff.reports.html.case_data import case_data
from pytest_mlff.reports.html.embed import checked_script, policy, script_json
from pytest_mlff.reports.html.loss_curves import draw_loss
from pytest_mlff.reports.html.plots import plots_of
from pytest_mlff.reports.html.wording import (
    breakable,
    duration,
    frames_of,
    identity,
    instant,
    percent_window,
    short_digest,
)
from pytest_mlff.reports.terminal import measurement
from pytest_mlff.units import in_unit

if TYPE_CHECKING:
    import jinja2

    from pytest_mlff.reports.model import CaseRecord, Report

_SCRIPTS: Final = (
    "common.js", "theme.js", "cases.js", "molecule.js", "details.js", "film.js", "plots.js",
    "start.js",
)  # fmt: skip
_STYLES: Final = ("page.css", "cases.css", "details.css", "print.css")
_NOSCRIPT_ROWS: Final = 200
"""Rows of the plain table that stands in where scripts do not run."""


def require_html() -> None:
    """Check that the HTML report can be written, before a long run rather than after it.

    Raises
    ------
    MissingExtraError
        If jinja2 or matplotlib is not installed.
    """
    # Whether there will be figures, nobody knows beforehand.
    for library in ("jinja2", "matplotlib"):
        _require(library)


def _require(library: str) -> None:
    with needing("the HTML report", library, "report"):
        import_module(library)


def render_html(report: Report) -> str:
    """The report as one self-contained HTML page, without a single address to fetch from.

    Its content security policy lets a browser run its own scripts, known by digest, and nothing
    else.

    Raises
    ------
    MissingExtraError
        If jinja2 is not installed, or matplotlib where there are figures.
    """
    _require("jinja2")
    plots = plots_of(report)
    # In the head, so that no page is painted in the colours it then leaves.
    early = checked_script(_asset("early.js"))
    script = checked_script("\n".join(_asset(name) for name in _SCRIPTS))
    counts = Counter(case.verdict for case in report.cases)
    records = {model.name: model for model in report.models}
    return environment().get_template("report.html.jinja").render(
        report=report,
        run=report.run,
        headline=headline_of(report),
        comparison=comparison_of(report),
        counts=[(name, counts[name]) for name in ORDER if counts[name]],
        tallies=[
            (one.model, records.get(one.model or ""), one.counts) for one in tally_by_model(report)
        ],
        order=ORDER,
        specs=list(dict.fromkeys(f"{case.suite}/{case.spec}" for case in report.cases)),
        models=list(dict.fromkeys(case.model for case in report.cases)),
        failures=_failures(report.cases),
        most_failures=_NOSCRIPT_ROWS,
        variants=sorted(report.variants, key=lambda one: one.unsupported is None),
        trainings=[(one, draw_loss(one)) for one in report.trainings],
        plots=plots,
        films=any(case.film for case in report.cases),
        data=script_json(case_data(report)),
        early=early,
        script=script,
        styles=stylesheet(),
        policy=policy([early, script]),
    )  # fmt: skip


def _failures(cases: list[CaseRecord]) -> list[CaseRecord]:
    return sorted((case for case in cases if case.verdict != "passed"), key=severity)


def _asset(name: str) -> str:
    folder = resources.files("pytest_mlff.reports.html") / "templates"
    return (folder / name).read_text(encoding="utf-8")


def stylesheet() -> str:
    """The style of every page."""
    return "\n".join(_asset(name) for name in _STYLES)


def environment() -> jinja2.Environment:
    """Templates of pages, which escape what they are given."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_asset),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {
        "measurement": measurement, "in_unit": in_unit, "duration": duration,
        "instant": instant, "window": percent_window, "identity": identity,
        "short_digest": short_digest, "frames": frames_of, "breakable": breakable,
    }  # fmt: skip
    environment.filters.update(filters)
    return environment
