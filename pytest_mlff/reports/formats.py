"""Formats that a report is written in besides JSON; other packages add theirs.

They do so by an entry point (group ``pytest_mlff.reports``) or, for one run of pytest, by the
hook ``pytest_mlff_reports``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_mlff.entry_points import entry_points, named_object
from pytest_mlff.errors import MlffError, did_you_mean
from pytest_mlff.store import write_atomically

if TYPE_CHECKING:
    from pytest_mlff.reports.model import Report

_GROUP: Final = "pytest_mlff.reports"


@dataclass(frozen=True)
class ReportFormat:
    """A format, told from a :class:`~pytest_mlff.reports.model.Report` alone.

    Attributes
    ----------
    name : str
        What ``--mlff-write`` calls it.
    render : callable or str
        From a report to the content of its file: bytes, or text, which is written in UTF-8;
        or where it is, as ``"module:name"``.
    require : callable or str, optional
        Raises a `MissingExtraError` where a library is missing; asked before the run.
    """

    name: str
    render: Callable[[Report], str | bytes] | str
    require: Callable[[], None] | str | None = None

    def check(self) -> None:
        """See that it can be written, before a long run rather than after it.

        Raises
        ------
        MissingExtraError
            If a library is not installed.
        """
        if self.require is not None:
            _called(self.require)()

    def write(self, path: Path, report: Report) -> None:
        """Write a report; an old file survives if the disk is full.

        Raises
        ------
        MlffError
            If it cannot be rendered or written.
        """
        try:
            content = _called(self.render)(report)
            data = content.encode() if isinstance(content, str) else bytes(content)
        except MlffError:
            raise
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            raise MlffError(f"{path}: the format {self.name} failed ({why})") from error
        try:
            write_atomically(path, data)
        except OSError as error:
            why = error.strerror or str(error)
            raise MlffError(f"{path}: cannot write the {self.name} report ({why})") from error


def _called(place: Any) -> Any:
    return named_object(place) if isinstance(place, str) else place


_BUILTIN: Final = (
    ReportFormat(
        "html", "pytest_mlff.reports.html:render_html", "pytest_mlff.reports.html:require_html"
    ),
    ReportFormat("csv", "pytest_mlff.reports.frame_table:csv_file"),
)


def report_formats(added: Iterable[object] = ()) -> dict[str, ReportFormat]:
    """Every format by name: this package's, those of installed packages, those of a hook.

    Raises
    ------
    MlffError
        If something is no format, or takes the name of another one.
    """
    known = {one.name: one for one in _BUILTIN}
    others = [*entry_points(_GROUP), *(("the hook pytest_mlff_reports", one) for one in added)]
    for place, one in others:
        if not isinstance(one, ReportFormat):
            raise MlffError(f"{place} gives {type(one).__name__}, not a ReportFormat")
        if one.name in known:
            raise MlffError(f"{place}: the report format {one.name} exists already")
        known[one.name] = one
    return known


def format_named(name: str, formats: Mapping[str, ReportFormat]) -> ReportFormat:
    """Look a format up.

    Raises
    ------
    MlffError
        If there is none of that name; lists those that exist.
    """
    if name not in formats:
        near = did_you_mean(name, formats)
        raise MlffError(f"unknown report format {name!r}{near} (formats: {', '.join(formats)})")
    return formats[name]
