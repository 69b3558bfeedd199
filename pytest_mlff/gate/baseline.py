"""Baseline files: what a model once reached, small enough to lie in its git repository.

``baselines/<model>.json`` holds one entry a case, sorted, at full precision, so that a
change is a readable diff. Per-frame values lie beside it in ``<model>.<digest>.npz``: the
name follows the content, so the old pair stays whole until the new JSON is in place.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlff.errors import MlffError
from pytest_mlff.gate.files import (
    BASELINE_KIND,
    FIX,
    NEWEST_SCHEMA,
    read_document,
    read_models,
    read_sidecar,
    sealed,
    write_file,
)
from pytest_mlff.gate.records import KeptCase, as_stored, pack, unpack, write_arrays
from pytest_mlff.metrics.registry import metric_named
from pytest_mlff.specs.cases import POOLED
from pytest_mlff.statistics.multiple_tests import Regression, judge_regressions
from pytest_mlff.statistics.paired import ALPHA, MARGIN, compare_paired

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.statistics.paired import PairedComparison

BASELINE_SCHEMA_VERSION = NEWEST_SCHEMA[BASELINE_KIND]


@dataclass(frozen=True)
class Acceptance:
    """A worsening that someone accepted: why, from what to what (the case's unit), ISO date."""

    reason: str
    before: float
    after: float
    date: str | None = None


@dataclass(frozen=True, eq=False)
class BaselineCase:
    """One entry: the record, the model it came from, and what was accepted on the way."""

    record: KeptCase
    model_digest: str | None
    accepted: tuple[Acceptance, ...] = ()


@dataclass(frozen=True, eq=False)
class Baseline:
    """A baseline of one model, with the file it came from or will go to.

    One that ``is_report`` was read from a report, and cannot be updated.
    """

    path: Path
    model: str
    cases: Mapping[str, BaselineCase] = field(default_factory=dict)
    is_report: bool = False


@dataclass(frozen=True)
class GateResult:
    """Cases of a run against a baseline.

    Attributes
    ----------
    regressions : mapping of case id to Regression
        Every case that could be compared.
    refused : mapping of case id to str
        Cases whose baseline entry is of other data, spec, dtype or unit, with the reason.
        They were not compared, which is not a pass.
    new : tuple of str
        Cases the baseline does not know.
    orphans : tuple of str
        Entries of the baseline that no case of the collected ones has.
    """

    regressions: Mapping[str, Regression]
    refused: Mapping[str, str]
    new: tuple[str, ...]
    orphans: tuple[str, ...]


def spec_of(case_id: str) -> str:
    """``<suite>/<spec>`` of a case id."""
    return "/".join(case_id.split("/")[:2])


def family_of(case_id: str) -> str:
    """Family of a case: the pooled tests of a spec are one of their own."""
    parts = case_id.split("/")
    return "/".join(parts[:3] if parts[2:3] == [POOLED] else parts[:2])


def load_baseline(path: Path, *, model: str | None = None, any_name: bool = False) -> Baseline:
    """Read a baseline file, or take another run's report for one.

    Parameters
    ----------
    path : Path
    model : str, optional
        Which model of a report; needed only if the report holds several.
    any_name : bool
        Take the only model of a report whatever its name: the model of the base branch
        may well be called something else.

    Raises
    ------
    MlffError
        If the file or its sidecar is missing, truncated, edited by hand, or of a newer
        schema version; if the report holds no per-frame values or not that model.
    """
    document = read_document(path, what="baseline")
    if document.get("kind") != BASELINE_KIND:
        return _from_report(path, document, model, any_name)
    if document.get("digest") != sealed(document)["digest"]:
        raise MlffError(f"baseline {path} was changed after it was written; {FIX['baseline']}")
    arrays = read_sidecar(path, document.get("sidecar"), what="baseline")
    try:
        cases = {
            name: BaselineCase(
                record=unpack(name, entry, arrays),
                model_digest=entry.get("model_digest"),
                accepted=tuple(
                    Acceptance(one["reason"], one["before"], one["after"], one.get("date"))
                    for one in entry.get("accepted", ())
                ),
            )
            for name, entry in document["cases"].items()
        }
        return Baseline(path, str(document["model"]), cases)
    except MlffError as error:
        raise MlffError(f"baseline {path}: {error}; {FIX['baseline']}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise MlffError(f"baseline {path} is incomplete ({error}); {FIX['baseline']}") from error


def _from_report(
    path: Path, document: Mapping[str, Any], model: str | None, any_name: bool
) -> Baseline:
    models = read_models(path, document)
    if (model is None or any_name) and len(models) == 1:
        model = next(iter(models))
    if model not in models:
        asked = "names several models" if model is None else f"does not hold model {model!r}"
        raise MlffError(f"report {path} {asked}: it holds {', '.join(sorted(models)) or 'none'}")
    told = document["residuals"].get("model_digests")
    digest = told.get(model) if isinstance(told, dict) else None
    cases = {name: BaselineCase(record, digest) for name, record in models[model].items()}
    return Baseline(path, model, cases, is_report=True)


def save_baseline(baseline: Baseline) -> None:
    """Write a baseline and its sidecar; whatever was there survives a failure.

    Raises
    ------
    MlffError
        If a file cannot be written.
    """
    arrays: dict[str, NDArray[Any]] = {}
    cases: dict[str, Any] = {}
    for name, case in sorted(baseline.cases.items()):
        entry = {**pack(case.record, arrays), "model_digest": case.model_digest}
        if case.accepted:
            entry["accepted"] = [
                {"reason": a.reason, "before": a.before, "after": a.after, "date": a.date}
                for a in case.accepted
            ]
        cases[name] = entry
    content = write_arrays(arrays)
    digest = hashlib.sha256(content).hexdigest()
    path = baseline.path
    sidecar = path.with_name(f"{path.stem}.{digest[:12]}.npz")
    document = sealed(
        {
            "kind": BASELINE_KIND,
            "schema_version": BASELINE_SCHEMA_VERSION,
            "model": baseline.model,
            "sidecar": {"file": sidecar.name, "sha256": digest},
            "cases": cases,
        }
    )
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    previous = _sidecar_of(path)
    write_file(sidecar, content, what="baseline")
    try:
        write_file(path, f"{text}\n".encode(), what="baseline")
    except MlffError:
        if sidecar != previous:
            sidecar.unlink(missing_ok=True)
        raise
    if previous is not None and previous != sidecar:
        previous.unlink(missing_ok=True)


def _sidecar_of(path: Path) -> Path | None:
    """Sidecar that the file now at ``path`` names, if it is one of ours."""
    try:
        name = json.loads(path.read_text(encoding="utf-8"))["sidecar"]["file"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    ours = isinstance(name, str) and name.startswith(f"{path.stem}.") and name.endswith(".npz")
    return path.with_name(name) if ours and Path(name).name == name else None


def check(
    baseline: Baseline,
    records: Iterable[KeptCase],
    *,
    collected: Iterable[str] | None = None,
    margin: float | Mapping[str, float] = MARGIN,
    alpha: float = ALPHA,
    family: Callable[[str], str] = family_of,
    tests: Mapping[str, int] | None = None,
) -> GateResult:
    """Hold the cases of a run against a baseline.

    Parameters
    ----------
    baseline : Baseline
    records : iterable of KeptCase
        Measured cases.
    collected : iterable of str, optional
        Ids of all cases the suite holds, measured in this run or deselected: entries
        outside it are orphans. The measured ones if left out.
    margin : float or mapping of case id to float
        Tolerated relative worsening.
    alpha : float
        Probability of any false alarm within one family.
    family : callable
        Family of a case id; by default its spec, or the pooled cases of its spec.
    tests : mapping of family to int, optional
        Sizes of families of which ``records`` is a part, see `judge_regressions`.
    """
    measured = {record.case_id: record for record in records}
    refused: dict[str, str] = {}
    families: dict[str, dict[str, PairedComparison]] = {}
    for name, record in measured.items():
        if name not in baseline.cases:
            continue
        stored = baseline.cases[name].record
        why = record.identity.difference(stored.identity)
        if why is None:
            limit = margin if isinstance(margin, (int, float)) else margin.get(name, MARGIN)
            try:
                compared = compare_paired(
                    as_stored(record.series),
                    stored.series,
                    margin=limit,
                    larger_is_better=metric_named(record.metric).larger_is_better,
                )
            except MlffError as error:
                why = str(error)
            else:
                families.setdefault(family(name), {})[name] = compared
        if why is not None:
            refused[name] = f"not compared with baseline {baseline.path.name}: {why}"
    regressions: dict[str, Regression] = {}
    for name, cases in families.items():
        size = 0 if tests is None else tests.get(name, 0)
        regressions.update(judge_regressions(cases, alpha=alpha, tests=size))
    known = set(measured if collected is None else collected) | set(measured)
    return GateResult(
        regressions={name: regressions[name] for name in measured if name in regressions},
        refused=refused,
        new=tuple(sorted(name for name in measured if name not in baseline.cases)),
        orphans=tuple(sorted(name for name in baseline.cases if name not in known)),
    )
