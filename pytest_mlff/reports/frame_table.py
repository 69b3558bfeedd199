"""The report as a pandas DataFrame and as CSV for a spreadsheet."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_mlff.errors import needing
from pytest_mlff.reports.columns import VERDICTS, columns_of
from pytest_mlff.reports.json_report import load_report

if TYPE_CHECKING:
    import os

    import pandas as pd

    from pytest_mlff.reports.columns import Column
    from pytest_mlff.reports.model import Report

# A spreadsheet takes text that begins so for a formula and would run it.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_BYTE_ORDER_MARK: Final = "\ufeff"


def read_report(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a JSON report as a table with one row per case.

    Columns are all fields of a case, the axes of its variant as ``axis_<name>`` and its
    evidence as ``evidence_<name>``; units stand in the column ``unit``. ``verdict`` is an
    ordered categorical, gravest first; structures are JSON text. ``attrs`` holds ``run``,
    ``models``, ``schema_version`` and ``path``.

    Parameters
    ----------
    path : path
        Report written by ``--mlff-report``.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    MlffError
        If there is no such report, or it is not one of this schema version.
    MissingExtraError
        If pandas is not installed.

    Examples
    --------
    >>> frame = pytest_mlff.read_report("mlff.json")  # doctest: +SKIP
    >>> frame.groupby("axis_samples")["value"].mean()  # doctest: +SKIP
    """
    frame = frame_of(load_report(Path(path)))
    frame.attrs["path"] = str(path)
    return frame


def frame_of(report: Report) -> pd.DataFrame:
    """The table of a report, as `read_report` gives it.

    Raises
    ------
    MissingExtraError
        If pandas is not installed.
    """
    with needing("the table of a report", "pandas", "report"):
        import pandas as pd
    dtypes: dict[str, Any] = {
        "float": "float64",
        "integer": "Int64",
        "boolean": "boolean",
        "text": "string",
        "verdict": pd.CategoricalDtype(list(VERDICTS), ordered=True),
    }
    frame = pd.DataFrame(
        {
            column.name: pd.Series(list(column.cells), dtype=dtypes[column.kind])
            for column in columns_of(report)
        }
    )
    frame.attrs.update(
        schema_version=report.schema_version,
        run=report.run.model_dump(),
        models=[model.model_dump() for model in report.models],
    )
    return frame


def csv_text(report: Report) -> str:
    """The table of a report as CSV: numbers at full precision, nothing where there is none.

    Text that a spreadsheet would run as a formula gets a leading apostrophe.
    """
    columns = columns_of(report)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([column.name for column in columns])
    written = [_written(column) for column in columns]
    writer.writerows(zip(*written, strict=True))
    return stream.getvalue()


def _written(column: Column) -> list[str]:
    if column.kind == "text":
        return ["" if cell is None else _harmless(str(cell)) for cell in column.cells]
    return ["" if cell is None else str(cell) for cell in column.cells]


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def csv_file(report: Report) -> str:
    """The same for a file: behind a byte order mark, without which spreadsheets misread ``Å``."""
    return _BYTE_ORDER_MARK + csv_text(report)
