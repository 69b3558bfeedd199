"""Reading and writing what is compared: a JSON document and its sidecar of per-frame values."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlff.errors import MlffError
from pytest_mlff.gate.records import pack, read_arrays, unpack, write_arrays
from pytest_mlff.store import digest_of, write_atomically

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.gate.records import KeptCase

BASELINE_KIND = "mlff-baseline"

NEWEST_SCHEMA = {BASELINE_KIND: 2, "report": 1}
"""Newest schema version that is read, by the document's ``kind``; a report has none."""

FIX = {
    "baseline": "restore it from version control, or delete it and write a new one with "
    "--mlff-update-baseline",
    "report": "keep its .residuals.npz beside it, or repeat that run with this version of "
    "pytest-mlff",
}
"""What to do about a file that is broken."""

_RUN_AGAIN = (
    "repeat that run with --mlff-report=FILE, or make a baseline file of that model "
    "(pytest --mlff-model=MODEL --mlff-baseline=baselines/MODEL.json --mlff-update-baseline)"
)

_MAX_DEPTH = 40
_VERSION_DIGITS = 9


def sealed(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with a ``digest`` of its other keys, so that a hand edit is noticed."""
    rest = {key: value for key, value in document.items() if key != "digest"}
    return {**rest, "digest": digest_of(rest)}


def parse_json(text: str | bytes) -> Any:
    """Parse JSON from anybody: finite numbers only, and no deeper than a report is.

    Raises
    ------
    ValueError
        With one line; of a syntax error it is `json.JSONDecodeError`.
    """
    try:
        content = json.loads(text, parse_constant=_finite, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    level = [content] if isinstance(content, dict | list) else []
    for _ in range(_MAX_DEPTH):
        inner = (one.values() if isinstance(one, dict) else one for one in level)
        level = [one for some in inner for one in some if isinstance(one, dict | list)]
        if not level:
            return content
    raise ValueError("nested too deeply")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is no finite number")
    return number


def read_document(path: Path, *, what: str) -> dict[str, Any]:
    """Read a JSON object, a baseline or a report, and check its schema version.

    Parameters
    ----------
    path : Path
    what : str
        What the file should be, for messages: ``"baseline"`` …

    Raises
    ------
    MlffError
        If the file is missing, unreadable, not JSON, or of a newer schema version.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise MlffError(f"{what} {path} does not exist") from error
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise MlffError(f"{what} {path} cannot be read: {why}") from error
    try:
        document = parse_json(text)
    except json.JSONDecodeError as error:
        raise MlffError(
            f"{what} {path}, line {error.lineno}: not complete JSON ({error.msg}); {FIX[what]}"
        ) from error
    except ValueError as error:
        raise MlffError(f"{what} {path}: {error}; {FIX[what]}") from error
    if not isinstance(document, dict):
        raise MlffError(f"{what} {path} holds no JSON object; {FIX[what]}")
    version = document.get("schema_version")
    major = version if isinstance(version, int) else str(version).partition(".")[0]
    if not str(major).isdecimal() or len(str(major)) > _VERSION_DIGITS:
        raise MlffError(f"{what} {path} names no schema_version; {FIX[what]}")
    newest = NEWEST_SCHEMA.get(str(document.get("kind")), NEWEST_SCHEMA["report"])
    if int(major) > newest:
        raise MlffError(
            f"{what} {path} has schema version {version}, this version of pytest-mlff reads up to "
            f"{newest}: upgrade pytest-mlff"
        )
    return document


def read_sidecar(path: Path, told: Any, *, what: str) -> dict[str, NDArray[Any]]:
    """Arrays of the sidecar that a document names, checked against its digest.

    Raises
    ------
    MlffError
        If it is missing, unreadable or has another digest.
    """
    if not (
        isinstance(told, dict)
        and isinstance(told.get("file"), str)
        and isinstance(told.get("sha256"), str)
    ):
        raise MlffError(f"{what} {path} does not name its sidecar of per-frame values; {FIX[what]}")
    name = told["file"]
    # A sidecar lies beside its document: a path from a file is not followed elsewhere.
    if not name or name != name.replace("\\", "/").rsplit("/", 1)[-1]:
        raise MlffError(
            f"{what} {path} names the sidecar {name!r} outside its own folder; {FIX[what]}"
        )
    sidecar = path.with_name(name)
    try:
        content = sidecar.read_bytes()
    except FileNotFoundError as error:
        raise MlffError(f"{what} {path}: its sidecar {sidecar} is missing; {FIX[what]}") from error
    except OSError as error:
        raise MlffError(
            f"{what} {path}: its sidecar {sidecar} cannot be read: {error.strerror}"
        ) from error
    if hashlib.sha256(content).hexdigest() != told["sha256"]:
        raise MlffError(
            f"{what} {path}: its sidecar {sidecar} has another digest than the one written down; "
            f"{FIX[what]}"
        )
    try:
        return read_arrays(content)
    except ValueError as error:
        raise MlffError(f"{what} {path}: its sidecar {sidecar} is {error}; {FIX[what]}") from error


def pack_models(
    models: Mapping[str, Iterable[KeptCase]], sidecar: str
) -> tuple[dict[str, Any], bytes]:
    """What a report keeps as ``residuals``, and the bytes of the sidecar (by name) beside it."""
    arrays: dict[str, NDArray[Any]] = {}
    packed = {
        model: {record.case_id: pack(record, arrays) for record in records}
        for model, records in models.items()
    }
    return seal_entries(packed, arrays, sidecar)


def seal_entries(
    models: Mapping[str, Mapping[str, Any]],
    arrays: Mapping[str, NDArray[Any]],
    sidecar: str,
    model_digests: Mapping[str, str | None] | None = None,
) -> tuple[dict[str, Any], bytes]:
    """As `pack_models`, of entries that are packed already.

    All that a gate reads of a report lies here, under one seal.

    Parameters
    ----------
    models : mapping of model name to case id to entry
    arrays : mapping of str to ndarray
        What the entries refer to.
    sidecar : str
        File name of the sidecar, beside the report.
    model_digests : mapping of model name to digest, optional
    """
    content = write_arrays(arrays)
    told = {
        "sidecar": {"file": sidecar, "sha256": hashlib.sha256(content).hexdigest()},
        "models": {model: dict(entries) for model, entries in models.items()},
        "model_digests": dict(model_digests or {}),
    }
    return sealed(told), content


def read_models(path: Path, document: Mapping[str, Any]) -> dict[str, dict[str, KeptCase]]:
    """Records of each model of a report that was written with `pack_models`.

    Raises
    ------
    MlffError
        If the report holds no per-frame values, or they are damaged or edited.
    """
    residuals = document.get("residuals")
    if not isinstance(residuals, dict) or not isinstance(residuals.get("models"), dict):
        raise MlffError(
            f"report {path} holds no per-frame values to compare frame by frame; {FIX['report']}"
        )
    if "digest" not in residuals:
        raise MlffError(
            f"report {path} carries no digest of its values, so an edit would go unseen: "
            f"{_RUN_AGAIN}"
        )
    if residuals["digest"] != sealed(residuals)["digest"]:
        raise MlffError(f"report {path} was changed after it was written: {_RUN_AGAIN}")
    arrays = read_sidecar(path, residuals.get("sidecar"), what="report")
    found: dict[str, dict[str, KeptCase]] = {}
    for model, entries in residuals["models"].items():
        if not isinstance(entries, dict):
            raise MlffError(f"report {path}: model {model!r} holds no cases; {FIX['report']}")
        try:
            found[model] = {name: unpack(name, entry, arrays) for name, entry in entries.items()}
        except MlffError as error:
            raise MlffError(f"report {path}: {error}; {FIX['report']}") from error
    return found


def write_file(path: Path, content: bytes, *, what: str) -> None:
    """Write atomically: the old file survives a full disk.

    Raises
    ------
    MlffError
        If it cannot be written.
    """
    try:
        write_atomically(path, content)
    except OSError as error:
        raise MlffError(
            f"{what} {path} cannot be written: {error.strerror}; what was there before is unchanged"
        ) from error
