"""The first spec of a model repository: thresholds from what its model reaches today."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pytest_mlff import __version__
from pytest_mlff.cli.thresholds import threshold_lines, written

if TYPE_CHECKING:
    from pytest_mlff.cli.init_frames import Ground
    from pytest_mlff.reports.model import CaseRecord, Report

_LAWS: Final = """\
  - metric: rotation
    options: {examples: 5}
    thresholds:
      - max: 1
        unit: "1"
        provenance: &exact
          source: physical_limit
          reference: holds exactly in physics; the value is a multiple of the numerical tolerance
  - metric: force_consistency
    options: {examples: 3}
    thresholds:
      - {max: 1, unit: "1", provenance: *exact}
"""


def quoted(text: str) -> str:
    """Text as a YAML scalar in double quotes (JSON's strings are such)."""
    return json.dumps(text, ensure_ascii=False)


def spec_text(
    ground: Ground, title: str = "a draft", thresholds: dict[str, str] | None = None
) -> str:
    """A spec on these frames.

    ``thresholds`` holds the entries of each metric, as YAML; one without is reported and compared
    with the baseline. Without any, energies and forces are only measured.
    """
    cases = ""
    for metric in ground.metrics if thresholds is None else thresholds:
        cases += f"  - metric: {metric}\n"
        if metric == "force_mae":
            cases += "    species: [all, each]\n"
        limits = (thresholds or {}).get(metric)
        cases += f"    thresholds:\n{limits}" if limits else ""
    pooled = ", ".join(thresholds or ())
    head = [
        *(f"# {line}" for line in ground.comment),
        "schema_version: 1",
        f"title: {quoted(f'First check of {title}')}",
        f"source: {{paper: {quoted(ground.source)}, section: none}}",
        *ground.lines,
        *([f"pooled: [{pooled}]"] if len(ground.systems) > 1 and pooled else []),
        "cases:",
    ]
    return "\n".join(head) + f"\n{cases}{'' if thresholds is None else _LAWS}"


def first_spec(
    model: str,
    reports: Sequence[Report],
    ground: Ground,
    constants: Mapping[str, Mapping[str, float]],
    problem: str = "",
) -> tuple[str, list[str]]:
    """The spec, and what has to be said of it.

    Parameters
    ----------
    model : str
        Name for titles and provenance.
    reports : sequence of Report
        Runs of the draft: one, or one of each seed. Without any, the spec holds physical laws
        alone.
    ground : Ground
        The frames.
    constants : mapping of str to mapping of str to float
        System and metric to the error of a model that knows nothing.
    problem : str
        Why there is no report.

    Returns
    -------
    text : str
        YAML.
    remarks : list of str
        What was left out, and why.
    """
    cases = [case for case in reports[0].cases if case.value is not None] if reports else []
    measured = {case.variant for case in cases}
    kept = ground.only([name for name in ground.systems if name in measured])
    if not kept.systems:
        why = f"{model} could not be measured ({problem})"
        said = f"{why}: the spec holds physical laws alone, and there is no baseline"
        return spec_text(ground, model, {}), [said]
    remarks = [
        f"{model} does not support {name}, which is left out"
        for name in ground.systems
        if name not in measured
    ]
    known = {case.metric for case in cases}
    blind = set(_no_better_than_a_constant(cases, constants))
    done = "it has no threshold" if ground.own else "left out"
    remarks += [
        f"{metric}: no better than a constant on these frames, probably since the model was "
        f"trained on another level of theory; {done}"
        for metric in kept.metrics
        if metric in blind
    ]
    asked = [one for one in kept.metrics if one in known and (ground.own or one not in blind)]
    lines = list(threshold_lines(reports, _told(model, reports[0])))
    thresholds: dict[str, str] = {}
    anchored = ""
    for metric in asked:
        found = [line for line in lines if line.metric == metric and metric not in blind]
        thresholds[metric] = written(found, known=anchored)
        anchored = found[-1].provenance if found else anchored
    return spec_text(kept, model, thresholds), remarks


def _no_better_than_a_constant(
    cases: Sequence[CaseRecord], constants: Mapping[str, Mapping[str, float]]
) -> Iterator[str]:
    for case in cases:
        limit = constants.get(case.variant, {}).get(case.metric)
        if case.species is None and limit is not None and (case.value or 0.0) >= limit:
            yield case.metric


def _told(model: str, report: Report) -> str:
    digests = [one.digest for one in report.models if one.digest]
    which = f"{model} (sha256 {digests[0][:12]})" if digests else model
    return f"{which} on {datetime.now(UTC):%Y-%m-%d}, pytest-mlff {__version__}"
