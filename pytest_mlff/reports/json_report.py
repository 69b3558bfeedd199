"""Writing and reading the JSON report."""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pytest_mlff.errors import MlffError
from pytest_mlff.gate.files import parse_json
from pytest_mlff.reports.model import SCHEMA_VERSION, Report
from pytest_mlff.reports.stream import CLOSING, PARTIAL
from pytest_mlff.store import write_atomically


def sidecar_path(report: Path) -> Path:
    """Where the per-frame values of a report lie."""
    return report.with_name(f"{report.stem}.residuals.npz")


def write_report(path: Path, report: Report, sidecar: bytes | None = None) -> None:
    """Write a report and its per-frame values; old files survive if the disk is full.

    Without ``sidecar``, a `sidecar_path` that is there is removed: it belonged to another report.

    Raises
    ------
    MlffError
        If a file cannot be written.
    """
    beside = sidecar_path(path)
    scratch = beside.with_name(f".{beside.name}.new")
    try:
        # Everything that needs room comes before the first old file is replaced.
        if sidecar is not None:
            write_atomically(scratch, sidecar)
        write_atomically(path, _pieces(report))
        if sidecar is None:
            beside.unlink(missing_ok=True)
        else:
            scratch.replace(beside)
    except OSError as error:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise MlffError(f"{path}: cannot write the report ({error.strerror or error})") from error


def _pieces(report: Report) -> Iterator[bytes]:
    """The text of a report case by case: that of 100,000 cases would take hundreds of MB."""
    bare = report.model_copy(update={"cases": []}).model_dump_json(indent=1)
    if not report.cases:
        yield f"{bare}\n".encode()
        return
    # No string of JSON holds a line break, so this is the report's own key.
    before, key, after = bare.partition('\n "cases": []')
    yield f"{before}{key[:-1]}".encode()
    for number, case in enumerate(report.cases):
        text = textwrap.indent(case.model_dump_json(indent=1), "  ")
        yield f"{',' if number else ''}\n{text}".encode()
    yield f"\n ]{after}\n".encode()


def load_report(path: Path) -> Report:
    """Read and check a report, also the unfinished one of a killed run.

    Raises
    ------
    MlffError
        If there is no such file, or it is not a report of this schema version.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise MlffError(f"{path}: cannot read the report ({error.strerror or error})") from error
    try:
        content = _parsed(text, partial=path.name.endswith(PARTIAL))
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


def _parsed(text: bytes, *, partial: bool) -> Any:
    try:
        return parse_json(text)
    except ValueError:
        if not partial:
            raise
        # The run was killed within a write: all cases but the last line are whole.
        whole = text.rpartition(b"\n")[0].rstrip().rstrip(b",")
        return parse_json(whole + CLOSING.encode())
