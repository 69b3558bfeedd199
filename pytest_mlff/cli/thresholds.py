"""``mlff specs thresholds``: thresholds with provenance from runs of several seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from pytest_mlff.reports.model import CaseRecord, Report
    from pytest_mlff.specs.operations import Scalar

__all__ = ["Line", "register", "rounded_up", "threshold_lines"]

MEASURED = ("_mae", "_rmse")


@dataclass(frozen=True)
class Line:
    """One threshold.

    Attributes
    ----------
    spec, metric : str
        ``<suite>/<spec>`` and metric.
    axes : tuple of (str, scalar)
        Where on the axes it holds.
    species : str
        ``all`` or ``each``.
    maximum : float
        Largest acceptable value.
    unit : str
        Its unit.
    frames, seeds : int
        What it was measured on.
    """

    spec: str
    metric: str
    axes: tuple[tuple[str, Scalar], ...]
    species: str
    maximum: float
    unit: str
    frames: int
    seeds: int

    @property
    def provenance(self) -> str:
        """Where the number comes from, as a spec says it."""
        return (
            "{source: own_baseline, reference: the largest of the seeds plus the spread between "
            f"them, frames: {self.frames}, seeds: {self.seeds}}}"
        )

    @property
    def table(self) -> tuple[object, ...]:
        """What the lines of one table share."""
        by = tuple(name for name, _ in self.axes)
        return self.spec, self.metric, self.species, self.unit, by, self.provenance

    def head(self, provenance: str) -> list[str]:
        """Lines that a table begins with, with the provenance or an alias of it."""
        lines = [f"- by: [{', '.join(name for name, _ in self.axes)}]", f"  unit: {self.unit}"]
        if not self.metric.startswith("energy"):
            lines.append(f"  species: {self.species}")
        return [*lines, f"  provenance: {provenance}", "  rows:"]

    @property
    def row(self) -> str:
        """The row of the table."""
        values = [*(value for _, value in self.axes), float(f"{self.maximum:g}")]
        whole = [int(v) if isinstance(v, float) and v.is_integer() else v for v in values]
        return f"    - {yaml.safe_dump(whole, default_flow_style=True, width=10**6).strip()}"


def rounded_up(value: float, digits: int = 2) -> float:
    """The next number with so many digits that is not below ``value``."""
    if value <= 0.0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(value)) - digits + 1)
    # A value that is such a number already must stay, whatever division makes of it.
    return float(f"{math.ceil(round(value / step, 9)) * step:.12g}")


def threshold_lines(reports: Sequence[Report]) -> Iterator[Line]:
    """Largest value over the seeds plus the spread between them, rounded up to two digits.

    Cases of one species share a threshold, that of the worst.

    Parameters
    ----------
    reports : sequence of Report
        Runs of the same specs with differently seeded trainings, at least three.

    Raises
    ------
    MlffError
        If there are too few, two of them share a seed, or a case is missing from one.
    """
    if len(reports) < 3:
        raise MlffError(f"{len(reports)} reports are too few: a spread needs at least 3 seeds")
    seeds = [tuple(sorted({one.seed for one in report.trainings})) for report in reports]
    if len(set(seeds)) < len(reports):
        raise MlffError("two of the reports are of the same seed; train with a seed each")
    values: dict[tuple[str, str, str, str], list[list[float]]] = {}
    about: dict[tuple[str, str, str, str], CaseRecord] = {}
    for number, report in enumerate(reports):
        for case in report.cases:
            if case.value is None or not case.metric.endswith(MEASURED):
                continue
            kind = "all" if case.species is None else "each"
            key = (f"{case.suite}/{case.spec}", case.metric, kind, case.variant)
            about.setdefault(key, case)
            found = values.setdefault(key, [[] for _ in reports])
            found[number].append(case.value)
    axes = {(f"{v.suite}/{v.spec}", v.variant): v.axes for v in reports[0].variants}
    # Cases of a parallel run stand in the order they finished; thresholds follow the spec.
    order = {place: number for number, place in enumerate(axes)}
    metrics = list(dict.fromkeys(key[1] for key in values))
    ordered = sorted(
        values.items(),
        key=lambda item: (
            item[0][0],
            metrics.index(item[0][1]),
            item[0][2],
            order[item[0][0], item[0][3]],
        ),
    )
    for key, found in ordered:
        spec, metric, kind, variant = key
        if not all(found):
            raise MlffError(f"{spec}/{variant}/{metric}: missing from one of the reports")
        worst = [max(per_seed) for per_seed in found]
        yield Line(
            spec=spec,
            metric=metric,
            axes=tuple(axes[spec, variant].items()),
            species=kind,
            maximum=rounded_up(max(worst) + max(worst) - min(worst)),
            unit=about[key].unit,
            frames=int(about[key].n_frames or 0),
            seeds=len(reports),
        )


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``specs thresholds``."""
    parser = commands.add_parser(
        "thresholds",
        help="print thresholds from reports of at least three seeds",
        description="Print a threshold for every measured case: the largest value over the seeds "
        "plus the spread between them, rounded up to two digits.",
    )
    parser.add_argument("reports", metavar="REPORT", nargs="+", type=Path)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from pytest_mlff.reports.json_report import load_report

    head = known = ""
    table: tuple[object, ...] = ()
    for line in threshold_lines([load_report(path) for path in arguments.reports]):
        of = f"{line.spec}: {line.metric}"
        if of != head:
            print(f"# {of}")
            head = of
        if line.table != table:
            # One anchor for all that were measured alike.
            told = "*own" if line.provenance == known else f"&own {line.provenance}"
            table, known = line.table, line.provenance
            print("\n".join(f"      {text}" for text in line.head(told)))
        print(f"      {line.row}")
    return 0
