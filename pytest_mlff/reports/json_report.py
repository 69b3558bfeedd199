"""Writing and reading the JSON report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pydantic import ValidationError

from pytest_mlff.errors import MlffError
from pytest_mlff.reports.model import SCHEMA_VERSION, Report
from pytest_mlff.store import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["load_report", "write_report"]


def write_report(path: Path, report: Report) -> None:
    """Write a report; an old file survives if the disk is full.

    Raises
    ------
    MlffError
        If the file cannot be written.
    """
    text = report.model_dump_json(indent=1) + "\n"
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        raise MlffError(f"{path}: cannot write the report ({error.strerror or error})") from error


def load_report(path: Path) -> Report:
    """Read and check a report.

    Raises
    ------
    MlffError
        If there is no such file, or it is not a report of this schema version.
    """
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise MlffError(f"{path}: cannot read the report ({error.strerror or error})") from error
    except ValueError as error:
        raise MlffError(f"{path}: not a JSON report ({error})") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version != SCHEMA_VERSION:
        raise MlffError(
            f"{path}: report of schema version {version}, this version reads {SCHEMA_VERSION}"
        )
    try:
        return Report.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise MlffError(f"{path}: not a valid report: {where}: {first['msg']}") from error
