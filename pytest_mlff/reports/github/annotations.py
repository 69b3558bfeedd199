"""Annotations: one error a spec, at the line of its worst case."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_mlff.errors import MlffError
from pytest_mlff.reports.github.escape import command, shortened, visible_line
from pytest_mlff.reports.github.words import interval, is_red, worst_first
from pytest_mlff.reports.headline import headline_of
from pytest_mlff.specs.locate import builtin_folder
from pytest_mlff.specs.yaml_source import read_yaml
from pytest_mlff.units import in_unit

if TYPE_CHECKING:
    from pytest_mlff.reports.model import CaseRecord, Report
    from pytest_mlff.specs.schema import Spec

_SHOWN: Final = 10
"""Errors that GitHub shows for one step; it drops the others without a word."""
_CASES_NAMED: Final = 5
_TITLE: Final = 200


@dataclass(frozen=True)
class Place:
    """A line, from 1, of a file of the repository, by its path from the root with ``/``."""

    file: str
    line: int


def annotation_lines(report: Report, locate: Callable[[CaseRecord], Place | None]) -> list[str]:
    """Workflow commands that mark every red spec, worst first.

    At most ten lines, as many as GitHub shows; the tenth says how many more specs are red. One
    without a place if the run is red though no case is. ``locate`` says where the case of a
    record is written; None if in no file of the repository.
    """
    specs: dict[str, list[CaseRecord]] = {}
    for record in worst_first(record for record in report.cases if is_red(record)):
        specs.setdefault(f"{record.suite}/{record.spec}", []).append(record)
    if not specs:
        headline = headline_of(report)
        kind = "error" if report.run.exit_code else "warning"
        return [] if headline.answer == "Yes" else [command(kind, headline.sentence, title="mlff")]
    several = len({record.model for record in report.cases}) > 1
    lines = []
    for shown, (name, red) in enumerate(list(specs.items())[:_SHOWN], start=1):
        total = sum(f"{r.suite}/{r.spec}" == name for r in report.cases)
        more = len(specs) - shown if shown == _SHOWN else 0
        lines.append(_annotation(name, red, total, locate(red[0]), several=several, more=more))
    return lines


def _annotation(
    name: str,
    red: list[CaseRecord],
    total: int,
    place: Place | None,
    *,
    several: bool,
    more: int,
) -> str:
    told = [_told(record, several) for record in red[:_CASES_NAMED]]
    if len(red) > _CASES_NAMED:
        told.append(f"and {len(red) - _CASES_NAMED} more red cases of this spec")
    if more:
        told.append(
            f"{more} more spec{' is' if more == 1 else 's are'} red; GitHub shows ten errors "
            "for one step, the summary of the step has them all"
        )
    where: dict[str, str | int] = {} if place is None else {"file": place.file, "line": place.line}
    title = f"{name}: {len(red)} of {total} cases {'is' if len(red) == 1 else 'are'} red"
    return command("error", "\n".join(told), **where, title=shortened(title, _TITLE))


def _told(record: CaseRecord, several: bool) -> str:
    label = f"{record.model}: {record.case_id}" if several and record.model else record.case_id
    # The reason names value, threshold and baseline already.
    text = f"{label}: {record.verdict}: {record.reason}"
    if record.ci_low is not None:
        text += f"; 95 % interval {in_unit(interval(record), record.unit)}"
    return shortened(visible_line(text), 1000)


def locator(
    specs: Iterable[Spec], workspace: str | Path | None
) -> Callable[[CaseRecord], Place | None]:
    """Find the line of a record's entry under ``cases``.

    None for a spec that is no file of the repository in ``workspace``, as those that ship with
    the package are, unless the repository is its own.
    """
    by_name = {f"{spec.suite}/{spec.name}": spec for spec in specs}
    root = Path(workspace).resolve() if workspace else None

    def locate(record: CaseRecord) -> Place | None:
        spec = by_name.get(f"{record.suite}/{record.spec}")
        if spec is None or spec.path is None or root is None:
            return None
        file = _inside(spec.path.resolve(), root)
        if file is None:
            return None
        return Place(file, _line(spec, spec.path, record))

    return locate


def _inside(path: Path, root: Path) -> str | None:
    if not path.is_relative_to(root):
        return None
    inside = path.relative_to(root)
    # A virtual environment may lie in the workspace, and with it the specs of the package.
    if path.is_relative_to(builtin_folder()) and builtin_folder().parent != root:
        return None
    return inside.as_posix()


def _line(spec: Spec, path: Path, record: CaseRecord) -> int:
    at: tuple[str | int, ...] = ("datasets",)
    for index, plan in enumerate(spec.cases):
        words = ("all",) if record.species is None else ("each", record.species)
        if plan.metric == record.metric and any(word in plan.species for word in words):
            at = ("cases", index)
            break
    try:
        return read_yaml(path).line(at)
    except MlffError:  # changed or removed while the run went on
        return 1
