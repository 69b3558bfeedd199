"""Thresholds with provenance from what models reach: ``mlff specs thresholds``, ``mlff init``."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

import yaml

from pytest_mlff.errors import MlffError
from pytest_mlff.metrics.registry import metrics

if TYPE_CHECKING:
    from pytest_mlff.reports.model import CaseRecord, Report
    from pytest_mlff.specs.operations import Scalar

ALLOWANCE: Final = 1.3
"""Of a single model: what another training seed may be worse by, and more."""
_SMALLEST: Final = 0.001
_ALL: Final = "all"


@dataclass(frozen=True)
class Line:
    """One threshold of ``<suite>/<spec>``: where on the axes and for what it holds, from what."""

    spec: str
    metric: str
    axes: tuple[tuple[str, Scalar], ...]
    species: str
    maximum: float
    unit: str
    provenance: str

    @property
    def table(self) -> tuple[object, ...]:
        """What the lines of one table share."""
        by = tuple(name for name, _ in self.axes)
        return self.spec, self.metric, self.species, self.unit, by, self.provenance

    @property
    def row(self) -> str:
        """The row of the table."""
        values = [*(value for _, value in self.axes), float(f"{self.maximum:g}")]
        whole = [int(v) if isinstance(v, float) and v.is_integer() else v for v in values]
        return yaml.safe_dump(whole, default_flow_style=True, width=10**6).strip()


def written(lines: Sequence[Line], *, known: str = "") -> str:
    """The entries of one metric's ``thresholds``, as YAML, where ``*own`` stands for ``known``."""
    several = len({line.species for line in lines}) > 1
    text: list[str] = []
    for _, group in groupby(lines, key=lambda line: line.table):
        rows = list(group)
        first = rows[0]
        told = "*own" if first.provenance == known else f"&own {first.provenance}"
        known = first.provenance
        by = ", ".join(name for name, _ in first.axes)
        text.append(f"- by: [{by}]" if by else f"- max: {first.maximum:g}")
        text.append(f"  unit: {first.unit}")
        if several or first.species != _ALL:
            text.append(f"  species: {first.species}")
        text.append(f"  provenance: {told}")
        if by:
            text += ["  rows:", *(f"    - {row.row}" for row in rows)]
    return "".join(f"      {one}\n" for one in text)


def rounded_up(value: float) -> float:
    """The next number of two digits that is not below ``value``."""
    if value <= 0.0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    # A value that is such a number already must stay, whatever division makes of it.
    return float(f"{math.ceil(round(value / step, 9)) * step:.12g}")


def threshold_lines(reports: Sequence[Report], of: str = "") -> Iterator[Line]:
    """A threshold for every case that was measured, in the order of the spec.

    Of at least three seeds: the largest value plus the spread between them. Of a single model:
    its value times 1.3. Rounded up to two digits.

    Parameters
    ----------
    reports : sequence of Report
        Runs of the same specs with models that differ in nothing but their seed, or one run.
    of : str
        What was measured, to begin the provenance with.

    Raises
    ------
    MlffError
        If there are two, two of them are of one model, or a case is missing from one.
    """
    if len(reports) == 2:
        raise MlffError("2 reports are too few: a spread needs at least 3 seeds")
    models = [
        (
            tuple(sorted({one.seed for one in report.trainings})),
            tuple(one.digest for one in report.models),
        )
        for report in reports
    ]
    if len(set(models)) < len(reports):
        raise MlffError("two of the reports are of the same seed and model; train with a seed each")
    found = _values(reports)
    axes = {(f"{v.suite}/{v.spec}", v.variant): v.axes for v in reports[0].variants}
    # Cases of a parallel run stand in the order they finished; thresholds follow the spec.
    order = {place: number for number, place in enumerate(axes)}
    metrics = list(dict.fromkeys(one.metric for one, _ in found))
    frames: dict[str, dict[str, int]] = {}
    for one, _ in found:
        frames.setdefault(_spec(one), {})[one.variant] = int(one.n_frames or 0)
    for one, values in sorted(
        found,
        key=lambda pair: (
            _spec(pair[0]),
            metrics.index(pair[0].metric),
            pair[0].species or "",
            order[_spec(pair[0]), pair[0].variant],
        ),
    ):
        if None in values:
            raise MlffError(
                f"{_spec(one)}/{one.variant}/{one.metric}: missing from one of the reports"
            )
        seen = [value for value in values if value is not None]
        spread = max(seen) - min(seen)
        limit = max(seen) + spread if len(seen) > 1 else ALLOWANCE * seen[0]
        how = (
            f"the largest of {len(seen)} seeds plus the spread between them"
            if len(seen) > 1
            else f"{ALLOWANCE} times what it reached"
        )
        reference = json.dumps(f"{of}: {how}" if of else how, ensure_ascii=False)
        yield Line(
            spec=_spec(one),
            metric=one.metric,
            axes=tuple(axes[_spec(one), one.variant].items()),
            species=one.species or _ALL,
            maximum=max(_SMALLEST, rounded_up(limit)),
            unit=one.unit,
            provenance=f"{{source: own_baseline, reference: {reference}, "
            f"frames: {sum(frames[_spec(one)].values())}, seeds: {len(seen)}}}",
        )


def _spec(case: CaseRecord) -> str:
    return f"{case.suite}/{case.spec}"


def _is_error(name: str) -> bool:
    """Whether a metric is an error of predictions, of which a largest value is acceptable."""
    metric = metrics().get(name)
    return metric is not None and metric.comparable and not metric.larger_is_better


def _values(reports: Sequence[Report]) -> list[tuple[CaseRecord, list[float | None]]]:
    """Measured cases with their value in each report; pooled ones have no threshold."""
    found: dict[str, tuple[CaseRecord, list[float | None]]] = {}
    for number, report in enumerate(reports):
        for case in report.cases:
            if case.value is None or not _is_error(case.metric):
                continue
            if case.variant != "pooled" and case.group is None:
                _, values = found.setdefault(case.case_id, (case, [None] * len(reports)))
                before = values[number]
                values[number] = case.value if before is None else max(before, case.value)
    return list(found.values())


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``specs thresholds``."""
    parser = commands.add_parser(
        "thresholds",
        help="print thresholds from reports of one model, or of at least three seeds",
        description="Print a threshold for every measured case, one of each species: of several "
        "seeds the largest value plus the spread between them, of one model 1.3 times what it "
        "reached, rounded up to two digits.",
    )
    parser.add_argument("reports", metavar="REPORT", nargs="+", type=Path)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from pytest_mlff.reports.json_report import load_report

    known = ""
    lines = threshold_lines([load_report(path) for path in arguments.reports])
    for (spec, metric), group in groupby(lines, key=lambda line: (line.spec, line.metric)):
        found = list(group)
        print(f"# {spec}: {metric}\n{written(found, known=known)}", end="")
        known = found[-1].provenance
    return 0
